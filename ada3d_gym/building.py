"""From names and paths, which a registered environment can hold, to the live core."""

from __future__ import annotations

import warnings
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, get_args

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from typing_extensions import Unpack

from ada3d_gym.bandit import ClipBandit, Order
from ada3d_gym.datasets import EMBEDDED, EMBEDDED_SETS, VIDEO_SETS, embedded_clips, video_clips
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError, check_paths, did_you_mean
from ada3d_gym.networks.checkpoints.loading import load_checkpoint
from ada3d_gym.networks.checkpoints.weights import load_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.conversion.named import named_network
from ada3d_gym.networks.described import DescribedNetwork
from ada3d_gym.networks.families import make_network
from ada3d_gym.networks.selection import Aggregation, ClipTrunk, load_torchvision
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.observers import FeatureObserver, IndexObserver, Observation, Observer, PixelObserver
from ada3d_gym.options import ReadingOptions
from ada3d_gym.outcomes.classifier import TableClassifier, check_named, check_network
from ada3d_gym.outcomes.table import NEEDED_PARTS, OutcomeTable, load_table
from ada3d_gym.precision import Precision, dtype_of
from ada3d_gym.rewards import Cost, Reward, Shaping, reward_of
from ada3d_gym.shipped import CLASSIFIER_BACKBONES, SELECTION, shipped_classifier, shipped_start, shipped_table
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.motionshapes.drawing import CLASSES

SMALL = 64  # pixels; policies see frames up to this side through the tiny trunk
SHIPPED_FRAMES = 8  # of the clips that the shipped trunk was trained on
RANDOM = "random"  # in the place of weights: drawn ones, whatever ships
SHIPPED_START = "shipped"  # in the place of a checkpoint: `ada3d_gym.shipped.STARTS`, whose head is of other classes


def build_bandit(
    *,
    dataset: str = EMBEDDED,
    split: str = "train",
    num_frames: int = 8,
    views: int | None = None,
    videos: int | None = None,
    backbone: str = "i3d_tiny",
    checkpoint: str | Path | None = None,
    gamma: float = 1.0,
    cost: Cost = "usage",
    reward: Shaping | str | Reward | type[Reward] = "accuracy",
    observation: Observation = "pixels",
    features: str | Path | None = None,
    order: Order = "epochs",
    device: str = "cpu",
    classifier: NetworkClassifier | None = None,
    outcomes: str | Path | None = None,
    precision: Precision | None = None,
    **reading: Unpack[ReadingOptions],
) -> ClipBandit:
    """A bandit over clips of a data set.

    Args:
        dataset: "motionshapes", "motionshapes-untrimmed", or a name in `ada3d_gym.datasets.VIDEO_SETS`.
        split, num_frames, views, videos: see `embedded_clips` and `video_clips`.
        backbone: the 3D network's name in `ada3d_gym.networks.spec.SPECS`; or "module:factory", a function of one's own
            from the number of classes to a 3D CNN, which `convert` makes masked.
        checkpoint: its weights, a file that `load_checkpoint` reads. For MotionShapes, the default is the shipped
            weights (for some of the classes, the head is cut down to these). For a network that you will train,
            "random" draws them from PyTorch's global generator, and "shipped" takes the weights that ship for any
            videos, with a random head.
        gamma, cost: see `ada3d_gym.rewards.MaskReward`.
        reward: one of MaskReward's, or one's own, or its name: see `ada3d_gym.rewards.reward_of`.
        observation: "pixels", "features" of frames or "index", see `ada3d_gym.observers`.
        features: weights of the selection network's backbone (the trunk) that computes the features; for MotionShapes,
            the default is the shipped weights.
        order: of the clips, see `ada3d_gym.bandit.ClipBandit`.
        device: where networks run.
        classifier: another environment's classifier, `env.unwrapped.bandit.classifier`, to share it instead of making
            one from backbone and checkpoint. If it is trained there, the rewards here change, too.
        outcomes: None or "live" runs the network. "table" looks the same answers up in the outcome table that ships for
            this data set, network, number of frames and split; a path looks them up in that table. With a table, no
            clip is classified, and a clip is decoded only if the observation needs it. If `views` is not given, it is
            the table's. A classifier or checkpoint given beside a table must be the one that the table was made with.
        precision: in which networks compute while nothing is trained: "float32" (the default), "bfloat16" or "float16".
            It applies to the classifier (unless `classifier` is given, which keeps its own), to the features of frames,
            and to the networks of agents when they act. A table holds answers in one precision (float32 in those that
            ship), and is refused if you ask for another.
        reading: the other arguments of `video_clips` (data_root, size, stride, sampling, flip, …).
    """
    check_paths(checkpoint=checkpoint, features=features)
    device = checked_device(device)
    if precision is not None:
        dtype_of(precision)  # says now where it is none
    pays = reward_of(reward, gamma, cost)
    table = None
    if not isinstance(outcomes, str | Path | None):
        raise InputError(
            f"outcomes is {type(outcomes).__name__}: expected None, 'live', 'table' or the path of a table"
        )
    if outcomes not in (None, "live"):
        table = load_table(
            shipped_table(dataset, backbone, num_frames, split) if outcomes == "table" else Path(str(outcomes))
        )
        check_named(table, dataset=dataset, split=split, **({} if precision is None else {"precision": precision}))
        if isinstance(reward, str) and (needed := NEEDED_PARTS.get(reward)) is not None:
            table.part(needed)  # says now where it is not there
        views = table.about.views if views is None else views
    naming: dict[str, Any] = {"dataset": dataset, "num_frames": num_frames, "videos": videos, **reading}
    clips = build_clips(split=split, views=views, **naming)
    if observation == "index":
        observer: Observer = IndexObserver(clips, split, naming)
    else:
        observer = build_observer(clips, observation, features, device, precision)
    if classifier is not None:
        classifier = fitting_classifier(clips, classifier, checkpoint)
    if table is not None:
        known = _answering(table, clips, backbone, checkpoint, classifier)
        return ClipBandit(clips, known, pays, observer, order, precision)
    classifier = classifier or build_classifier(clips, backbone, checkpoint, device, precision)
    return ClipBandit(clips, classifier, pays, observer, order, precision)


def _answering(
    table: OutcomeTable,
    clips: VideoClips,
    backbone: str,
    checkpoint: str | Path | None,
    classifier: NetworkClassifier | None,
) -> TableClassifier:
    """A table in the place of the network that was asked for, having made sure that it is of that one."""
    if classifier is not None:
        check_network(table, classifier, "classifier=")
    else:
        check_named(table, backbone=backbone)
        if checkpoint is not None:
            check_network(table, build_classifier(clips, backbone, checkpoint), f"checkpoint={checkpoint}")
    return TableClassifier(table, clips)


def build_clips(dataset: str, **options: Any) -> VideoClips:
    """Clips of a data set by its name; options of `embedded_clips` or `video_clips`."""
    if dataset not in EMBEDDED_SETS and dataset not in VIDEO_SETS and ":" not in dataset:
        raise InputError(f"unknown data set {dataset!r}: expected {', '.join((*EMBEDDED_SETS, *VIDEO_SETS))}")
    make = partial(embedded_clips if dataset in EMBEDDED_SETS else video_clips, dataset)
    known = [*signature(make).parameters]
    if unknown := [name for name in options if name not in known]:
        own = [*signature(build_bandit).parameters][:-1]
        expected = ", ".join(dict.fromkeys(own + known))
        guess = did_you_mean(unknown, own + known)
        raise InputError(f"unknown argument for {dataset}: {', '.join(unknown)}; expected some of {expected}{guess}")
    return make(**options)


def build_observer(
    clips: VideoClips,
    observation: Observation,
    features: str | Path | None = None,
    device: str = "cpu",
    precision: Precision | None = None,
) -> Observer:
    """Pixels or features of clips; arguments as in `build_bandit`."""
    if observation == "pixels":
        return PixelObserver(clips)
    if observation != "features":
        expected = ", ".join(get_args(Observation))
        raise InputError(f"unknown observation {observation!r}: expected one of {expected}")
    trunk = build_feature_trunk(clips.num_frames, clips.observation_size, features)
    return FeatureObserver(clips, trunk, device, precision=precision)


def build_feature_trunk(num_frames: int, side: int, weights: str | Path | None = None) -> ClipTrunk:
    """`build_trunk` for a trunk that stays as it is, and so must have weights.

    Raises:
        ValueError: without weights, where none ship.
    """
    if weights == RANDOM or (weights is None and not _ships_trunk(num_frames, side)):
        raise InputError(
            "no weights ship for features of these videos: give features=, the weights of a selection trunk, as "
            "'ada3d train ID' writes them to trunk.safetensors of its folder"
        )
    return build_trunk(num_frames, side, weights, _aggregation_of(weights))


def _aggregation_of(weights: str | Path | None) -> Aggregation:
    """Of the trunk in a file; features of frames are the same with either."""
    names = _names_in(weights)
    return "mean" if names and not any(name.startswith("mix.") for name in names) else "concat"


def _names_in(weights: str | Path | None) -> list[str]:
    """What a safetensors file holds; nothing of another file, of which who reads it says what is wrong."""
    try:
        with safe_open(str(weights), "pt") as file:
            return list(file.keys())
    except (OSError, SafetensorError):
        return []


def trunk_backbone(side: int) -> str:
    """The name of the network that a policy sees frames of this side through."""
    return "mobilenet_v2_tiny" if side <= SMALL else "mobilenet_v2"


def build_trunk(
    num_frames: int, side: int, weights: str | Path | None = None, aggregation: Aggregation = "concat"
) -> ClipTrunk:
    """The selection network's trunk: MobileNetV2 (the paper's), or a tiny one for small frames.

    Args:
        num_frames: T.
        side: of the frames that it will see, in pixels.
        weights: a trunk's, as a training writes it, or a checkpoint of torchvision's MobileNetV2 (for its backbone);
            the shipped ones where they fit, else random; "random" draws them in any case.
        aggregation: see `ClipTrunk`.
    """
    trunk = ClipTrunk(num_frames, trunk_backbone(side), aggregation)
    if weights == RANDOM:
        return trunk
    if weights is not None:
        names = _names_in(weights)
        own = bool(names) and not any("features." in name for name in names)
        (load_weights if own else load_torchvision)(trunk, weights)
    elif _ships_trunk(num_frames, side):
        shorter = ClipTrunk(SHIPPED_FRAMES, "mobilenet_v2_tiny")
        load_weights(shorter, SELECTION)
        trunk.take_over(shorter)
    return trunk


def _ships_trunk(num_frames: int, side: int) -> bool:
    return side <= SMALL and num_frames % SHIPPED_FRAMES == 0


def build_classifier(
    clips: VideoClips,
    backbone: str = "i3d_tiny",
    checkpoint: str | Path | None = None,
    device: str = "cpu",
    precision: Precision | None = None,
) -> NetworkClassifier:
    """The masked 3D network for clips; arguments as in `build_bandit`."""
    if not isinstance(backbone, str):
        raise InputError(f"backbone is {backbone!r}: expected a name, one of {', '.join(SPECS)}, or module:factory")
    if ":" in backbone:
        own = named_network(backbone, len(clips.class_names), clips.size, None if checkpoint == RANDOM else checkpoint)
        return NetworkClassifier(own, clips.size, device=device, precision=precision)
    if backbone not in SPECS:
        raise InputError(f"unknown backbone {backbone!r}: expected one of {', '.join(SPECS)}, or module:factory")
    known = clips.dataset in EMBEDDED_SETS or clips.class_names == CLASSES
    if checkpoint is None and not (known and backbone in CLASSIFIER_BACKBONES):
        raise InputError(
            f"no weights ship for {backbone} and these videos: give checkpoint=, a file that docs/checkpoints.md "
            "lists, or train from none with 'ada3d train ID --classifier-recipe scratch'"
        )
    network = make_network(SPECS[backbone], len(clips.class_names))
    if checkpoint is None:
        _load_shipped(network, clips)
    elif checkpoint == SHIPPED_START:
        if (start := shipped_start(backbone)) is None:
            raise InputError(f"no weights ship for {backbone} to begin from: give checkpoint=random, or a file")
        state = {key: value for key, value in load_file(start).items() if not key.startswith("head.")}
        network.load_state_dict(network.state_dict() | state)
    elif checkpoint != RANDOM:
        report = load_checkpoint(network, checkpoint)
        if report.replaced:
            warnings.warn(
                f"{report.path}: the head is {report.head}, and must be trained before rewards mean anything",
                stacklevel=2,
            )
    return NetworkClassifier(network, clips.size, device=device, precision=precision)


def _load_shipped(network: DescribedNetwork, clips: VideoClips) -> None:
    """Fills a network of some classes of MotionShapes, or all, from the shipped one of all."""
    whole = make_network(network.spec, len(CLASSES))
    load_weights(whole, shipped_classifier(clips.dataset), centre_taps=True)
    state, rows = whole.state_dict(), [CLASSES.index(name) for name in clips.class_names]
    network.load_state_dict(state | {key: state[key][rows] for key in ("head.weight", "head.bias")})


def fitting_classifier(
    clips: VideoClips, classifier: NetworkClassifier, checkpoint: str | Path | None = None
) -> NetworkClassifier:
    """A classifier for these clips with the network of another; arguments as in `build_bandit`.

    Raises:
        ValueError: for one of other classes, and for a checkpoint beside it.
    """
    if not isinstance(classifier, NetworkClassifier):
        expected = "a NetworkClassifier, as env.unwrapped.bandit.classifier"
        raise InputError(f"classifier is {type(classifier).__name__}: expected {expected}")
    if checkpoint is not None:
        raise InputError("checkpoint would be ignored beside a ready classifier: give one or the other")
    if classifier.network.classes != len(clips.class_names):
        raise InputError(
            f"the classifier given knows {classifier.network.classes} classes and these videos have "
            f"{len(clips.class_names)}: expected that of an environment on the same data set"
        )
    return classifier if classifier.size == clips.size else classifier.for_size(clips.size)

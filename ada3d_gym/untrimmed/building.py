"""From names and paths, which a registered environment can hold, to looks at videos and the live core."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from ada3d_gym.building import build_classifier, build_clips, build_feature_trunk, fitting_classifier
from ada3d_gym.datasets import EMBEDDED_SETS, embedded_clips, video_clips
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError, check_counts, check_paths, check_sizes, did_you_mean
from ada3d_gym.fingerprints import of_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.features import TABLE_BYTES
from ada3d_gym.networks.selection_file import load_selection
from ada3d_gym.options import LookOptions, PlaceOptions
from ada3d_gym.shipped import UNTRIMMED_SELECTION
from ada3d_gym.untrimmed.core import LookingCore, LookReward, Range
from ada3d_gym.untrimmed.looks import ClipLooks
from ada3d_gym.untrimmed.masks import Everything, MaskPolicy, Selected
from ada3d_gym.untrimmed.protocols import VideoLooks
from ada3d_gym.video.motionshapes.files import UNTRIMMED

MEMORY_FRAMES = 16  # AdaFrame's
OF_THE_ID = ("dataset", "num_frames", "backbone", "selection")
_OF_OTHER_CLIPS = ("name", "views", "classes", "protocol", "flip", "seed")  # arguments of clips that have no place here


def build_core(
    *,
    looks: VideoLooks | None = None,
    steps: int = 5,
    price: float = 0.05,
    reward: LookReward = "margin",
    gamma: float = 1.0,
    memory: bool = True,
    flat: bool = False,
    actions: Range = "unit",
    **options: Unpack[LookOptions],
) -> LookingCore:
    """The core of clip selection.

    Args:
        looks: looks that are there already, to share between environments and agents; if None, `build_looks` makes them
            from `options`.
        steps: K, the largest number of looks in an episode.
        price: what a look costs that has as many multiply-accumulates as a clip with everything kept.
        reward: "margin" or "outcome"; see above.
        gamma: penalty of a wrong answer, no discount; for reward="outcome" only.
        memory: whether the observation holds the memory, and the episode pays for it.
        flat: whether the observation is one array.
        actions: "unit" or "symmetric"; see above.
        options: of `build_looks`; beside ready looks, only those that a registered id gives are taken, and ignored.
    """
    if looks is None:
        looks = build_looks(**options)
    elif given := [name for name in options if name not in OF_THE_ID]:
        raise InputError(f"{', '.join(given)} would be ignored beside ready looks: give one or the other")
    return LookingCore(
        looks, steps=steps, price=price, reward=reward, gamma=gamma, memory=memory, flat=flat, actions=actions
    )


def build_looks(
    *,
    dataset: str = UNTRIMMED.name,
    split: str = "train",
    videos: int | None = None,
    num_frames: int = 8,
    places: int | None = None,
    backbone: str = "i3d_tiny",
    checkpoint: str | Path | None = None,
    selection: str | Path | None = None,
    features: str | Path | None = None,
    device: str = "cpu",
    classifier: NetworkClassifier | None = None,
    folder: str | Path | None = None,
    memory_bytes: int = TABLE_BYTES,
    **reading: Unpack[PlaceOptions],
) -> ClipLooks:
    """Looks at the videos of a data set.

    Args:
        dataset: an embedded one, or a name in `ada3d_gym.datasets.VIDEO_SETS`.
        split: "train", "val" or "test".
        videos: use only the first so many videos; all by default.
        num_frames: T, frames of a clip.
        places: P, the number of evenly spread clips of each video that can be looked at, in training too. The default
            is 16 for untrimmed MotionShapes, and the paper's 10 for other sets.
        backbone: the 3D network's name in `ada3d_gym.networks.spec.SPECS`.
        checkpoint: its weights, a file that `load_checkpoint` reads, such as a run's classifier.safetensors. The
            default is the shipped weights, if there are any.
        selection: file of a whole selection network (a run's selection.safetensors). It masks each clip, and its
            backbone computes the memory. "shipped" is the one for untrimmed MotionShapes; None keeps everything.
        features: weights of the backbone that computes the memory if there is no selection network: a run's
            trunk.safetensors, or torchvision's MobileNetV2. The default is the shipped weights, if they fit.
        device: where networks run.
        classifier: another environment's classifier, to share it instead of making one from backbone and checkpoint.
        folder: where to keep what is computed, for later and for other processes; None keeps it in memory.
        memory_bytes: how much is kept in memory, at most.
        reading: the other arguments of `video_clips` (data_root, size, stride, sampling, strict, …).
    """
    _check_reading(dataset, reading)
    check_sizes(memory_bytes=memory_bytes)
    check_counts(places=places)
    check_paths(checkpoint=checkpoint, selection=selection, features=features, folder=folder)
    device = checked_device(device)
    naming: dict[str, Any] = {"dataset": dataset, "split": split, "videos": videos}
    if dataset not in EMBEDDED_SETS:
        naming["protocol"] = "test"  # random clips have no places
    clips = build_clips(**naming, num_frames=num_frames, views=places, **reading)
    small = {"size": clips.observation_size} if dataset not in EMBEDDED_SETS else {}
    of_frames = {name: value for name, value in reading.items() if name not in ("stride", "sampling")}
    whole = build_clips(**{**naming, **of_frames, **small}, num_frames=MEMORY_FRAMES, views=1, sampling="whole")
    if classifier is not None:
        classifier = fitting_classifier(clips, classifier, checkpoint)
    else:
        classifier = build_classifier(clips, backbone, checkpoint, device)
    side = clips.observation_size
    if selection is None:
        policy: MaskPolicy = Everything(num_frames + len(classifier.stage_names))
        trunk, name = build_feature_trunk(num_frames, side, features), "everything"
    else:
        if features is not None:
            raise InputError("features would be ignored beside a selection network, whose backbone sees the memory")
        if selection == "shipped":
            selection = _shipped_selection(dataset)
        network = load_selection(selection, num_frames=num_frames, stage_names=classifier.stage_names, side=side)
        policy, trunk, name = Selected(network, side, device), network.trunk, of_weights(network.state_dict())
    return ClipLooks(
        clips,
        whole,
        classifier,
        policy,
        trunk,
        device=device,
        memory_bytes=memory_bytes,
        folder=None if folder is None else Path(folder),
        policy_name=name,
    )


def _check_reading(dataset: str, reading: Mapping[str, Any]) -> None:
    """Raises InputError for what neither an environment, nor looks, nor evenly spread clips of the data set take."""
    read = embedded_clips if dataset in EMBEDDED_SETS else video_clips
    known = [*signature(build_core).parameters][:-1] + [*signature(build_looks).parameters][:-1]
    known += [name for name in signature(read).parameters if name not in _OF_OTHER_CLIPS]
    if unknown := [name for name in reading if name not in known]:
        expected = f"expected some of {', '.join(dict.fromkeys(known))}{did_you_mean(unknown, known)}"
        raise InputError(f"unknown argument for clip selection: {', '.join(unknown)}; {expected}")


def _shipped_selection(dataset: str) -> Path:
    if dataset != UNTRIMMED.name:
        raise InputError(f"no selection network ships for {dataset}: give selection=, a run's selection.safetensors")
    return UNTRIMMED_SELECTION

"""What a run trains from scratch: its classifier, under random masks, and the trunk of its selection network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from ada3d_gym import parallel
from ada3d_gym.agents.registry import parse
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import RANDOM, SHIPPED_START
from ada3d_gym.experiments.runs import Run
from ada3d_gym.experiments.saying import say
from ada3d_gym.experiments.scratch.augmenting import augmented
from ada3d_gym.experiments.scratch.clips import Divided, divided, evenly_spread, keep_decoded, training_clips
from ada3d_gym.experiments.scratch.judging import EVERYTHING, FLAT, SOME, under_masks
from ada3d_gym.experiments.scratch.masks import no_masks, random_masks
from ada3d_gym.experiments.scratch.options import ScratchOptions, epochs_of
from ada3d_gym.experiments.scratch.phase import Change, Phase, PhaseTraining
from ada3d_gym.experiments.scratch.sharing import BatchDraws
from ada3d_gym.experiments.training import train_to, write_once
from ada3d_gym.files import replacing
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.masked import zero_side_taps
from ada3d_gym.networks.selection import ClipTrunk
from ada3d_gym.rewards import MaskReward
from ada3d_gym.seeding import Stream, spawn, torch_seed
from ada3d_gym.video.clips import VideoClips

REPORT = "scratch.json"  # in a run's folder
_FIGURES = {EVERYTHING: "val_upper", SOME: "val_masked", FLAT: "val_2d"}


def train_from_scratch(run: Run, source: VideoClips, classifier: NetworkClassifier, folder: Path) -> None:
    """Trains the classifier in place, and writes how robust it has become as `scratch.json`.

    Args:
        run: of the recipe "scratch".
        source: of the training split.
        classifier: of the run, with the weights that it starts from.
        folder: of the run; interrupted, it goes on from there after the last finished epoch.
    """
    options, network = _options(run), classifier.network
    videos = divided(run, source, options.held_out)
    clips, zoom = training_clips(source, videos.train, source.size, options)
    judged = _judged_by(source, videos, classifier, options)
    for module in network.modules():
        if isinstance(module, _DropoutNd):
            module.p = options.dropout
    drawn = run.environment["checkpoint"] == RANDOM
    phases = dict(_phases(run, options, len(videos.train), classifier.network.num_stages, drawn))
    if drawn and Stream.CLASSIFIER_2D in phases:
        zero_side_taps(network)
    begins = {RANDOM: "drawn weights", SHIPPED_START: "the weights that ship for it"}
    checkpoint = run.environment["checkpoint"]
    lengths = ", then ".join(f"{phase.epochs} epochs of the {phase.name}" for phase in phases.values())
    if parallel.rank() == 0:
        say(folder, str(videos))
        say(folder, f"from {begins.get(checkpoint, checkpoint)}, {lengths or 'no epoch'}")
    learner: PhaseTraining | None = None
    for stream, phase in phases.items():
        masks = (FLAT,) if stream == Stream.CLASSIFIER_2D else (EVERYTHING, SOME)
        judge = None if judged is None else partial(_judge, judged, run.seed, masks)
        change = _changing(source.size, zoom, options)
        learner = PhaseTraining(network, phase, clips, change, (run.seed, stream), classifier.device, judge)
        name = phase.name.replace(" in ", "-").lower()
        train_to(folder, name, learner, phase.epochs)
        if learner.early_end and parallel.rank() == 0:
            say(folder, f"{name} {learner.early_end}")
        learner.take_best()
    classifier.invalidate()
    if judged is not None:
        _report(folder, judged, run.seed, videos, learner)


def train_trunk_from_scratch(run: Run, trunk: ClipTrunk, source: VideoClips, folder: Path, device: str) -> None:
    """Trains a selection network's trunk in place, as a classifier of whole clips as the policy sees them.

    Args:
        run: of the recipe "scratch".
        trunk: of the run, with the weights that it starts from.
        source: of the training split.
        folder: of the run.
        device: where it is trained.
    """
    options = _options(run)
    videos, size = divided(run, source, options.held_out), source.observation_size
    epochs = run.trunk_epochs or epochs_of(options.trunk_clips, len(videos.train))
    if not epochs:
        return
    clips, zoom = training_clips(source, videos.train, size, options)
    with torch_seed(spawn(run.seed, Stream.TRUNK_HEAD)):
        network = nn.Sequential(trunk, nn.Linear(trunk.features, len(source.class_names))).to(device)
    phase = Phase(
        "selection trunk",
        epochs,
        options.trunk_lr if run.trunk_lr is None else run.trunk_lr,
        no_masks,
        batch_size=options.batch,
        weight_decay=options.weight_decay,
        warm_up=options.warm_up,
        label_smoothing=options.label_smoothing,
        micro_batch=run.classifier_micro_batch,
        precision=run.precision,
    )
    change, seed = _changing(size, zoom, options), (run.seed, Stream.SCRATCH_TRUNK)
    train_to(folder, "trunk", PhaseTraining(network, phase, clips, change, seed, device), epochs)


def _options(run: Run) -> ScratchOptions:
    options: ScratchOptions = parse(ScratchOptions, run.scratch, "option of the scratch recipe")
    return options


def _phases(
    run: Run, options: ScratchOptions, videos: int, num_stages: int, drawn: bool
) -> Iterator[tuple[Stream, Phase]]:
    """The stretches of the classifier's training, by the stream that each draws from."""
    epochs_2d, epochs_3d = options.epochs(videos)
    if not drawn and options.epochs_2d is None:  # what a checkpoint's side taps know would be lost
        epochs_2d = 0
    share = options.share_2d if epochs_2d and epochs_3d else float(bool(epochs_2d))
    for stream, epochs, stages, lr, part in (
        (Stream.CLASSIFIER_2D, epochs_2d, 0.0, options.lr_2d, share),
        (Stream.CLASSIFIER_3D, epochs_3d, options.stages, options.lr_3d, 1 - share),
    ):
        if epochs:
            yield (
                stream,
                Phase(
                    "classifier in 2D" if stream == Stream.CLASSIFIER_2D else "classifier in 3D",
                    epochs,
                    lr,
                    random_masks(num_stages, stages, fewest_frames=options.fewest_frames, whole=options.whole),
                    batch_size=options.batch,
                    weight_decay=options.weight_decay,
                    warm_up=options.warm_up,
                    label_smoothing=options.label_smoothing,
                    micro_batch=run.classifier_micro_batch,
                    precision=run.precision,
                    seconds=options.minutes and 60 * options.minutes * part,
                    judge_every=options.judge_every,
                    patience=-(-epochs // 2) if options.patience is None else options.patience,
                    average=options.average,
                ),
            )


def _changing(size: int, zoom: tuple[float, float], options: ScratchOptions) -> Change:
    def change(clips: Tensor, labels: Tensor, draws: BatchDraws) -> tuple[Tensor, Tensor]:
        shown = augmented(clips, size, draws, zoom=zoom, colour=options.colour, flip=options.flip)
        return shown, labels

    return change


def _judged_by(
    source: VideoClips, videos: Divided, classifier: NetworkClassifier, options: ScratchOptions
) -> ClipBandit | None:
    """The validation videos, one clip each, where there are any."""
    if not len(videos.validation):
        return None
    clips = evenly_spread(source, videos.validation, source.size, 1, options.bank_bytes)
    keep_decoded(clips, f"decoding {len(videos.validation)} validation videos")
    return ClipBandit(clips, classifier, MaskReward())


def _judge(bandit: ClipBandit, seed: int, masks: tuple[str, ...]) -> dict[str, float]:
    """Mean accuracy under these masks, and each."""
    assert isinstance(bandit.classifier, NetworkClassifier)
    bandit.classifier.invalidate()
    found = {_FIGURES[name]: each.top1 for name, each in under_masks(bandit, seed, *masks).items()}
    return {"val": float(np.mean(list(found.values())))} | found


def _report(folder: Path, bandit: ClipBandit, seed: int, videos: Divided, learner: PhaseTraining | None) -> None:
    """Prints and writes what masks leave of the classifier, once."""
    if parallel.gather((folder / REPORT).exists())[0]:
        return
    found = {name: round(each.top1, 4) for name, each in under_masks(bandit, seed, EVERYTHING, SOME, FLAT).items()}
    if parallel.rank() == 0:
        say(folder, "validation " + ", ".join(f"{name} {value:.1%}" for name, value in found.items()))
    report = {
        "validation": videos.origin,
        "videos": {"train": len(videos.train), "validation": len(videos.validation)},
        "epochs": learner and learner.epoch,
        "best_epoch": learner and learner.best.get("epoch"),
        "figures": found,
    }

    def write() -> None:
        with replacing(folder / REPORT) as part:
            part.write_text(json.dumps(report, indent=2) + "\n")

    write_once(folder, write)

"""Trains the networks that ship with the package for MotionShapes, from a seed:

    ada3d pretrain --weights ada3d_gym/weights

1. the classifier in 2D (every stage off), side taps at zero: each frame by itself;
2. the classifier in 3D from there, now and then without a stage;
3. the selection network's trunk as a classifier, as the paper pre-trains its MobileNetV2.

Clips of any length are trained on, since a mean over eight frames of which one shows the class is no preparation for a
clip of that one alone.

Interrupted and started again, it goes on after the last finished epoch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from ada3d_gym.agents.reference import Fixed, Random
from ada3d_gym.agents.states import load_state, save_state
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.datasets import motionshapes_clips
from ada3d_gym.devices import checked_device
from ada3d_gym.divergence import check_state, during, finite
from ada3d_gym.errors import InputError
from ada3d_gym.evaluation import Evaluation, evaluate
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import claimed
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.masked import TemporalConv
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import ClipTrunk
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.rewards import MaskReward
from ada3d_gym.seeding import spawn, torch_generator, torch_seed
from ada3d_gym.shipped import CLASSIFIER, SELECTION
from ada3d_gym.video.motionshapes.drawing import CLASSES
from ada3d_gym.video.transforms import jitter_colours

Loss = Callable[[nn.Module, Tensor, Tensor, Tensor, torch.Generator], Tensor]
"""Mean loss of a module on clips (B, T, 3, H, W) uint8, labels (B,) and the frames that show the class (B, T) bool."""


@dataclass(frozen=True)
class Phase:
    """One stretch of training: AdamW, a short warm-up, then a cosine to zero."""

    name: str
    epochs: int
    lr: float
    loss: Loss
    batch_size: int = 64
    weight_decay: float = 0.05


def masked_loss(fewest_frames: int, keep_stages: float) -> Loss:
    """Cross entropy under masks that keep `fewest_frames` to all frames of a clip, every number as likely as any other,
    and each stage with probability `keep_stages`.

    Half of the clips are seen with every second frame only, as clips of half the length and the same span. One frame
    that shows the class is always among those kept: of a clip without, nothing is to be learned.
    """

    def loss(module: nn.Module, clips: Tensor, labels: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
        def uniform(length: int) -> Tensor:
            return torch.rand(len(clips), length, generator=generator, device=clips.device)

        frames = clips.shape[1]
        every, parity = uniform(1) < 0.5, uniform(1) < 0.5
        open_ = every | ((torch.arange(frames, device=clips.device) % 2 == 0) == parity)
        count = fewest_frames + (uniform(1) * (open_.sum(1, keepdim=True) - fewest_frames + 1)).floor()
        shown = (uniform(frames) * visible * open_).argmax(1, keepdim=True)
        order = (uniform(frames) + ~open_).scatter(1, shown, -1.0)  # the open ones first, of them the shown one
        u = order.argsort(1).argsort(1) < count
        return F.cross_entropy(module(clips, u, uniform(I3D_TINY.num_stages) < keep_stages), labels)

    return loss


def plain_loss(module: nn.Module, clips: Tensor, labels: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
    return F.cross_entropy(module(clips), labels)


def turned(clips: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Square clips (B, T, 3, H, W) mirrored and turned by right angles at random, and their labels (B,) after that.

    What goes left goes up when it is turned; what turns clockwise turns the other way in a mirror.
    """
    draws = torch.randint(8, (len(clips),), generator=generator, device=clips.device)
    clips, labels = clips.clone(), labels.clone()
    for way in draws.unique().tolist():
        rows = draws == way
        mirror, quarters = divmod(way, 4)
        part = clips[rows].flip(4) if mirror else clips[rows]
        clips[rows] = part.rot90(quarters, (3, 4))
        for step, times in ((_MIRRORED, mirror), (_TURNED, quarters)):
            for _ in range(times):
                labels[rows] = step.to(labels.device)[labels[rows]]
    return clips, labels


def _classes_after(change: dict[str, str]) -> Tensor:
    """The class (C,) that each class becomes."""
    return torch.tensor([CLASSES.index(change.get(name, name)) for name in CLASSES])


_MIRRORED = _classes_after(
    {"left": "right", "right": "left", "clockwise": "counterclockwise", "counterclockwise": "clockwise"}
)
_TURNED = _classes_after({"right": "up", "up": "left", "left": "down", "down": "right"})  # counterclockwise


def zero_side_taps(module: nn.Module) -> None:
    """Leaves a temporal convolution its centre tap, so that it starts as the 2D network it is inflated from."""
    for part in module.modules():
        if isinstance(part, TemporalConv):
            centre = part.weight.shape[2] // 2
            with torch.no_grad():
                part.weight[:, :, :centre] = 0
                part.weight[:, :, centre + 1 :] = 0


def train(
    module: nn.Module, phase: Phase, bandit: ClipBandit, seed: Sequence[int], device: torch.device, state_path: Path
) -> None:
    """Trains a module in place, going on from the state file's last epoch; `seed` is a seed and a stream's number."""
    source = bandit.source
    steps = -(-(len(source) // source.views) // phase.batch_size)
    optimizer = torch.optim.AdamW(module.parameters(), phase.lr, weight_decay=phase.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, phase.lr, total_steps=phase.epochs * steps, pct_start=0.1, cycle_momentum=False
    )
    done = 0
    if state := load_state(state_path):
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        done = state["epoch"]
    with tqdm(total=phase.epochs * steps, initial=done * steps, desc=phase.name, unit="step", disable=None) as bar:
        for epoch in range(done, phase.epochs):
            order, draws = (spawn(*seed, epoch, part) for part in range(2))
            generator = torch_generator(draws, device)
            ids = bandit.epoch(np.random.default_rng(order))
            for step, batch in enumerate(np.array_split(ids, steps), start=1):
                module.train()
                shown = source.clips(batch), source.labels(batch), source.visible_frames(batch)
                clips, labels, visible = (torch.from_numpy(each).to(device) for each in shown)
                clips, labels = turned(jitter_colours(clips, generator), labels, generator)
                loss = phase.loss(module, clips, labels, visible, generator)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                with during(phase.name, epoch + 1, step):
                    value = finite(loss.item(), "the loss", optimizer)
                optimizer.step()
                schedule.step()
                bar.update()
                bar.set_postfix(loss=f"{value:.3f}", refresh=False)
            state = {
                "module": module.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "epoch": epoch + 1,
            }
            with during(phase.name, epoch + 1):
                check_state(state)
            save_state(state_path, state)


def report(test: ClipBandit, seed: int) -> dict[str, Evaluation]:
    """The classifier under masks that look at nothing: how good it is, how brittle, and what one frame tells."""
    frames, stages = test.num_frames, test.num_stages
    masks: dict[str, Fixed | Random] = {
        "everything (Upper)": Fixed.upper(frames, stages),
        "70 % of frames, 45 % of stages": Random(0.7 * frames, np.full(stages, 0.45), frames, spawn(seed, 1)),
        "one frame, no stage": Random(1, np.zeros(stages), frames, spawn(seed, 2)),
    }
    return {name: evaluate(test, policy.act, description=name) for name, policy in masks.items()}


def show(title: str, reports: dict[str, Evaluation]) -> None:
    print(title)
    for name, result in reports.items():
        families = ", ".join(f"{family} {usage.clip_top1:.1%}" for family, usage in result.by_family.items())
        print(f"  {name}: videos {result.top1:.1%}; clips {result.usage.clip_top1:.1%} ({families})")


def pretrain(
    seed: int = 0,
    output: Path = Path("runs/pretrain"),
    weights: Path | None = None,
    device: str = "cpu",
    epochs_2d: int = 16,
    epochs_3d: int = 24,
    epochs_selection: int = 16,
    videos: int | None = None,
) -> None:
    """Trains the classifier and the selection trunk for MotionShapes.

    Args:
        seed: of weights, order and masks.
        output: folder for what an interrupted run goes on from.
        weights: folder for the finished weights; `output` by default.
        device: where to train.
        epochs_2d: with every stage off.
        epochs_3d: with stages on.
        epochs_selection: of the selection network's trunk.
        videos: train on the first so many videos only.
    """
    on = torch.device(checked_device(device))
    counts = {"epochs_2d": epochs_2d, "epochs_3d": epochs_3d, "epochs_selection": epochs_selection}
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name}={count}: expected at least 1")
    with claimed(output, {"seed": seed, "videos": videos, **counts}):
        clips = motionshapes_clips("train", videos=videos)
        long_clips = motionshapes_clips("train", num_frames=16, videos=videos)
        for each in (clips, long_clips):
            each.fill_cache("decoding train")
        test_clips = motionshapes_clips("test", videos=videos and min(videos, 700))
        test_clips.fill_cache("decoding test")
        weights = weights or output
        classes = len(clips.class_names)

        with torch_seed(spawn(seed, 0)):
            network = MaskedResNet3d(I3D_TINY, classes, dropout=0.0)
            trunk = ClipTrunk(clips.num_frames, "mobilenet_v2_tiny")
            probe = nn.Sequential(trunk, nn.Linear(trunk.features, classes))
        zero_side_taps(network)
        classifier = NetworkClassifier(network, clips.size, device=on)
        bandit, long_bandit = (ClipBandit(each, classifier, MaskReward()) for each in (clips, long_clips))
        test = ClipBandit(test_clips, classifier, MaskReward())

        flat = Phase("classifier in 2D", epochs_2d, 8e-3, masked_loss(1, 0.0))
        train(network, flat, long_bandit, (seed, 3), on, output / "classifier-2d.pt")
        show("2D network on the test videos (chance on motion clips is 16.7 %):", report(test, seed))

        deep = Phase("classifier in 3D", epochs_3d, 4e-3, masked_loss(1, 0.9))
        train(network, deep, long_bandit, (seed, 4), on, output / "classifier-3d.pt")
        reports = report(test, seed)
        show("3D network on the test videos:", reports)
        summary = {name: round(result.top1, 4) for name, result in reports.items()}
        metadata = {"command": f"python -m experiments.pretrain --seed {seed}", "test_top1": json.dumps(summary)}
        save_weights(network, weights / CLASSIFIER.name, metadata)

        selection = Phase("selection trunk", epochs_selection, 4e-3, plain_loss)
        train(probe.to(on), selection, bandit, (seed, 5), on, output / "selection.pt")
        save_weights(trunk, weights / SELECTION.name, {"command": metadata["command"]})


if __name__ == "__main__":
    run(pretrain)

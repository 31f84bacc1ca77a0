"""Trains the networks that ship with the package for MotionShapes, from a seed:

    python -m experiments.pretrain --weights ada3d_gym/weights
    python -m experiments.pretrain --backbone slowonly_tiny --parts classifier --weights ada3d_gym/weights \\
        --start ada3d_gym/weights/i3d_tiny-motionshapes.safetensors --epochs-2d 0 --epochs-3d 6 --lr-3d 1e-3

Each wants an --output of its own. The parts are

1. the classifier in 2D (every stage off), side taps at zero: each frame by itself;
2. the classifier in 3D from there, now and then without a stage;
3. the selection network's trunk as a classifier, as the paper pre-trains its MobileNetV2.

A classifier can start from a finished one instead: `start` gives its centre taps where kernels are shorter.

Clips of any length are trained on, since a mean over eight frames of which two show the class is no preparation for a
clip of those two alone.

Interrupted and started again, it goes on after the last finished epoch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.datasets import motionshapes_clips
from ada3d_gym.evaluation import Evaluation, evaluate
from ada3d_gym.networks.checkpoints import save_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.masked import TemporalConv
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import ClipTrunk
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.rewards import MaskReward
from ada3d_gym.seeding import spawn, torch_generator, torch_seed
from ada3d_gym.shipped import CLASSIFIERS, SELECTION
from ada3d_gym.video.transforms import jitter_colours
from agents.reference import Fixed, Random
from experiments.checkpoints import claim_folder, load_state, save_state
from experiments.cli import run

Backbone = Literal["i3d_tiny", "slowonly_tiny"]
Part = Literal["classifier", "selection"]
Loss = Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor]
"""Mean loss of a module on clips (B, T, 3, H, W) uint8 and labels (B,)."""


@dataclass(frozen=True)
class Phase:
    """One stretch of training: AdamW, a short warm-up, then a cosine to zero."""

    name: str
    epochs: int
    lr: float
    loss: Loss
    batch_size: int = 64
    weight_decay: float = 0.05


def masked_loss(fewest_frames: int, keep_stages: float, num_stages: int) -> Loss:
    """Cross entropy under masks that keep `fewest_frames` to all frames of a clip, every number as likely as any other,
    and each of the network's `num_stages` stages with probability `keep_stages`."""

    def loss(module: nn.Module, clips: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        def uniform(length: int) -> Tensor:
            return torch.rand(len(clips), length, generator=generator, device=clips.device)

        frames = clips.shape[1]
        count = fewest_frames + (uniform(1) * (frames - fewest_frames + 1)).floor()
        u = uniform(frames).argsort(1) < count
        return F.cross_entropy(module(clips, u, uniform(num_stages) < keep_stages), labels)

    return loss


def plain_loss(module: nn.Module, clips: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    return F.cross_entropy(module(clips), labels)


def zero_side_taps(module: nn.Module) -> None:
    """Leaves a temporal convolution its centre tap, so that it starts as the 2D network it is inflated from."""
    for part in module.modules():
        if isinstance(part, TemporalConv):
            centre = part.weight.shape[2] // 2
            with torch.no_grad():
                part.weight[:, :, :centre] = 0
                part.weight[:, :, centre + 1 :] = 0


def start_from(network: MaskedResNet3d, path: Path) -> None:
    """Takes over a network's weights, of a longer kernel over time its centre taps."""
    weights = load_file(path)
    for name, own in network.state_dict().items():
        given = weights[name]
        if given.ndim == 5:
            spare = (given.shape[2] - own.shape[2]) // 2
            given = given[:, :, spare : given.shape[2] - spare]
        own.copy_(given)


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
            order, draws = spawn(*seed, epoch).spawn(2)
            generator = torch_generator(draws, device)
            ids = bandit.epoch(np.random.default_rng(order))
            for batch in np.array_split(ids, steps):
                module.train()
                clips = jitter_colours(torch.from_numpy(source.clips(batch)).to(device), generator)
                loss = phase.loss(module, clips, torch.from_numpy(source.labels(batch)).to(device), generator)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update()
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
            save_state(
                state_path,
                {
                    "module": module.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "schedule": schedule.state_dict(),
                    "epoch": epoch + 1,
                },
            )


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
    backbone: Backbone = "i3d_tiny",
    parts: tuple[Part, ...] = get_args(Part),
    start: Path | None = None,
    epochs_2d: int = 24,
    epochs_3d: int = 16,
    epochs_selection: int = 10,
    lr_3d: float = 4e-3,
    videos: int | None = None,
) -> None:
    """Trains the classifier and the selection trunk for MotionShapes.

    Args:
        seed: of weights, order and masks.
        output: folder for what an interrupted run goes on from.
        weights: folder for the finished weights; `output` by default.
        device: where to train.
        backbone: the classifier's network.
        parts: which networks to train; neither needs the other.
        start: weights that the classifier starts from, of a network with the same channels.
        epochs_2d: with every stage off.
        epochs_3d: with stages on.
        epochs_selection: of the selection network's trunk.
        lr_3d: the learning rate with stages on.
        videos: train on the first so many videos only.
    """
    counts = {"epochs_2d": epochs_2d, "epochs_3d": epochs_3d, "epochs_selection": epochs_selection}
    shaping = {"seed": seed, "videos": videos, "backbone": backbone, "start": start and start.name, "lr_3d": lr_3d}
    claim_folder(output, shaping | counts)
    command = f"python -m experiments.pretrain --seed {seed}"
    if backbone != "i3d_tiny":
        command += f" --backbone {backbone}"
    if start is not None:
        command += f" --start {start.name} --epochs-2d {epochs_2d} --epochs-3d {epochs_3d} --lr-3d {lr_3d}"
    if videos is not None:
        command += f" --videos {videos}"
    clips = motionshapes_clips("train", videos=videos)
    clips.fill_cache("decoding train")
    classes, on = len(clips.class_names), torch.device(device)
    with torch_seed(spawn(seed, 0)):
        network = MaskedResNet3d(SPECS[backbone], classes, dropout=0.0)
    if start is None:
        zero_side_taps(network)
    else:
        start_from(network, start)
    bandit = ClipBandit(clips, NetworkClassifier(network, clips.size, device=on), MaskReward())
    if "classifier" in parts:
        test_clips = motionshapes_clips("test", videos=videos and min(videos, 700))
        test_clips.fill_cache("decoding test")
        test = ClipBandit(test_clips, bandit.classifier, MaskReward())
        reports = train_classifier(network, bandit, test, seed, on, output, (epochs_2d, epochs_3d), lr_3d)
        summary = json.dumps({name: round(result.top1, 4) for name, result in reports.items()})
        file = (weights or output) / CLASSIFIERS[backbone].name
        save_weights(network, file, {"command": command, "test_top1": summary})
    if "selection" in parts:
        trunk = train_trunk(bandit, classes, seed, on, output, epochs_selection)
        save_weights(trunk, (weights or output) / SELECTION.name, {"command": command})


def train_classifier(
    network: MaskedResNet3d,
    bandit: ClipBandit,
    test: ClipBandit,
    seed: int,
    device: torch.device,
    output: Path,
    epochs: tuple[int, int],
    lr_3d: float,
) -> dict[str, Evaluation]:
    """Trains the network in place, in 2D and then in 3D; returns what it reaches on the test videos."""
    if epochs[0]:
        flat = Phase("classifier in 2D", epochs[0], 8e-3, masked_loss(1, 0.0, bandit.num_stages))
        train(network, flat, bandit, (seed, 3), device, output / "classifier-2d.pt")
        show("2D network on the test videos (chance on motion clips is 16.7 %):", report(test, seed))

    deep = Phase("classifier in 3D", epochs[1], lr_3d, masked_loss(1, 0.9, bandit.num_stages))
    train(network, deep, bandit, (seed, 4), device, output / "classifier-3d.pt")
    reports = report(test, seed)
    show("3D network on the test videos:", reports)
    return reports


def train_trunk(
    bandit: ClipBandit, classes: int, seed: int, device: torch.device, output: Path, epochs: int
) -> ClipTrunk:
    """Trains the selection network's trunk, whatever the classifier's network, for clips of the bandit's length."""
    with torch_seed(spawn(seed, 0)):
        MaskedResNet3d(SPECS["i3d_tiny"], classes)  # the trunk's start is what comes after it, as it was when shipped
        trunk = ClipTrunk(bandit.num_frames, "mobilenet_v2_tiny")
        probe = nn.Sequential(trunk, nn.Linear(trunk.features, classes))
    selection = Phase("selection trunk", epochs, 4e-3, plain_loss)
    train(probe.to(device), selection, bandit, (seed, 5), device, output / "selection.pt")
    return trunk


if __name__ == "__main__":
    run(pretrain)

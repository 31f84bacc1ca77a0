"""Trains the network that small sets of one's own begin from, on clips that are drawn while it learns:

    ada3d pretrain-primitives --weights ada3d_gym/weights

It learns the shape, the pattern and the motion of an object (`primitives.drawing`), first of whole clips, then more and
more often under random masks of frames and stages, so that masks do not break it.

Interrupted and started again, it goes on after the last hundred updates.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from ada3d_gym.agents.states import load_state, save_state
from ada3d_gym.devices import checked_device
from ada3d_gym.divergence import during, finite
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import claimed
from ada3d_gym.experiments.primitives.drawing import MOTIONS, PATTERNS, SHAPES, Drawn, draw_clips
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.families import make_network
from ada3d_gym.networks.masked import MaskedNetwork
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.progress import Progress
from ada3d_gym.seeding import spawn, torch_generator, torch_seed

FRAMES, SIZE, BATCH = 8, 64, 32
HARDEST = 0.5  # of the updates: clips become harder until then, since nothing is learned for long of the hardest alone
PARTS = (len(SHAPES), len(PATTERNS), len(MOTIONS))
EVERY = 100  # updates between two states on disk


class Batches(Dataset[Drawn]):
    """Batches of clips, each from its own stream of the seed."""

    def __init__(self, seed: int, first: int, last: int, total: int):
        self.seed, self.first, self.count, self.total = seed, first, last - first, total

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Drawn:
        if number >= self.count:
            raise IndexError(number)
        generator = torch_generator(spawn(self.seed, 1, self.first + number), "cpu")
        hardness = min(1.0, (self.first + number) / (HARDEST * self.total))
        return draw_clips(BATCH, FRAMES, SIZE, generator, hardness)


def masks(clips: int, stages: int, whole: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Masks u (B, T) and v (B, K): a share of clips keeps everything, others any number of frames and most stages."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(clips, *shape, generator=generator)

    count = 1 + (uniform(1) * FRAMES).floor()
    everything = uniform(1) < whole
    u = uniform(FRAMES).argsort(1).argsort(1) < count
    return u | everything, (uniform(stages) < 0.8) | everything


def loss_of(network: MaskedNetwork, drawn: Drawn, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """The summed cross entropies of shape, pattern and motion, and the shares (3,) that are right."""
    losses, right = [], []
    for logits, labels in zip(network(drawn.clips, u, v).split(PARTS, 1), drawn.labels.unbind(1), strict=True):
        losses.append(F.cross_entropy(logits, labels))
        right.append((logits.argmax(1) == labels).float().mean())
    return torch.stack(losses).sum(), torch.stack(right)


def _batches(seed: int, first: int, last: int) -> Iterator[Drawn]:
    loader = DataLoader(Batches(seed, first, last, last), batch_size=None, num_workers=1, prefetch_factor=8)
    for drawn in loader:
        yield Drawn(*drawn)


def pretrain_primitives(
    seed: int = 0,
    output: Path = Path("runs/pretrain-primitives"),
    weights: Path | None = None,
    backbone: str = "i3d_small",
    updates: int = 2800,
    lr: float = 3e-3,
    device: str = "cpu",
) -> None:
    """Trains a network on drawn clips.

    Args:
        seed: of weights, clips and masks.
        output: folder for what an interrupted run goes on from.
        weights: folder for the finished weights; `output` by default.
        backbone: the 3D network.
        updates: of 32 clips each.
        lr: of AdamW at its highest.
        device: where to train.
    """
    on = torch.device(checked_device(device))
    if updates < 1:
        raise InputError(f"updates={updates}: expected at least 1")
    with claimed(output, {"seed": seed, "backbone": backbone, "updates": updates, "lr": lr}):
        with torch_seed(spawn(seed, 0)):
            network = make_network(SPECS[backbone], sum(PARTS), dropout=0.0).to(on)
        optimizer = torch.optim.AdamW(network.parameters(), lr, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, lr, total_steps=updates, pct_start=0.1, cycle_momentum=False
        )
        learners: dict[str, nn.Module | torch.optim.Optimizer | torch.optim.lr_scheduler.LRScheduler]
        learners = {"network": network, "optimizer": optimizer, "schedule": schedule}
        path, done = output / "primitives.pt", 0
        if state := load_state(path):
            for name, learner in learners.items():
                learner.load_state_dict(state[name])
            done = state["done"]
        network.train()
        figures = np.zeros(4)
        with Progress(updates, "primitives", "update", done) as shown:
            for number, drawn in enumerate(_batches(seed, done, updates), start=done):
                generator = torch_generator(spawn(seed, 2, number), "cpu")
                drawn = Drawn(*(part.to(on) for part in drawn))
                whole = max(0.3, 1 - 2 * number / updates)
                u, v = masks(BATCH, network.num_stages, whole, generator)
                loss, right = loss_of(network, drawn, u.to(on), v.to(on))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                with during("primitives", 1, number + 1):
                    value = finite(loss.item(), "the loss", optimizer)
                optimizer.step()
                schedule.step()
                done = number + 1
                figures = 0.98 * figures + 0.02 * np.array([value, *right.tolist()])
                shown.add()
                if done % EVERY == 0 or done == updates:
                    save_state(path, {name: each.state_dict() for name, each in learners.items()} | {"done": done})
                    known = figures / (1 - 0.98 ** (done % EVERY or EVERY))
                    told = "shape {1:.0%}, pattern {2:.0%}, motion {3:.0%}".format(*known)
                    print(f"update {done} of {updates}: loss {known[0]:.2f}, {told}", flush=True)
                    figures[:] = 0
        metadata = {"command": f"ada3d pretrain-primitives --seed {seed} --backbone {backbone} --updates {updates}"}
        save_weights(network, (weights or output) / f"{backbone}-primitives.safetensors", metadata)


if __name__ == "__main__":
    run(pretrain_primitives)

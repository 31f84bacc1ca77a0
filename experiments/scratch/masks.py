"""Masks that a classifier is trained under."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ada3d_gym.experiments.scratch.sharing import BatchDraws

DrawMasks = Callable[[Tensor, BatchDraws], tuple[Tensor, ...]]
"""What a module is given beside clips, (B, …) each, for the frames that show the class (B, T) bool."""


def no_masks(visible: Tensor, draws: BatchDraws) -> tuple[Tensor, ...]:
    """For a module that sees clips and nothing else."""
    return ()


def random_masks(
    num_stages: int, stages: float, *, fewest_frames: int = 1, whole: float = 0.0, halves: bool = False
) -> DrawMasks:
    """Masks u (B, T) and v (B, K) bool.

    A clip keeps `fewest_frames` to all of its frames, every number as likely as any other. One frame that shows the
    class is always among those kept: of a clip without, nothing is to be learned.

    Args:
        num_stages: K.
        stages: probability of each stage.
        fewest_frames: at least 1.
        whole: share of the clips that keep all frames, and all stages where these have a probability.
        halves: half of the clips are seen with every second frame only, as clips of half the length and the same span.
    """

    def draw(visible: Tensor, draws: BatchDraws) -> tuple[Tensor, ...]:
        uniform, frames = draws.uniform, visible.shape[1]
        open_ = torch.ones_like(visible)
        if halves:
            every, parity = uniform(1) < 0.5, uniform(1) < 0.5
            open_ = every | ((torch.arange(frames, device=visible.device) % 2 == 0) == parity)
        count = fewest_frames + (uniform(1) * (open_.sum(1, keepdim=True) - fewest_frames + 1)).floor()
        shown = (uniform(frames) * visible * open_).argmax(1, keepdim=True)
        order = (uniform(frames) + ~open_).scatter(1, shown, -1.0)  # the open ones first, of them the shown one
        u, v = order.argsort(1).argsort(1) < count, uniform(num_stages) < stages
        if whole:
            everything = uniform(1) < whole
            u, v = u | everything, v | (everything & (stages > 0))
        return u, v

    return draw

"""How a classifier is trained from scratch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ada3d_gym.errors import InputError

SHORTEST, LONGEST = 12, 240  # epochs of a stretch whose length is given in clips


@dataclass(frozen=True)
class ScratchOptions:
    """Options of `--classifier-recipe scratch`, with defaults for a few hundred to a few thousand videos.

    The network is trained in 2D first (every stage off), then with stages on. Nothing is drawn for a whole batch that
    depends on `classifier_micro_batch`: the schedule stays as it is.

    Attributes:
        epochs_2d, epochs_3d: an epoch shows one clip of each video; where they are not given, as many as show
            `clips_2d` and `clips_3d` clips, but at least 12 and at most 240. 0 leaves a stretch out.
        clips_2d, clips_3d: see above.
        trunk_clips: that the selection network's trunk is trained on, as a classifier of whole clips; 0 leaves it as it
            begins. `trunk_epochs` of the run goes before it.
        minutes: wall time of both stretches at the most; the learning rate then falls with the time.
        share_2d: of `minutes`, the first stretch's.
        batch: clips in an update.
        lr_2d, lr_3d, trunk_lr: highest rate of AdamW; it rises to it over `warm_up` of a stretch and falls to zero.
        weight_decay, warm_up, label_smoothing, dropout: of the training.
        fewest_frames: a clip keeps so many frames at least, and any number up to all is as likely as any other.
        stages: probability that a clip has a stage on, in the second stretch.
        whole: share of the clips that keep everything.
        held_out: share of the training videos, by class, that are for validation where there is no list of its own; 0
            trains on all, without early stopping.
        judge_every: epochs between validations, and the last epoch.
        patience: epochs without a better validation after which a stretch ends; half of its epochs by default, since
            much is learned at its end, when the rate has fallen.
        average: the mean of the weights over updates is judged and kept; so much of it stays at each. 0 for none.
        zoom: least and most that a random square is enlarged.
        colour: brightness and contrast are changed by up to this share, alike in a clip.
        flip: mirror half of the clips; not where classes differ by direction.
        views: clips of each video that are kept decoded, at evenly spread starts.
        bank_bytes: disk that decoded clips may take; where one a video does not fit, clips are decoded every time.
    """

    epochs_2d: int | None = None
    epochs_3d: int | None = None
    clips_2d: int = 12_000
    clips_3d: int = 36_000
    trunk_clips: int = 24_000
    minutes: float | None = None
    share_2d: float = 0.25
    batch: int = 32
    lr_2d: float = 4e-3
    lr_3d: float = 2e-3
    trunk_lr: float = 4e-3
    weight_decay: float = 0.05
    warm_up: float = 0.1
    label_smoothing: float = 0.1
    dropout: float = 0.0
    fewest_frames: int = 1
    stages: float = 0.9
    whole: float = 0.25
    held_out: float = 0.15
    judge_every: int = 2
    patience: int | None = None
    average: float = 0.99
    zoom: tuple[float, float] = (1.0, 1.25)
    colour: float = 0.2
    flip: bool = False
    views: int = 8
    bank_bytes: int = 2 * 2**30

    def __post_init__(self) -> None:
        for name, least in (("batch", 1), ("fewest_frames", 1), ("judge_every", 1), ("views", 1), ("bank_bytes", 0)):
            _check(getattr(self, name) >= least, name, getattr(self, name), f"at least {least}")
        for name in ("epochs_2d", "epochs_3d", "clips_2d", "clips_3d", "trunk_clips", "patience"):
            _check((getattr(self, name) or 0) >= 0, name, getattr(self, name), "at least 0")
        for name in ("lr_2d", "lr_3d", "trunk_lr", "weight_decay"):
            _check(0 <= getattr(self, name) < math.inf, name, getattr(self, name), "a finite number of at least 0")
        for name in ("share_2d", "stages", "whole", "colour"):
            _check(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a share, 0 to 1")
        for name in ("warm_up", "label_smoothing", "dropout", "held_out", "average"):
            _check(0 <= getattr(self, name) < 1, name, getattr(self, name), "a share of less than 1")
        _check(1 <= self.zoom[0] <= self.zoom[1] < math.inf, "zoom", self.zoom, "least and most, from 1")
        _check(self.minutes is None or 0 < self.minutes < math.inf, "minutes", self.minutes, "minutes above 0")

    def epochs(self, videos: int) -> tuple[int, int]:
        """Of both stretches, for so many training videos."""
        return (
            epochs_of(self.clips_2d, videos) if self.epochs_2d is None else self.epochs_2d,
            epochs_of(self.clips_3d, videos) if self.epochs_3d is None else self.epochs_3d,
        )


def epochs_of(clips: int, videos: int) -> int:
    """How many epochs show so many clips of so many videos, none for none."""
    return min(max(SHORTEST, -(-clips // videos)), LONGEST) if clips else 0


def _check(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise InputError(f"{name}={value}: expected {expected}")

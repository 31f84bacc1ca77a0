"""What is said of a video, and what it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]


class Answer(TypedDict):
    """As Hugging Face's video-classification pipeline has it."""

    label: str
    score: float


@dataclass(frozen=True)
class WholeClip:
    """The whole network on a clip: every frame and every stage.

    Attributes:
        scores: (C,) class probabilities.
        milliseconds: measured, its share of a batch.
    """

    scores: Scores = field(repr=False)
    milliseconds: float


@dataclass(frozen=True)
class ClipPrediction:
    """One clip.

    Attributes:
        view: its number among the video's clips, from 0.
        numbers: of its T frames in the video.
        seconds: of these from the video's first frame; None where neither file nor caller says.
        frame_mask: which of them were kept, (T,) bool.
        stage_mask: which 3D stages were on, (K,) bool.
        stages: the names of those.
        scores: (C,) class probabilities.
        macs: multiply-accumulates of the classifier.
        macs_selection: those of the policy's own network.
        milliseconds: measured, its share of the video's "decoding" (with finding out what the file is and scaling), of
            its batch's "selection", and of its batch's "classifier" by operations.
        whole: the whole network beside it, where that was asked for.
    """

    view: int
    numbers: tuple[int, ...]
    seconds: tuple[float, ...] | None
    frame_mask: tuple[bool, ...]
    stage_mask: tuple[bool, ...]
    stages: tuple[str, ...]
    scores: Scores = field(repr=False)
    macs: int
    macs_selection: int
    milliseconds: dict[str, float]
    whole: WholeClip | None = None

    @property
    def kept_frames(self) -> tuple[int, ...]:
        """Numbers of the kept frames in the video."""
        return self._kept(self.numbers)

    @property
    def kept_seconds(self) -> tuple[float, ...] | None:
        """Seconds of the kept frames from the video's first frame, or None."""
        return None if self.seconds is None else self._kept(self.seconds)

    def _kept(self, values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(value for value, kept in zip(values, self.frame_mask, strict=True) if kept)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        seconds = self.kept_seconds
        return {
            "view": self.view,
            "frames": list(self.kept_frames),
            "seconds": None if seconds is None else [round(each, 3) for each in seconds],
            "stages": list(self.stages),
            "macs": self.macs,
            "macs_selection": self.macs_selection,
            "milliseconds": {name: round(value, 4) for name, value in self.milliseconds.items()},
            **({} if self.whole is None else {"milliseconds_whole": round(self.whole.milliseconds, 4)}),
        }


@dataclass(frozen=True)
class Prediction:
    """One video.

    Attributes:
        video: its path, or "array N".
        answers: the likeliest classes first.
        scores: (C,) mean class probabilities of its clips, which sum to 1 also where videos have several labels.
        clips: those that could be read.
        macs_whole: multiply-accumulates of the whole network on one clip.
        error: what is wrong with the file; "" for nothing. Where some clips could be read, they have answers even so.
        whole: what the whole network answers, where that was asked for.
        pixels: (V, T, 3, size, size) uint8, what the classifier saw, where that was asked for.
    """

    video: str
    answers: list[Answer]
    scores: Scores = field(repr=False)
    clips: tuple[ClipPrediction, ...] = field(repr=False)
    macs_whole: int
    error: str = ""
    whole: list[Answer] | None = None
    pixels: NDArray[np.uint8] | None = field(default=None, repr=False)

    @property
    def saved(self) -> float:
        """Share of the whole network's operations that was saved, the policy's own network counted; NaN without clips.

        Negative where that network costs more than it saves.
        """
        return saved([self])

    @property
    def agrees(self) -> bool | None:
        """Whether the whole network has the same first answer, where it was asked."""
        if not self.whole or not self.answers:
            return None
        return self.whole[0]["label"] == self.answers[0]["label"]

    def without_pixels(self) -> Prediction:
        """The same, of less memory."""
        return replace(self, pixels=None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return {
            "video": self.video,
            "answers": self.answers,
            "error": self.error,
            "macs_whole": self.macs_whole,
            "saved": round(self.saved, 4) if self.clips else None,
            **({} if self.whole is None else {"whole": self.whole, "agrees": self.agrees}),
            "clips": [clip.as_dict() for clip in self.clips],
        }


def saved(predictions: Sequence[Prediction]) -> float:
    """Share of the whole network's operations that was saved on all clips, see `Prediction.saved`."""
    whole = sum(each.macs_whole * len(each.clips) for each in predictions)
    spent = sum(clip.macs + clip.macs_selection for each in predictions for clip in each.clips)
    return 1 - spent / whole if whole else float("nan")


def time_saved(predictions: Sequence[Prediction]) -> float | None:
    """Share of the whole network's measured time that was saved, without decoding; None where it was not measured."""
    clips = [clip for each in predictions for clip in each.clips if clip.whole is not None]
    whole = sum(clip.whole.milliseconds for clip in clips if clip.whole)
    spent = sum(clip.milliseconds["selection"] + clip.milliseconds["classifier"] for clip in clips)
    return 1 - spent / whole if whole else None


def best_answers(scores: Scores, class_names: Sequence[str], top_k: int | None) -> list[Answer]:
    """The `top_k` likeliest classes, or all, of scores (C,); none where all are 0, as no frame was kept."""
    if not scores.any():
        return []
    order = np.argsort(-scores, kind="stable")[:top_k]
    return [Answer(label=class_names[each], score=float(scores[each])) for each in order.tolist()]

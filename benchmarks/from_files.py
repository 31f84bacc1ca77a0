"""Ways from video files to labels, and the time that each part of them takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.selection import SelectionNetwork, greedy
from ada3d_gym.networks.spec import I3D_R50
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.records import VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from benchmarks.masked_inference import FRAMES, random_masks

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
READING = "reading"
CHOOSING = ("observing", "selecting")
PARTS = (READING, *CHOOSING, "packing", "classifying")


@dataclass
class Parts:
    """Seconds of each part of each turn, by the clock and of CPU time."""

    wall: list[dict[str, float]] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)

    def begin(self) -> None:
        for turns in (self.wall, self.cpu):
            turns.append(dict.fromkeys(PARTS, 0.0))

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        start, used = time.perf_counter(), time.process_time()
        yield
        self.cpu[-1][part] += time.process_time() - used
        self.wall[-1][part] += time.perf_counter() - start


@dataclass(frozen=True)
class Case:
    """Videos, the networks that they go through, and how often.

    Attributes:
        records, sampler: the clips.
        classifier, selection: the networks.
        side: of what the selection network sees, in pixels.
        batches: clip ids of whole videos, one batch after the other in a turn.
    """

    name: str
    records: Sequence[VideoRecord]
    class_names: Sequence[str]
    sampler: ClipSampler
    classifier: NetworkClassifier
    selection: SelectionNetwork
    side: int
    batches: Sequence[Ids]
    rounds: int

    def source(self) -> VideoClips:
        """With nothing decoded and one thread that decodes; two batches fit."""
        return VideoClips(self.records, self.class_names, self.sampler, observation_size=self.side, workers=1)

    @property
    def clips(self) -> int:
        return sum(map(len, self.batches))

    def draw(self, rng: np.random.Generator, clips: int | None = None) -> tuple[Mask, Mask]:
        """Masks (clips, T) and (clips, K) of random frames and stages, with the paper's mean usage."""
        u, v = random_masks(I3D_R50, clips or self.clips, rng)
        return u.numpy(), v.numpy()

    def everything(self) -> tuple[Mask, Mask]:
        """Masks (clips, T) and (clips, K) that drop nothing."""
        stages = len(self.classifier.stage_names)
        return np.ones((self.clips, FRAMES), np.bool_), np.ones((self.clips, stages), np.bool_)


class Way:
    """Upper, or Ada3D with masks that are drawn for each turn; a call is a turn."""

    def __init__(self, case: Case, chooses: bool, ahead: bool = False, seed: int = 0):
        self.case, self.ahead, self.parts = case, ahead, Parts()
        self.form = CurrentForm(case.selection) if chooses else None
        self.rng = np.random.default_rng(seed)
        self.macs: list[float] = []  # of all clips of a turn, those of the selection network included
        shown = torch.zeros(1, FRAMES, 3, case.side, case.side, dtype=torch.uint8)
        self.selection_macs = count_macs(case.selection, shown) if chooses else 0

    @torch.inference_mode()
    def __call__(self) -> list[str]:
        """The label of each video."""
        case, labels, place = self.case, list[str](), 0
        u, v = case.everything() if self.form is None else case.draw(self.rng)
        self.parts.begin()
        self.macs.append(float(case.classifier.macs(u, v).sum() + case.clips * self.selection_macs))
        source = case.source()
        for number, ids in enumerate(case.batches):
            here = slice(place, place := place + len(ids))
            with self.parts.timed(READING):
                squares = source.squares(ids)
                if self.ahead and number + 1 < len(case.batches):
                    source.expect(case.batches[number + 1])
            if self.form is not None:
                with self.parts.timed("observing"):
                    shown = torch.from_numpy(squares.observations(case.side))
                with self.parts.timed("selecting"):
                    greedy(self.form.get()(shown))  # and those that were drawn take their place
            with self.parts.timed("packing"):
                frames = squares.kept(u[here])
            with self.parts.timed("classifying"):
                scores = case.classifier.scores_packed(frames, u[here], v[here])
            means = scores.reshape(-1, case.sampler.views, scores.shape[1]).mean(1)
            labels += [case.class_names[label] for label in means.argmax(1).tolist()]
        source.close()
        return labels

    def seconds(self, *parts: str, wall: bool = False) -> NDArray[np.float64]:
        """CPU time of these parts together, or time by the clock, in each turn but the first, which warms up."""
        turns = self.parts.wall if wall else self.parts.cpu
        return np.array([sum(turn[part] for part in parts) for turn in turns[1:]])


def agree(case: Case) -> None:
    """What is packed while it is read is what whole clips give, or the times mean nothing."""
    source, ids = case.source(), case.batches[0][:2]
    u, v = case.draw(np.random.default_rng(0), len(ids))
    found = case.classifier.scores_packed(source.squares(ids).kept(u), u, v)
    if not np.allclose(found, case.classifier.scores(source.clips(ids), u, v), atol=1e-5):
        raise RuntimeError("packed frames and whole clips are classified differently")
    source.close()

"""A table in the place of the network: what it answers is looked up, and no clip is decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.datasets import EMBEDDED_SETS
from ada3d_gym.fingerprints import of_weights
from ada3d_gym.masks import mask_numbers
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.outcomes.answers import TableAnswers
from ada3d_gym.outcomes.identity import sampling_of, video_digests
from ada3d_gym.outcomes.oracle import best_values
from ada3d_gym.outcomes.storage import TableError
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.protocols import ClipAnswers, Ids, Mask
from ada3d_gym.rewards import MaskReward, Reward
from ada3d_gym.video.clips import VideoClips


class TableClassifier(ClipAnswers):
    """What a classifier answered when the table was made.

    Args:
        table: of these clips, or of more videos that begin with theirs.
        clips: whose ids it is asked about. They take it from the table which of them can be decoded.

    Raises:
        TableError: for a table of other clips, saying what differs.
    """

    def __init__(self, table: OutcomeTable, clips: VideoClips):
        check_clips(table, clips)
        self.table = table
        self.stage_names = table.about.stage_names
        known = table.arrays["clip"]
        clips.trust(known[known < len(clips)])
        self._best: tuple[Reward, NDArray[np.float64]] | None = None

    def scores(self, clips: NDArray[np.uint8], u: Mask, v: Mask) -> NDArray[np.float32]:
        """Raises TableError: a table knows clips by their ids."""
        raise TableError(f"{self.table.name} cannot classify pixels: pull clip ids, or use outcomes=None")

    def answers(self, ids: Ids, u: Mask, v: Mask) -> TableAnswers:
        """What a reward may look at, of clips (B,) under masks (B, T) and (B, K).

        Raises:
            TableError: for a clip that could not be decoded when the table was made.
        """
        return TableAnswers(self.table, self.table.rows(ids), mask_numbers(u, v), u, v)

    def macs(self, u: Mask, v: Mask) -> NDArray[np.int64]:
        """Multiply-accumulates (B,) of each clip."""
        macs: NDArray[np.int64] = self.table.macs[mask_numbers(u, v)]
        return macs

    def best(self, ids: Ids, reward: Reward) -> NDArray[np.float64]:
        """What the best mask of each clip pays (B,): the paper's reward for all clips at once, others as asked for."""
        if self._best is None or self._best[0] is not reward:
            everything = isinstance(reward, MaskReward) and reward.reward == "accuracy"
            values = best_values(self.table, reward)[0] if everything else np.full(len(self.table), np.nan)
            self._best = reward, values
        values, rows = self._best[1], self.table.rows(ids)
        if len(unknown := np.unique(rows[np.isnan(values[rows])])):
            values[unknown] = best_values(self.table, reward, unknown)[0]
        return values[rows]


def check_clips(table: OutcomeTable, clips: VideoClips) -> None:
    """Raises TableError where a table is not of these clips, or of more videos that begin with theirs."""
    about = table.about
    ours, theirs = sampling_of(clips), dict(about.sampling)
    if different := [key for key in {**theirs, **ours} if ours.get(key) != theirs.get(key)]:
        key = different[0]
        raise TableError(_unlike(table, key, theirs.get(key), ours.get(key)))
    if about.class_names != clips.class_names:
        raise TableError(
            f"{table.name} has {len(about.class_names)} classes ({', '.join(about.class_names[:3])}, …), and these "
            f"videos {len(clips.class_names)} ({', '.join(clips.class_names[:3])}, …): give the table of these videos"
        )
    if about.videos < len(clips.records):
        raise TableError(f"{_unlike(table, 'videos', about.videos, len(clips.records))}, or fewer")
    digests = video_digests(clips)
    if len(wrong := np.flatnonzero((digests != table.arrays["video"][: len(digests)]).any(1))):
        path, made_with = clips.records[int(wrong[0])].path, about.versions.get("av", "")
        drawn = f"; it was made with av {made_with}, and others may encode drawn videos differently"
        raise TableError(
            f"{table.name} is of other videos: {path} is not the one in its place there (another name, labels, length "
            f"or content), nor are {len(wrong) - 1} more of {len(digests)}"
            f"{drawn if about.dataset in EMBEDDED_SETS and made_with else ''}; make a table of these"
        )


def check_network(table: OutcomeTable, classifier: NetworkClassifier, given: str) -> None:
    """Raises TableError where a table is not of this classifier, which was given by this name."""
    dtype = str(classifier.dtype or next(classifier.network.parameters()).dtype).removeprefix("torch.")
    if dtype != table.about.dtype:
        raise TableError(
            f"{table.name} is of a classifier in {table.about.dtype}, and {given} is in {dtype}; make a table of it"
        )
    found = of_weights(classifier.network.state_dict())
    if found != table.about.classifier_sha256:
        raise TableError(
            f"{table.name} is of another classifier than {given}: its weights have the SHA-256 "
            f"{table.about.classifier_sha256[:12]}…, and those given {found[:12]}…; make a table of these, or leave "
            f"{given.partition('=')[0]} out"
        )


def check_named(table: OutcomeTable, **named: Any) -> None:
    """Raises TableError where a table is of another dataset, split, backbone or precision than these."""
    about = table.about
    its = {"dataset": about.dataset, "split": about.split, "backbone": about.network, "precision": about.dtype}
    for key, value in named.items():
        if its[key] != value:
            raise TableError(_unlike(table, key, its[key], value))


def _unlike(table: OutcomeTable, key: str, its: Any, ours: Any) -> str:
    return f"{table.name} is of {key}={its}, and this environment of {key}={ours}: give another table, or {key}={its}"

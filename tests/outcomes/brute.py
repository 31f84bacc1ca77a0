"""A small table of real answers, made the plain way: every mask of every clip through the network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.fingerprints import of_weights
from ada3d_gym.masks import all_masks, split_mask
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.outcomes.description import Description
from ada3d_gym.outcomes.identity import clips_sha256, sampling_of, video_digests
from ada3d_gym.outcomes.table import CLOSE, OutcomeTable
from ada3d_gym.video.clips import VideoClips


def brute_table(bandit: ClipBandit, network: str, split: str, dataset: str = "motionshapes") -> OutcomeTable:
    """A table with all parts, of all clips that a live bandit can decode."""
    source, classifier = bandit.source, bandit.classifier
    assert isinstance(source, VideoClips)
    assert isinstance(classifier, NetworkClassifier)
    u, v = split_mask(all_masks(bandit.num_frames, bandit.num_stages), bandit.num_frames, bandit.num_stages)
    bad = source.undecodable(np.arange(len(source)))
    ids = np.array([clip for clip in range(len(source)) if clip not in bad])
    columns: dict[str, list[NDArray[Any]]] = {key: [] for key in ("correct", "prediction", "confidence")}
    columns |= {key: [] for key in ("label", "label_margin", "margin")}
    for clip in ids:
        outcome = bandit.pull(np.full(len(u), clip), u, v)
        ranked = np.sort(outcome.scores, 1)
        assert outcome.answers is not None
        columns["correct"].append(outcome.correct)
        columns["prediction"].append(outcome.prediction.clip(0).astype(np.uint8))
        columns["confidence"].append(outcome.confidence.astype(np.float16))
        columns["label"].append(outcome.answers.label_probability.astype(np.float16))
        columns["label_margin"].append(outcome.answers.label_margin.astype(np.float16))
        columns["margin"].append((ranked[:, -1] - ranked[:, -2]).astype(np.float16))
    cells = {key: np.stack(values) for key, values in columns.items()}
    close = [np.flatnonzero((row < CLOSE) & u.any(1)) for row in cells["margin"]]
    labels = [source.record(clip).labels for clip in ids]
    names = sorted({source.record(clip).family for clip in ids})
    sampling, digests = sampling_of(source), video_digests(source)
    about = Description(
        dataset,
        split,
        sampling,
        len(source.records),
        network,
        classifier.stage_names,
        source.class_names,
        tuple(names),
        "float32",
        of_weights(classifier.network.state_dict()),
        clips_sha256(sampling, digests),
        "ada3d tabulate ID",
    )
    arrays = {
        "correct": np.packbits(cells.pop("correct"), axis=1),
        "macs": classifier.macs(u, v),
        "clip": ids,
        "label": np.concatenate(labels).astype(np.int32),
        "label_start": np.cumsum([0, *map(len, labels)]),
        "family": np.array([names.index(source.record(clip).family) for clip in ids], np.uint8),
        "video": digests,
        "close_start": np.cumsum([0, *map(len, close)]),
        "close_mask": np.concatenate(close).astype(np.uint16),
        "close_margin": np.concatenate([row[at] for row, at in zip(cells["margin"], close, strict=True)]),
        "optimum": np.zeros((0, len(ids)), np.uint16),
    }
    return OutcomeTable(about, arrays, parts=cells)

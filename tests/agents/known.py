"""Real clips whose outcomes are known by a rule, in a table: learned in seconds, and no network is asked."""

from __future__ import annotations

import numpy as np

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_clips
from ada3d_gym.masks import all_masks
from ada3d_gym.outcomes.classifier import TableClassifier
from ada3d_gym.outcomes.description import Description
from ada3d_gym.outcomes.identity import clips_sha256, sampling_of, video_digests
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.rewards import MaskReward, Reward

STAGES = ("stage 0", "stage 1")
NEEDS = {"scene": (1, 0), "object": (4, 0), "motion": (6, 1)}
"""Frames that a clip of each family must keep to be recognised, and stages."""


def known_bandit(videos: int = 28, reward: Reward | None = None) -> ClipBandit:
    """A bandit on a table of validation clips of MotionShapes, of 8 frames, for a network of two stages."""
    clips = build_clips("motionshapes", split="val", views=1, videos=videos)
    masks = all_masks(clips.num_frames, len(STAGES))
    frames, stages = masks[:, :-2].sum(1), masks[:, -2:].sum(1)
    of = [clips.record(clip).family for clip in range(len(clips))]
    right = [(frames >= NEEDS[family][0]) & (stages >= NEEDS[family][1]) for family in of]
    families = tuple(NEEDS)
    sampling, digests = sampling_of(clips), video_digests(clips)
    about = Description(
        dataset="motionshapes",
        split="val",
        sampling=sampling,
        videos=videos,
        network="rule",
        stage_names=STAGES,
        class_names=clips.class_names,
        families=families,
        dtype="float32",
        classifier_sha256="",
        clips_sha256=clips_sha256(sampling, digests),
    )
    ids = np.arange(len(clips))
    arrays = {
        "correct": np.packbits(right, axis=1),
        "macs": frames * (1 + stages) * 1000,
        "clip": ids,
        "label": clips.labels(ids).astype(np.int32),
        "label_start": np.arange(len(clips) + 1),
        "family": np.array([families.index(family) for family in of], np.uint8),
        "video": digests,
    }
    half = np.where(right, 0.8, 0.3).astype(np.float16)
    half[:, : 2 ** len(STAGES)] = 0
    table = OutcomeTable(about, arrays, parts={"label": half, "label_margin": np.float16(2) * half - np.float16(1)})
    return ClipBandit(clips, TableClassifier(table, clips), reward or MaskReward(2.0))

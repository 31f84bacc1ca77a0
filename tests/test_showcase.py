"""The embedded videos ask for masks that differ from clip to clip, and the shipped classifier answers to them."""

from __future__ import annotations

import numpy as np
import pytest

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from tests.record_policy import masks_by_record

VIDEOS = 210


@pytest.fixture(scope="module")
def bandit() -> ClipBandit:
    return build_bandit(split="test", videos=VIDEOS, gamma=6.0)


@pytest.fixture(scope="module")
def upper(bandit: ClipBandit) -> float:
    return judged(bandit, *constant(bandit, "11111111", "11111"))[0]


def constant(bandit: ClipBandit, u: str, v: str) -> tuple[np.ndarray, np.ndarray]:
    count = len(bandit.source)
    return tuple(np.tile(np.array(list(bits)) == "1", (count, 1)) for bits in (u, v))


def judged(bandit: ClipBandit, u: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """Top-1 of the videos in percent, and the share of Upper's operations."""
    source, scores = bandit.source, []
    for part in np.array_split(np.arange(len(source)), 8):
        scores.append(bandit.pull(part, u[part], v[part]).scores)
    videos = np.concatenate(scores).reshape(-1, source.views, len(source.class_names)).mean(1)
    right = videos.argmax(1) == source.labels(np.arange(0, len(source), source.views))
    whole = bandit.classifier.macs(*(np.ones_like(mask[:1]) for mask in (u, v)))[0]
    return 100 * float(right.mean()), float(bandit.classifier.macs(u, v).mean() / whole)


def test_a_policy_that_knows_what_a_clip_shows_loses_nothing_at_a_third_of_the_operations(
    bandit: ClipBandit, upper: float
):
    top1, share = judged(bandit, *masks_by_record(bandit.source, np.arange(len(bandit.source))))
    assert upper >= 97
    assert top1 >= upper - 1
    assert share <= 0.30


@pytest.mark.parametrize(
    ("u", "v"), [("10101010", "11111"), ("00111100", "11111"), ("11010001", "00011"), ("11101101", "00000")]
)
def test_no_such_mask_serves_all_clips(bandit: ClipBandit, upper: float, u: str, v: str):
    top1, share = judged(bandit, *constant(bandit, u, v))
    assert share < 0.51
    assert top1 <= upper - 5

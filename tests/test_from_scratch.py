"""The rivals of one's own networks: plain 3D networks, judged as ours are."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from ada3d_gym.errors import InputError
from benchmarks.from_scratch import from_scratch
from benchmarks.plain import PlainClassifier, small3d


@pytest.fixture(scope="module")
def classifier() -> PlainClassifier:
    torch.manual_seed(0)
    return PlainClassifier(small3d(5), 4, 32, "cpu")


def test_operations_are_those_of_the_convolutions(classifier: PlainClassifier):
    widths = (3, 16, 32, 64, 128, 128)
    taps = [27 * a * b * 4 * (32 >> n) ** 2 for n, (a, b) in enumerate(pairwise(widths))]
    macs = classifier.macs(np.ones((3, 4), np.bool_), np.ones((3, 1), np.bool_))
    assert macs.tolist() == [sum(taps) + 128 * 5] * 3


def test_scores_are_of_each_clip_alone(classifier: PlainClassifier):
    clips = np.random.default_rng(0).integers(0, 255, (3, 4, 3, 32, 32), np.uint8)
    everything = np.ones((3, 4), np.bool_), np.ones((3, 1), np.bool_)
    scores = classifier.scores(clips, *everything)
    assert scores.sum(1) == pytest.approx(1, abs=1e-5)
    assert classifier.scores(clips[1:2], *(mask[:1] for mask in everything)) == pytest.approx(scores[1:2], abs=1e-5)
    with pytest.raises(InputError, match="no masks"):
        classifier.scores(clips, np.zeros((3, 4), np.bool_), everything[1])


def test_rivals_are_trained_and_judged(sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "found.json"
    from_scratch(sets / "videos", size=32, num_frames=4, minutes=0.02, rivals=("small3d",), quick=True, json=path)
    found = json.loads(path.read_text())
    assert found["settings"]["videos"] == 8
    (rival,) = found["rivals"]
    assert 0 <= rival["top1"] <= 1 and rival["epochs"] > 0 and rival["milliseconds"] > 0
    assert np.mean(list(rival["by_class"].values())) <= 1
    assert "small3d" in capsys.readouterr().out

"""The network as the bandit's classifier, with the weights that ship."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY


@pytest.fixture(scope="module")
def clips(bandit: ClipBandit) -> np.ndarray:
    return bandit.source.clips(np.arange(0, 100, 5))


def classifier(batch_size: int = 128) -> NetworkClassifier:
    torch.manual_seed(0)
    return NetworkClassifier(MaskedResNet3d(I3D_TINY, 14), 32, batch_size=batch_size)


def masks(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    u, v = rng.random((count, 8)) < 0.6, rng.random((count, 5)) < 0.5
    u[[2, 9]] = False
    return u, v


def test_scores_are_probabilities_and_zeros_without_frames(clips: np.ndarray):
    u, v = masks(20)
    scores = classifier().scores(clips, u, v)
    assert scores.shape == (20, 14)
    assert scores.dtype == np.float32
    assert (scores >= 0).all()
    assert scores.sum(1).tolist() == pytest.approx([0.0 if i in (2, 9) else 1.0 for i in range(20)], abs=1e-5)


def test_features_are_what_the_last_layer_sees(clips: np.ndarray):
    u, v = masks(20)
    scorer = classifier(7)
    features, scores = scorer.features(clips, u, v)
    assert features.shape == (20, scorer.network.features)
    assert features.dtype == np.float32
    assert np.array_equal(scores, scorer.scores(clips, u, v))
    with torch.no_grad():
        told = scorer.network.head(torch.from_numpy(features)).softmax(1).numpy()
    assert told[u.any(1)] == pytest.approx(scores[u.any(1)], abs=1e-5)
    assert not features[[2, 9]].any()


def test_large_batches_are_split_without_a_difference(clips: np.ndarray):
    u, v = masks(20)
    assert classifier(7).scores(clips, u, v) == pytest.approx(classifier().scores(clips, u, v), abs=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_scoring_neither_trains_nor_changes_the_mode(clips: np.ndarray, training: bool):
    scorer = classifier()
    scorer.network.train(training)
    before = {key: value.clone() for key, value in scorer.network.state_dict().items()}
    one, other = scorer.scores(clips, *masks(20)), scorer.scores(clips, *masks(20))
    assert np.array_equal(one, other)
    assert scorer.network.training is training
    assert all(torch.equal(value, before[key]) for key, value in scorer.network.state_dict().items())


def test_the_shipped_classifier_recognises_whole_clips_and_needs_stages_for_motion(bandit: ClipBandit):
    ids = np.arange(len(bandit.source))
    u, v = np.ones((len(ids), 8), np.bool_), np.ones((len(ids), 5), np.bool_)
    motion = np.array([bandit.source.record(i).family == "motion" for i in ids.tolist()])
    whole = bandit.pull(ids, u, v).correct
    flat = bandit.pull(ids, u, ~v).correct
    assert whole.mean() > 0.9
    assert flat[motion].mean() < 0.5
    assert flat[~motion].mean() > 0.7

"""Packing: few runs of clips of one length, the same answers in any order, each clip copied once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ada3d_gym.bandit import ClipBandit, first_of_each
from ada3d_gym.errors import InputError
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.packing import Packing, by_length
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY

T, K = 8, 5


def masks(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    u, v = rng.random((count, T)) < 0.7, rng.random((count, K)) < 0.5
    u[1], v[1], u[2] = True, True, False
    return u, v


def packing(u: np.ndarray, v: np.ndarray) -> Packing:
    return Packing(torch.from_numpy(u), torch.from_numpy(v))


@pytest.fixture(scope="module")
def classifier() -> NetworkClassifier:
    torch.manual_seed(0)
    return NetworkClassifier(MaskedResNet3d(I3D_TINY, 14), 32)


def test_a_stem_has_no_more_runs_than_there_are_lengths():
    packed = packing(*masks(500))
    runs = [len(packed.segments(stage)) for stage in range(K)]
    assert runs[0] == T
    assert runs[1] < 3 * T
    assert max(runs) < 200  # 500 clips in any order have some 330


def test_packed_frames_are_those_kept_clip_by_clip_in_time():
    u, v = masks(40)
    packed = packing(u, v)
    clip, moment = np.divmod(packed.kept.numpy(), T)
    assert np.array_equal(clip, packed.clip.numpy())
    assert np.array_equal(clip, np.repeat(by_length(u, v), u.sum(1)[by_length(u, v)]))
    for each in range(40):
        assert np.array_equal(moment[clip == each], np.flatnonzero(u[each]))
    assert np.array_equal(packed.counts.numpy(), u.sum(1))


def test_pairs_and_spans_and_segments_tell_the_same_neighbours():
    u, v = masks(40)
    packed = packing(u, v)
    for stage in range(K):
        spans = packed.spans(stage)
        for distance in (1, 2):
            expected = [at for start, stop in spans for at in range(start, stop - distance)]
            assert packed.pairs(stage, distance).tolist() == expected
        assert sum(stop - start for start, stop in spans) == u.sum(1)[v[:, stage] & (u.sum(1) > 1)].sum()
        assert [each.start for each in packed.segments(stage)][1:] == [each.stop for each in packed.segments(stage)][
            :-1
        ]


def test_frames_come_in_order_whether_whole_clips_or_packed_ones_are_given():
    u, v = masks(12)
    clips = torch.arange(12 * T).view(12, T, 1, 1, 1).expand(-1, -1, 3, 4, 4)
    whole = packing(u, v).pack(clips)
    assert torch.equal(whole[:, 0, 0, 0], packing(u, v).kept)
    for layout in (torch.contiguous_format, torch.channels_last):
        kept = clips.flatten(0, 1)[torch.from_numpy(u.ravel())].contiguous(memory_format=layout)
        assert torch.equal(packing(u, v).pack(kept), whole)


def test_a_classifier_gives_each_mask_its_own_answer_in_any_order(classifier: NetworkClassifier):
    u, v = masks(24)
    clips = np.random.default_rng(1).integers(0, 256, (24, T, 3, 32, 32), np.uint8)
    scores = classifier.scores(clips, u, v)
    for row in range(24):
        alone = classifier.scores(clips[row : row + 1], u[row : row + 1], v[row : row + 1])
        assert scores[row] == pytest.approx(alone[0], abs=1e-5)
    order = np.random.default_rng(2).permutation(24)
    assert classifier.scores(clips[order], u[order], v[order]) == pytest.approx(scores[order], abs=1e-5)


@pytest.mark.parametrize("batch_size", [128, 5])
def test_several_masks_of_a_clip_are_answered_as_those_of_copies_of_it(batch_size: int):
    torch.manual_seed(0)
    classifier = NetworkClassifier(MaskedResNet3d(I3D_TINY, 14), 32, batch_size=batch_size)
    u, v = masks(24)
    clips = np.random.default_rng(1).integers(0, 256, (6, T, 3, 32, 32), np.uint8)
    of = np.tile(np.arange(6), 4)
    assert np.array_equal(classifier.scores_of(clips, of, u, v), classifier.scores(clips[of], u, v))


def test_packed_frames_are_answered_as_their_clips(classifier: NetworkClassifier):
    u, v = masks(9)
    clips = np.random.default_rng(1).integers(0, 256, (9, T, 3, 32, 32), np.uint8)
    kept = torch.from_numpy(clips[u]).contiguous(memory_format=torch.channels_last)
    assert classifier.scores_packed(kept, u, v) == pytest.approx(classifier.scores(clips, u, v), abs=1e-6)
    with pytest.raises(InputError, match="masks are for"):
        classifier.scores_packed(kept[1:], u, v)
    with pytest.raises(InputError, match="masks are for 9"):
        classifier.scores(clips[1:], u, v)


def test_repeated_ids_are_found_in_the_order_in_which_they_come():
    distinct, of = first_of_each(np.array([7, 3, 7, 9, 3]))
    assert distinct.tolist() == [7, 3, 9]
    assert of.tolist() == [0, 1, 0, 2, 1]


class Alone:
    """Somebody's classifier, which knows nothing of several masks of one clip."""

    def __init__(self, classifier: NetworkClassifier):
        self.stage_names, self.scores, self.macs = classifier.stage_names, classifier.scores, classifier.macs


def test_a_pull_reads_each_clip_once_whatever_the_classifier(bandit: ClipBandit, monkeypatch: pytest.MonkeyPatch):
    asked: list[list[int]] = []
    read = bandit.source.clips
    monkeypatch.setattr(bandit.source, "clips", lambda ids: asked.append(ids.tolist()) or read(ids))
    ids, (u, v) = np.tile([5, 2, 9], 4), masks(12)
    other = ClipBandit(bandit.source, Alone(bandit.classifier), bandit.reward)
    told, expected = bandit.pull(ids, u, v), other.pull(ids, u, v)
    assert asked == [[5, 2, 9]] * 2
    assert np.array_equal(told.scores, expected.scores)
    assert np.array_equal(told.reward, expected.reward)

"""What policies are shown: the same clip as pixels, features or a number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit, build_trunk
from ada3d_gym.networks.features import BLOCK_BYTES, RecentRows
from ada3d_gym.observers import MOST, FeatureObserver, IndexObserver, PixelObserver
from tests.synthetic import TableClips


def test_pixels_are_the_sources_observations(bandit: ClipBandit):
    ids = np.array([3, 0, 3])
    assert np.array_equal(PixelObserver(bandit.source)(ids), bandit.source.observations(ids))


@pytest.mark.parametrize("table_bytes", [2**30, 5 * 4 * 8 * 64, 0], ids=["all fit", "some fit", "none fit"])
def test_features_are_the_trunks_whatever_fits_into_the_table(bandit: ClipBandit, table_bytes: int):
    trunk = build_trunk(8, 32)
    observe = FeatureObserver(bandit.source, trunk, table_bytes=table_bytes, batch_size=2)
    for ids in (np.array([7, 2, 7, 1]), np.array([2]), np.array([4, 5, 6, 7, 8])):
        with torch.no_grad():
            expected = trunk.eval().frames(torch.from_numpy(bandit.source.observations(ids))).numpy()
        shown = observe(ids)
        assert shown.shape[1:] == observe.space.shape
        assert shown.dtype == np.float32
        np.testing.assert_allclose(shown, expected, atol=1e-5)


def test_a_table_takes_memory_as_rows_come_and_forgets_those_used_longest_ago():
    row = BLOCK_BYTES // 4 // 2  # two fit into a block
    table = RecentRows((row,), "cpu", 5 * BLOCK_BYTES // 2)
    assert table.nbytes == 0

    def put(*numbers: int) -> None:
        table.put(numbers, torch.tensor(numbers)[:, None].expand(-1, row).float())

    put(0)
    assert table.nbytes == BLOCK_BYTES
    put(1, 2, 3, 4)
    table.get([0])
    put(5, 6)
    assert table.nbytes == 5 * BLOCK_BYTES // 2
    assert [key for key in range(7) if key in table] == [0, 3, 4, 5, 6]
    assert table.get([6, 0, 4, 6])[:, -1].tolist() == [6, 0, 4, 6]
    put(*range(10, 20))
    assert [key for key in range(20) if key in table] == [15, 16, 17, 18, 19]
    assert table.get([19, 15])[:, 0].tolist() == [19, 15]


def test_features_are_copies(bandit: ClipBandit):
    observe = FeatureObserver(bandit.source, build_trunk(8, 32))
    kept = observe(np.array([1])).copy()
    observe(np.array([1]))[:] = 0
    assert np.array_equal(observe(np.array([1])), kept)


def test_a_number_names_split_views_video_and_view(bandit: ClipBandit):
    observe = IndexObserver(bandit.source, "test", {})
    assert observe(np.array([0, 3, 4, 9])).tolist() == [[2, 4, 0, 0], [2, 4, 0, 3], [2, 4, 1, 0], [2, 4, 2, 1]]
    assert all(row in observe.space for row in observe(np.arange(8)))
    assert np.float32(MOST) == MOST


def test_more_clips_than_float32_can_count_are_refused():
    source = TableClips([(0,)], 2, num_frames=4)
    source.views = MOST + 1
    with pytest.raises(ValueError, match="choose fewer views"):
        IndexObserver(source, "train", {})


def test_unknown_observations_and_features_without_weights():
    with pytest.raises(ValueError, match=r"'sound'.*pixels, features, index"):
        build_bandit(videos=2, observation="sound")
    with pytest.raises(ValueError, match="unknown order 'sorted': expected one of epochs, iid"):
        build_bandit(videos=2, order="sorted")

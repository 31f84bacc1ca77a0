"""An index holds what was found, in little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.video.indexing.index import IndexFileError, Problem, VideoIndex
from ada3d_gym.video.records import VideoRecord
from tests.junk import JUNK

COUNT = 100_000


def test_a_hundred_thousand_videos_fit_in_little_memory(tmp_path: Path):
    paths = [f"/data/kinetics/train/some class or other/-{number:010d}_000010_000020.mp4" for number in range(COUNT)]
    labels = [np.arange(1 + number % 2) for number in range(COUNT)]
    figures = np.tile([250.0, 340.0, 256.0, 29.97, 0.0, 1.0], (COUNT, 1))
    figures[:, 4] = np.arange(COUNT)
    saved = VideoIndex(("a", "b"), paths, labels, figures, [Problem("x.mp4", "truncated", "is cut")])
    saved.save(tmp_path / "index.npz")
    tracemalloc.start()
    index = VideoIndex.load(tmp_path / "index.npz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6
    assert len(index) == COUNT
    assert index[70_001] == VideoRecord(
        Path(paths[70_001]), (0, 1), 250, size=70_001, width=340, height=256, rate=29.97, seekable=True
    )
    assert index[-1].path == Path(paths[-1])
    assert index.labels(0) == (0,)
    assert [record.size for record in index[10:13]] == [10, 11, 12]
    assert index.problems == (Problem("x.mp4", "truncated", "is cut"),)
    assert index.report == "100000 videos of 100001; left out: 1 truncated"


def test_an_empty_index_and_odd_names_survive(tmp_path: Path):
    VideoIndex((), (), (), np.empty((0, 6))).save(tmp_path / "empty.npz")
    assert len(VideoIndex.load(tmp_path / "empty.npz")) == 0
    odd = "/data/a b/\udcff\n,;.mp4"
    VideoIndex(("é",), (odd,), [np.array([0])], np.zeros((1, 6))).save(tmp_path / "odd.npz")
    index = VideoIndex.load(tmp_path / "odd.npz")
    assert (str(index[0].path), index.class_names) == (odd, ("é",))
    assert index[0].seekable is False


@pytest.mark.parametrize("kind", JUNK)
def test_a_file_that_is_no_index_is_named(kind: str, tmp_path: Path):
    path = tmp_path / "index.npz"
    JUNK[kind](path)
    with pytest.raises(IndexFileError, match=r"index\.npz"):
        VideoIndex.load(path)

"""Frames that nothing needs are not decoded, and all others are the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from ada3d_gym.video.decoders import pyav_reader, video
from ada3d_gym.video.decoders.decord_reader import DecordReader
from ada3d_gym.video.decoders.pyav_reader import PyAVReader
from ada3d_gym.video.decoders.video import Video
from tests.video.files import decode_with_pyav, random_frames
from tests.video.test_containers import FILES, encode, read_exactly

LONG = {"g": "120", "bf": "5"}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The times of all frames that PyAV decodes."""
    times: list[int] = []
    frames = pyav_reader._frames

    def counted(*arguments: Any) -> Iterator[Any]:
        for frame in frames(*arguments):
            times.append(frame.pts)
            yield frame

    monkeypatch.setattr(pyav_reader, "_frames", counted)
    return times


@pytest.fixture
def no_file_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "SMALL", 0)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.usefixtures("no_file_is_small")
def test_frames_are_the_same_in_every_container(kind: str, tmp_path: Path):
    name, codec, options, _ = FILES[kind]
    read_exactly(encode(tmp_path / name, codec, options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"x264-params": "b-pyramid=none:direct=temporal:weightb=1"},
        {"x264-params": "b-pyramid=strict:b-adapt=2:ref=6"},
        {"flags": "+ildct+ilme", "x264-params": "tff=1"},
    ],
)
def test_what_is_left_out_changes_nothing(options: dict[str, str], tmp_path: Path, decoded: list[int]):
    path = encode(tmp_path / "a.mp4", "libx264", LONG | options, count=90)
    expected = DecordReader(path).read(list(range(90)))
    rng = np.random.default_rng(0)
    for step in (1, 2, 3, 8):
        wanted = list(range(int(rng.integers(step)), 90, step))
        assert np.array_equal(PyAVReader(path).read(wanted), expected[wanted])
    decoded.clear()
    PyAVReader(path).read(list(range(0, 90, 8)))
    assert len(decoded) == len(set(decoded)) < 75


def test_far_frames_are_read_without_those_between(tmp_path: Path, decoded: list[int]):
    path = encode(tmp_path / "a.mp4", "libx264", {"g": "10"}, count=100)
    wanted = [3, 95, 51]
    assert np.array_equal(PyAVReader(path).read(wanted), decode_with_pyav(path)[wanted])
    assert len(decoded) < 30


@pytest.mark.usefixtures("no_file_is_small")
def test_decord_reads_what_pyav_finds_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = encode(tmp_path / "a.mp4", "libx264")
    expected = decode_with_pyav(path)
    opened = Video(path, None, True)
    assert isinstance(opened._reader, PyAVReader)
    monkeypatch.setattr(pyav_reader, "_frames", lambda *_: iter(()))
    assert np.array_equal(opened.read([7, 41]), expected[[7, 41]])
    assert isinstance(opened._reader, DecordReader)


@pytest.mark.usefixtures("no_file_is_small")
def test_deep_colours_are_as_decord_reads_them(tmp_path: Path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p10le"
        for pixels in random_frames(12):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(stream.encode())
    for size, reader in ((None, DecordReader), ((32, 32), PyAVReader)):
        opened = Video(path, size)
        assert isinstance(opened._reader, reader)
        assert np.array_equal(opened.read([3, 9]), DecordReader(path, size).read([3, 9]))

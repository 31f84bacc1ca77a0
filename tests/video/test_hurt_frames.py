"""What can still be read of a damaged file is one and the same, whichever decoder is asked and however often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.video.decoders import video
from ada3d_gym.video.decoders.pyav_reader import PyAVReader
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.records import VideoError
from tests.video.damage import encode, overwrite


def readable(path: Path, number: int) -> bytes | None:
    """Pixels of a frame, read by itself; None where it cannot be."""
    try:
        return Video(path, seekable=True, frames=40).read([number]).tobytes()
    except VideoError:
        return None


@pytest.mark.parametrize("at", [0.3, 0.45])
def test_frames_before_the_damage_are_as_they_were(tmp_path: Path, at: float):
    path = tmp_path / "video.mp4"
    path.write_bytes(encode(gop=40))
    whole = PyAVReader(path).read(list(range(40)))
    overwrite(path, at=at)
    reader, before = PyAVReader(path), 0
    with pytest.raises(VideoError):
        while np.array_equal(reader.read([before]), whole[before : before + 1]):
            before += 1
    assert 5 < before < 35
    assert np.array_equal(reader.read(list(range(before))), whole[:before])


@pytest.mark.skipif(video.DecordReader is None, reason="one decoder")
def test_decoders_agree_on_what_is_lost_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """decord's threads may or may not give frames that stand just before the damage."""
    path = tmp_path / "video.mp4"
    path.write_bytes(encode(gop=40))
    overwrite(path, at=0.5)
    monkeypatch.setattr(video, "SMALL", 2**30)
    with ThreadPoolExecutor(4) as threads:
        for number in range(10, 30):
            assert len(set(threads.map(readable, [path] * 12, [number] * 12))) == 1
    found = [readable(path, number) for number in range(40)]
    monkeypatch.setattr(video, "DecordReader", None)
    expected = [readable(path, number) for number in range(40)]
    before = found.index(None)
    assert found[:before] == expected[:before]

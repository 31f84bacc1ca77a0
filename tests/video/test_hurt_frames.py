"""What can still be read of a damaged file is one and the same, whichever decoder is asked and however often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from ada3d_gym.video.decoders import video
from ada3d_gym.video.decoders.pyav_reader import PyAVReader
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.records import VideoError
from tests.video.damage import encode


def readable(path: Path, number: int) -> bytes | None:
    """Pixels of a frame, read by itself; None where it cannot be."""
    try:
        return Video(path, seekable=True, frames=40).read([number]).tobytes()
    except VideoError:
        return None


@pytest.fixture
def hurt(tmp_path: Path) -> tuple[Path, list[int], NDArray[np.uint8]]:
    """A file of which a packet is damaged, the frames that come before that in the file, and what all once were."""
    path = tmp_path / "video.mp4"
    path.write_bytes(encode(gop=40))
    with av.open(str(path)) as container:
        packets = [(packet.pts, packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    frames = Video(path).read(range(40))
    order = sorted(pts for pts, _, _ in packets)
    number = next(n for n in range(15, 40) if packets[n][0] < packets[n - 1][0])  # the one before waits for this one
    _, position, size = packets[number]
    content = bytearray(path.read_bytes())
    content[position : position + size] = b"\xff" * size
    path.write_bytes(content)
    return path, sorted(order.index(pts) for pts, _, _ in packets[:number]), frames


def test_frames_before_the_damage_are_as_they_were(hurt: tuple[Path, list[int], NDArray[np.uint8]]):
    path, before, frames = hurt
    reader = PyAVReader(path)
    assert np.array_equal(reader.read(before), frames[before])
    with pytest.raises(VideoError, match=str(path)):
        reader.read([next(number for number in range(40) if number not in before)])


@pytest.mark.skipif(not hasattr(video.DecordReader, "read"), reason="one decoder")
def test_decoders_agree_on_what_is_lost_every_time(
    hurt: tuple[Path, list[int], NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
):
    """decord's threads may or may not give frames that stand just before the damage."""
    path, before, _ = hurt
    monkeypatch.setattr(video, "SMALL", 2**30)
    with ThreadPoolExecutor(4) as threads:
        for number in before[-8:]:
            assert len(set(threads.map(readable, [path] * 12, [number] * 12))) == 1
    found = [readable(path, number) for number in before]
    monkeypatch.setattr(video, "DecordReader", None)
    assert found == [readable(path, number) for number in before]

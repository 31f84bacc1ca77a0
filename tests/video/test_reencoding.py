"""A video that is encoded anew shows the same in its frames, at the same times, and is quicker to seek in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from ada3d_gym.experiments.own_fixtures.phone import Recording, record
from ada3d_gym.video.decoders.packets import scan
from ada3d_gym.video.decoders.pyav_reader import PyAVReader
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.indexing.probe import probe
from ada3d_gym.video.records import VideoError, VideoRecord
from ada3d_gym.video.reencoding import Encoding, reencode
from ada3d_gym.video.shards.contents import encoded
from tests.video.files import decode_with_pyav, random_frames
from tests.video.test_containers import encode
from tests.video.test_skipping import decoded as decoded

FINE = Encoding(64, 8, 4)
FILES = {
    "mp4": ("a.mp4", "libx264", {}, False),
    "uneven": ("a.mp4", "libx264", {"bf": "0"}, True),
    "open groups": ("a.mp4", "libx264", {"x264-params": "open-gop=1:bframes=3"}, False),
    "webm": ("a.webm", "libvpx-vp9", {}, False),
    "without times": ("a.avi", "mpeg4", {}, False),
    "other colours": ("a.mp4", "libx264", {"colorspace": "bt709", "color_range": "pc"}, False),
}


@pytest.mark.parametrize("kind", FILES)
def test_frames_keep_their_numbers_times_and_colours(kind: str, tmp_path: Path):
    name, codec, options, uneven = FILES[kind]
    path, new = encode(tmp_path / name, codec, options, uneven=uneven), tmp_path / "new.mp4"
    assert reencode(path, new, FINE, 25.0) == (60, 64, 64)
    packets = scan(new)
    assert len(packets.times) == 60 and packets.seekable and len(packets.keys) >= 8
    assert packets.rate == pytest.approx(Video(path).rate, rel=1e-3)
    if (times := scan(path).seconds()) is not None:
        assert packets.seconds() == pytest.approx(times, abs=2e-3)
    before, after = (Video(file).read(np.arange(60)).astype(int) for file in (path, new))
    apart = np.abs(before[:, None, ::8, ::8] - after[None, :, ::8, ::8]).mean((2, 3, 4))
    assert (apart.argmin(1) == np.arange(60)).all()
    assert np.diag(apart).max() < 4


def test_it_is_scaled_and_turned_upright(tmp_path: Path):
    upright = random_frames(12, height=64, width=96)
    record(tmp_path / "a.mov", upright, Recording(25, turned=1))
    assert reencode(tmp_path / "a.mov", tmp_path / "b.mp4", replace(FINE, short_side=32)) == (12, 48, 32)
    seen = Video(tmp_path / "a.mov", (48, 32)).read([5]).astype(int)
    assert np.abs(Video(tmp_path / "b.mp4").read([5]).astype(int) - seen).mean() < 8


def test_a_clip_decodes_little_of_a_new_video(tmp_path: Path, decoded: list[int]):
    picture = random_frames(1, 64, 256)[0]
    moving = np.stack([picture[:, shift : shift + 64] for shift in range(100)])
    path = encode(tmp_path / "a.mp4", "libx264", {"g": "100"}, moving)
    reencode(path, tmp_path / "new.mp4", Encoding())
    counts = []
    for file in (path, tmp_path / "new.mp4"):
        decoded.clear()
        PyAVReader(file).read(list(range(20, 77, 8)))
        counts.append(len(decoded))
    assert counts[1] < 30 and counts[1] < counts[0] / 1.5, counts


def test_the_same_video_gives_the_same_bytes(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", "libx264")
    for name in ("one.mp4", "two.mp4"):
        reencode(path, tmp_path / name, Encoding(32))
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


@pytest.mark.parametrize(
    ("shape", "expected"), [((340, 256), (170, 128)), ((90, 161), (90, 160)), ((854, 480), (228, 128))]
)
def test_sides_are_even_and_never_larger(shape: tuple[int, int], expected: tuple[int, int]):
    assert Encoding(128).size(*shape) == expected


def damaged(path: Path) -> Path:
    encode(path, "libx264")
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = [each for each in container.demux(video=0) if each.size][20]
    content[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(content)
    return path


def test_a_video_that_is_damaged_inside_is_left_out(tmp_path: Path):
    bad, good = damaged(tmp_path / "bad.mp4"), encode(tmp_path / "good.mp4", "libx264")
    with pytest.raises(VideoError, match=r"bad\.mp4"):
        reencode(bad, tmp_path / "new.mp4", FINE)
    found = probe(good)
    assert found.frames == probe(bad).frames  # the index does not see it
    records = [VideoRecord(path, (0,), found.frames) for path in (bad, good)]
    (tmp_path / "new").mkdir()
    contents = list(encoded(records, tmp_path / "new", FINE, 1, 30.0))
    assert [content.found.cause for content in contents] == ["damaged", ""]
    pixels = decode_with_pyav(contents[1].file).astype(int)
    assert np.abs(pixels - decode_with_pyav(good)).mean() < 4
    for content in contents:
        content.drop()
    assert not list((tmp_path / "new").iterdir())

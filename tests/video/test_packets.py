"""Packets that the index keeps: the same frames from few bytes of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.datasets import index_path, load_index
from ada3d_gym.experiments.index_videos import index_videos
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.decoders import pyav_reader, video
from ada3d_gym.video.decoders.packets import Packets, scan
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.indexing.index import WITHOUT_PACKETS, VideoIndex
from ada3d_gym.video.records import VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from tests.video.files import random_frames
from tests.video.test_containers import FILES, encode, packets

COUNTERS = Path("/proc/self/io")


def same(one: Packets, other: Packets) -> bool:
    pairs = (one.times, other.times), (one.keys, other.keys)
    rest = (one.seekable, one.tick, one.deep) == (other.seekable, other.tick, other.deep)
    return rest and all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize("kind", FILES)
def test_packed_packets_read_the_same_frames(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name, codec, options, _ = FILES[kind]
    path = encode(tmp_path / name, codec, options)
    found = scan(path)
    wanted = [3, 41, 59]
    expected = Video(path).read(wanted)
    known = Packets.unpack(found.pack())
    assert same(known, found)
    monkeypatch.setattr(video, "scan", None)
    monkeypatch.setattr(pyav_reader, "scan", None)
    opened = Video(path, None, found.seekable, 60, found.rate, known)
    assert (len(opened), opened.rate) == (60, found.rate)
    assert np.array_equal(opened.read(wanted), expected)


def test_evenly_spaced_frames_take_few_bytes():
    even = Packets(np.arange(5000) * 512, np.arange(0, 5000, 50) * 512, 25.0, True, 1 / 12800)
    assert len(even.pack()) < 80
    uneven = Packets(np.array([-7, 5, 2**40]), np.array([-7]), 0.0, False, 1e-9, True)
    for each in (even, uneven, Packets(np.empty(0, np.int64), np.empty(0, np.int64), 25.0, False, 0.04)):
        assert same(Packets.unpack(each.pack()), each)


@pytest.mark.parametrize(
    "junk", [b"", b"\x01", b"\x01" * 40, Packets(np.arange(9), np.arange(1), 1, True, 1).pack()[:-3]]
)
def test_junk_is_no_packets(junk: bytes):
    with pytest.raises(ValueError, match="pack"):
        Packets.unpack(junk)


def bytes_read() -> int:
    return int(COUNTERS.read_text().split()[1])


@pytest.mark.skipif(not COUNTERS.exists(), reason="Linux alone counts the bytes that a process reads")
def test_a_clip_takes_from_its_file_what_it_needs(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (1200, 64, 64, 3), np.uint8)
    path = encode(tmp_path / "a.mp4", "libx264", {"g": "60", "preset": "ultrafast"}, noise)
    record = VideoRecord(path, (0,), 1200, "", path.stat().st_size, 64, 64, 25.0, True, packets=scan(path).pack())
    clips = VideoClips([record], ("a",), ClipSampler(8, 8, 5, 64), observation_size=64, workers=1, ahead_bytes=1)
    sizes = np.array([packet.size for _, packet in packets(path)])
    own = -bytes_read() + bytes_read()
    for view in range(5):
        first, last = clips.frame_numbers(view, 1200)[[0, -1]] // 60 * 60 + [0, 60]
        before = bytes_read()
        clips.clips(np.array([view]))
        taken = bytes_read() - before - own
        assert taken < sizes[first:last].sum() + sizes[:60].sum() + 1200 * 32 + 4 * 2**15 < record.size / 4
    clips.close()


def video_set(root: Path) -> Path:
    encode(root / "a.mp4", "libx264", frames=random_frames(40))
    encode(root / "b.avi", "mpeg4", frames=random_frames(40))
    for split in ("train", "val"):
        (root / f"{split}.csv").write_text("a.mp4 0\nb.avi 1\n")
    index_videos("videos", root=root)
    return root


def test_the_index_holds_packets_and_an_older_one_is_read_without(tmp_path: Path):
    root = video_set(tmp_path)
    index = load_index("videos", root, "train")
    assert [same(Packets.unpack(each.packets), scan(each.path)) for each in index] == [True, True]
    sampler = ClipSampler(4, 8, 3, 32)
    clips = VideoClips(index, ("a", "b"), sampler, observation_size=32).clips(np.arange(6))
    path = index_path("videos", root, "train")
    with np.load(path) as saved:
        old = {key: saved[key] for key in saved if not key.startswith("packet")}
    np.savez(path, **{**old, "format": np.array(WITHOUT_PACKETS)})
    with pytest.warns(UserWarning, match="earlier version"):
        index = load_index("videos", root, "train")
    assert [each.packets for each in index] == [b"", b""]
    assert np.array_equal(VideoClips(index, ("a", "b"), sampler, observation_size=32).clips(np.arange(6)), clips)


def test_a_set_without_an_index_is_scanned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = encode(tmp_path / "a.mp4", "libx264")
    scanned: list[Path] = []
    monkeypatch.setattr(video, "scan", lambda path: scanned.append(path) or scan(path))
    clips = VideoClips([VideoRecord(path, (0,))], ("a",), ClipSampler(4, 8, 9, 32), observation_size=32, ahead_bytes=1)
    for view in range(9):
        clips.clips(np.array([view]))
    assert scanned == [path]
    clips.close()


def test_packets_survive_saving(tmp_path: Path):
    packed = [b"", b"abc", b"\x00d"]
    paths = [f"/{number}.mp4" for number in range(3)]
    VideoIndex((), paths, [np.array([0])] * 3, np.ones((3, 6)), (), packed).save(tmp_path / "i.npz")
    index = VideoIndex.load(tmp_path / "i.npz")
    assert [record.packets for record in index] == packed and not index.old

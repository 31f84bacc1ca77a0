"""Shards give the clips of the files that they hold, whoever reads them and however they came about."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import webdataset

from ada3d_gym.errors import InputError
from ada3d_gym.video import sources
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.decoders.decord_reader import DecordReader
from ada3d_gym.video.indexing.index import VideoIndex, figures
from ada3d_gym.video.indexing.probe import probe
from ada3d_gym.video.records import VideoError
from ada3d_gym.video.sampling import ClipSampler
from ada3d_gym.video.shards import writing
from ada3d_gym.video.shards.writing import write_shards
from tests.video.files import random_frames
from tests.video.test_containers import encode

FILES = {"walk/a.mp4": "libx264", "walk/b.mkv": "libx264", "run/c.avi": "mpeg4", "run/d.webm": "libvpx-vp9"}
COUNT = 30


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> VideoIndex:
    root = tmp_path_factory.mktemp("videos")
    files = []
    for seed, (name, codec) in enumerate(FILES.items()):
        (root / name).parent.mkdir(exist_ok=True)
        files.append(encode(root / name, codec, frames=random_frames(COUNT, seed=seed)))
    return indexed(files)


def indexed(files: list[Path]) -> VideoIndex:
    found = [probe(file) for file in files]
    assert not any(each.cause for each in found)
    labels = [np.array([number % 2]) for number in range(len(files))]
    packets, changed = [each.packets for each in found], np.array([each.changed for each in found])
    return VideoIndex(("walk", "run"), [str(file) for file in files], labels, figures(found), (), packets, changed)


def root_of(index: VideoIndex) -> Path:
    return index[0].path.parents[1]


def clips_of(index: VideoIndex) -> VideoClips:
    return VideoClips(index, index.class_names, ClipSampler(4, 6, 5, 32), observation_size=32)


@pytest.mark.parametrize("whole", [2**19, 0])
def test_clips_are_those_of_the_files_wherever_the_shards_are(
    whole: int, index: VideoIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_shards(index, root_of(index), tmp_path / "new", "set", shard_bytes=20_000)
    monkeypatch.setattr(sources, "WHOLE", whole)
    shutil.move(tmp_path / "new", tmp_path / "moved")
    found = VideoIndex.load(tmp_path / "moved/set.npz")
    assert len(list((tmp_path / "moved").glob("*.tar"))) > 1
    assert [(r.path.name, r.labels, r.frames, r.rate) for r in found] == [
        (r.path.name, r.labels, r.frames, r.rate) for r in index
    ]
    source, expected = clips_of(found), clips_of(index)
    ids = np.random.default_rng(0).permutation(len(source))
    assert np.array_equal(source.clips(ids), expected.clips(ids))
    assert np.array_equal(source.full_size(7), expected.full_size(7))
    assert source.paths(ids[:1])[0].startswith(str(tmp_path / "moved/set-00000"))
    if found[0].seekable:
        assert np.array_equal(DecordReader(found[0].source).read([9]), DecordReader(index[0].path).read([9]))


def test_webdataset_reads_them(index: VideoIndex, tmp_path: Path):
    write_shards(index, root_of(index), tmp_path, "set", shard_bytes=20_000)
    tars = sorted(map(str, tmp_path.glob("*.tar")))
    samples = list(webdataset.WebDataset(tars, shardshuffle=False).decode())
    assert [sample["__key__"] for sample in samples] == ["00000000", "00000001", "00000002", "00000003"]
    for sample, record, name in zip(samples, index, FILES, strict=True):
        assert sample[record.path.suffix[1:]] == record.path.read_bytes()
        assert sample["json"]["path"] == name
        assert sample["json"]["labels"] == list(record.labels)
        assert sample["json"]["label_names"] == [index.class_names[record.labels[0]]]
        assert (sample["json"]["frames"], sample["json"]["width"]) == (COUNT, 64)


def test_an_interrupted_writing_goes_on_and_ends_alike(
    index: VideoIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root, options = root_of(index), {"shard_bytes": 1}
    write_shards(index, root, tmp_path / "once", "set", **options)
    copies = writing.copies

    def stopping(records):
        for number, each in enumerate(copies(records)):
            if number == 2:
                raise KeyboardInterrupt
            yield each

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(writing, "copies", stopping)
        write_shards(index, root, tmp_path / "twice", "set", **options)
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "twice").glob("*.tar")}
    assert len(there) == 2
    write_shards(index, root, tmp_path / "twice", "set", **options)
    assert {path: path.stat().st_mtime_ns for path in there} == there
    names = sorted(path.name for path in (tmp_path / "once").iterdir())
    assert sorted(path.name for path in (tmp_path / "twice").iterdir()) == names
    for name in names:
        if name.endswith(".tar"):
            assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "twice" / name).read_bytes()
    with pytest.raises(InputError, match="other options"):
        write_shards(index, root, tmp_path / "twice", "set", shard_bytes=2)


def test_files_that_have_changed_are_left_out_and_named(index: VideoIndex, tmp_path: Path):
    shutil.copytree(root_of(index), tmp_path / "videos")
    found = indexed([tmp_path / "videos" / name for name in FILES])
    (tmp_path / "videos/walk/b.mkv").unlink()
    (tmp_path / "videos/run/c.avi").write_bytes(b"shorter")
    left = write_shards(found, tmp_path / "videos", tmp_path / "shards", "set", shard_bytes=10**9)
    assert [record.path.name for record in left] == ["a.mp4", "d.webm"]
    assert [Path(problem.path).name for problem in left.problems] == ["b.mkv", "c.avi"]
    assert np.array_equal(clips_of(left).clips(np.arange(5, 10)), clips_of(index).clips(np.arange(15, 20)))


def test_what_a_killed_process_left_is_deleted(index: VideoIndex, tmp_path: Path):
    (tmp_path / ".set-x1y2").mkdir()
    for name in (".set-x1y2/new.mp4", "set-000000.tar.0a1b2c3d.part", "other-000000.tar.0a1b2c3d.part"):
        (tmp_path / name).write_bytes(b"half")
    write_shards(index, root_of(index), tmp_path, "set", shard_bytes=10**9)
    whole = ["set-000000.json", "set-000000.tar", "set.lock", "set.npz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other-000000.tar.0a1b2c3d.part", *whole]


def test_where_no_video_can_be_read_there_are_no_shards_and_an_error(index: VideoIndex, tmp_path: Path):
    shutil.copytree(root_of(index), tmp_path / "videos")
    found = indexed([tmp_path / "videos" / name for name in FILES])
    for name in FILES:
        (tmp_path / "videos" / name).unlink()
    with pytest.raises(InputError, match=r"none of the 4 videos could go into shards of set \(missing: "):
        write_shards(found, tmp_path / "videos", tmp_path / "shards", "set", shard_bytes=10**9)
    assert [path.name for path in (tmp_path / "shards").iterdir()] == ["set.lock"]
    shutil.copytree(root_of(index), tmp_path / "videos", dirs_exist_ok=True)  # mended
    assert len(write_shards(found, tmp_path / "videos", tmp_path / "shards", "set", shard_bytes=10**9)) == 4


def test_another_shard_in_its_place_is_found_out(index: VideoIndex, tmp_path: Path):
    found = write_shards(index, root_of(index), tmp_path, "set", shard_bytes=10**9)
    shard = tmp_path / "set-000000.tar"
    shard.write_bytes(shard.read_bytes()[:-512])
    with pytest.raises(VideoError, match=r"a\.mp4.*set-000000\.tar has \d+ bytes instead of.*copy the shard anew"):
        clips_of(found).clips(np.arange(1))
    shard.unlink()
    with pytest.raises(VideoError, match=r"a\.mp4: is missing"):
        clips_of(found).clips(np.arange(1))


def test_a_part_reads_as_a_file_does(tmp_path: Path):
    content = bytes(range(200)) * 9
    (tmp_path / "archive").write_bytes(b"before" + content + b"after")
    part = sources.Part(tmp_path / "archive/a.mp4", tmp_path / "archive", 6, len(content), 11 + len(content))
    with sources._Window(part) as window, io.BytesIO(content) as expected:
        for place, whence, count in ((0, 0, 7), (5, 1, 1000), (-30, 2, 100), (3, 0, -1), (0, 1, 5), (99999, 0, 3)):
            assert window.seek(place, whence) == expected.seek(place, whence)
            assert window.read(count) == expected.read(count)
            assert window.tell() == expected.tell()
    assert sources.size_of(part) == len(content)
    with pytest.raises(OSError, match="instead of"):
        sources.size_of(replace(part, total=5))


def test_a_clip_of_a_shard_is_read_in_a_few_calls(index: VideoIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = write_shards(index, root_of(index), tmp_path, "set", shard_bytes=10**9)
    opened: list[str] = []
    original = av.open
    monkeypatch.setattr(
        av, "open", lambda file, *rest, **options: opened.append(file) or original(file, *rest, **options)
    )
    clips_of(found).clips(np.array([2]))
    assert [type(file) for file in opened] == [sources._Bytes]

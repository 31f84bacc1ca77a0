"""Some 240 damaged files through probe, index and loader: none takes anything down, each is named."""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.indexing.index import VideoIndex, make_index
from ada3d_gym.video.indexing.listing import Entry, Listing
from ada3d_gym.video.indexing.probe import Probe, probe, probe_all
from ada3d_gym.video.records import VideoError, VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from tests.video.damage import CONTAINERS, cut_files, damaged_files, encode
from tests.video.files import decode_with_pyav

BROKEN = {"audio only", "no key frame", "missing", "empty", "text", "random bytes", "directory", "picture"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    return list(damaged_files(tmp_path_factory.mktemp("damaged")))


@pytest.fixture(scope="module")
def probes(files: list[tuple[str, Path]]) -> dict[Path, Probe]:
    return dict(probe_all([path for _, path in files], timeout=20))


@pytest.fixture(scope="module")
def index(files: list[tuple[str, Path]], probes: dict[Path, Probe]) -> VideoIndex:
    listing = Listing(("a",), tuple(Entry(str(path), (0,)) for _, path in files))
    return make_index(listing, [path for _, path in files], probes, min_frames=2)


def test_there_are_at_least_200(files: list[tuple[str, Path]]):
    assert len(files) >= 200


def test_each_is_named_with_its_cause_or_can_be_read(files, probes, index: VideoIndex):
    causes: dict[str, Counter[str]] = {}
    left_out = {problem.path: problem for problem in index.problems}
    for kind, path in files:
        causes.setdefault(kind, Counter())[probes[path].cause or "readable"] += 1
        if probes[path].cause:
            assert left_out[str(path)].cause == probes[path].cause
            assert left_out[str(path)].detail
    print({kind: dict(counts) for kind, counts in causes.items()})
    for kind in BROKEN:
        assert causes[kind]["readable"] == 0, kind
    kept_whole = [probes[path].frames for kind, path in files if kind == "truncated" and not probes[path].cause]
    assert set(kept_whole) <= {40} and len(kept_whole) < 5  # some lost nothing but what follows the last frame
    assert causes["missing"] == causes["directory"] == {"missing": 1}
    assert causes["no key frame"] == {"no key frame": 6}
    assert causes["another container"] == {"readable": 2}
    assert causes["streaming, truncated"]["readable"] == 0
    assert next(p for p in index.problems if "one-frame" in p.path).cause == "too short"
    assert len(index) + len(index.problems) == len(files)
    assert f"{len(index)} videos of {len(files)}; left out: " in index.report


@pytest.mark.slow
def test_the_loader_names_each_that_it_cannot_read_and_reads_the_others(files, probes, index: VideoIndex):
    good = next(record for record in index if "another-container" in str(record.path))
    records = [*index, *(VideoRecord(path, (0,)) for _, path in files if probes[path].cause), good]
    clips = VideoClips(records, ("a",), ClipSampler(8, 5, 1, 32), observation_size=32)
    named = 0
    for number in range(len(records)):
        if probes[records[number].path].cause == "crashed":
            continue  # only a process of its own survives such a file, and the index keeps it out
        try:
            assert clips.clips(np.array([number])).shape == (1, 8, 3, 32, 32)
        except VideoError as error:
            assert error.path == records[number].path
            named += 1
    assert named >= sum(bool(probe.cause) and probe.cause != "crashed" for probe in probes.values())
    assert clips.clips(np.array([len(records) - 1])).any()


@pytest.mark.slow
def test_a_thorough_probe_finds_most_damage_inside(files):
    inside = [path for kind, path in files if kind == "random bytes inside"]
    quick, thorough = dict(probe_all(inside)), dict(probe_all(inside, thorough=True))
    assert all(thorough[path].cause for path in inside if quick[path].cause)
    silent = [path for path in inside if not quick[path].cause]
    found = sum(bool(thorough[path].cause) for path in silent)
    print(f"{len(silent)} of {len(inside)} pass the quick probe; the thorough one finds {found} of them")
    assert found > len(silent) / 2


def test_an_end_that_is_missing_is_noticed_in_every_container_whose_header_tells(tmp_path: Path):
    cut = list(cut_files(tmp_path, 12))
    accepted = [(path.name, found.frames) for path in cut if not (found := probe(path)).cause]
    short = [(name, frames) for name, frames in accepted if frames < 40]
    print(
        f"of {len(cut)} files, {len(accepted)} are accepted, {len(short)} of them without all of their frames: {short}"
    )
    # In FLV, where nothing but a rough duration tells, a frame or two may be missing between two packets.
    assert all(name.startswith("flv") and frames >= 37 for name, frames in short)


@pytest.mark.parametrize("container", ["matroska", "webm"])
def test_an_end_that_is_overwritten_is_missing(container: str, tmp_path: Path):
    whole = encode(container=container, codec=CONTAINERS[container])
    noise = np.random.default_rng(0).bytes(len(whole) // 4)
    (tmp_path / "video").write_bytes(whole[: -len(noise)] + noise)
    assert probe(tmp_path / "video").cause == "truncated"


def test_empty_ticks_at_the_end_of_an_avi_are_no_frames_that_are_missing(tmp_path: Path):
    content = bytearray(encode(container="avi", codec="mpeg4"))
    chunks = [match.start() for match in re.finditer(b"00dc", content[: content.index(b"idx1")])]
    for place in chunks[-10:]:
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        rest = length + length % 2 - 8
        content[place + 4 : place + 16] = bytes(4) + b"JUNK" + rest.to_bytes(4, "little")
    entries = content.index(b"idx1") + 8
    for tick in range(30, 40):
        content[entries + 16 * tick + 12 : entries + 16 * tick + 16] = bytes(4)
    (tmp_path / "screen.avi").write_bytes(content)
    assert (probe(tmp_path / "screen.avi").cause, probe(tmp_path / "screen.avi").frames) == ("", 30)


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_whole_file_is_whole_whatever_sounds_longer(container: str, tmp_path: Path):
    for sound in (0, 1.0, 1.6, 3.0):
        path = tmp_path / f"{sound}"
        path.write_bytes(encode(container=container, codec=CONTAINERS[container], sound=sound))
        assert (probe(path).cause, probe(path).frames) == ("", 40)


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_recording_that_was_sent_live_is_whole(container: str, tmp_path: Path):
    """Its header was written before anything was known of its end, as those of MediaRecorder are."""

    class Pipe:  # no going back in it
        content = b""

        def write(self, content: bytes) -> int:
            self.content += bytes(content)
            return len(content)

    pipe, whole = Pipe(), io.BytesIO(encode(container=container, codec=CONTAINERS[container], sound=3))
    with av.open(whole) as source, av.open(pipe, "w", format=container) as output:
        copies = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
    path = tmp_path / "live"
    path.write_bytes(pipe.content)
    assert (probe(path).cause, probe(path).frames) == ("", 40)
    assert np.array_equal(Video(path).read([39, 11]), decode_with_pyav(path)[[39, 11]])  # there is no index to seek by

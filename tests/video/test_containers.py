"""The frame that is asked for, whatever the container, the codec and the order of its packets."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.decoders.packets import scan
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.indexing.probe import probe
from ada3d_gym.video.records import TruncatedError, VideoError, VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from tests.video.files import decode_with_pyav, random_frames

COUNT = 60
PLACES = ([0], [41], [COUNT - 1], list(range(3, COUNT, 8)), [50, 10, 50])


def encode(
    path: Path,
    codec: str,
    options: dict[str, str] | None = None,
    frames: np.ndarray | None = None,
    uneven: bool = False,
    count: int = COUNT,
    tags: dict[str, str] | None = None,
) -> Path:
    """Writes a video in the container that the path's extension names; `uneven` times are 1 or 2 apart."""
    frames = random_frames(count) if frames is None else frames
    with av.open(str(path), "w") as output:
        output.metadata.update(tags or {})
        stream = output.add_stream(codec, rate=25, options={"g": "12", **(options or {})})
        stream.height, stream.width = frames.shape[1:3]
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if uneven:
                frame.pts, frame.time_base = number + number // 3, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def packets(path: Path) -> Iterator[tuple[av.VideoStream, av.Packet]]:
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.dts is not None:
                yield container.streams.video[0], packet


def read_exactly(path: Path) -> Video:
    expected = decode_with_pyav(path)
    for places in PLACES:
        video = Video(path)
        places = [place % len(expected) for place in places]
        assert len(video) == len(expected)
        assert np.array_equal(video.read(places), expected[places]), places
    return video


# True: decord reads it; False: decord would give other frames.
FILES = {
    "mp4": ("a.mp4", "libx264", {}, True),
    "mp4, long group": ("a.mp4", "libx264", {"g": "250"}, True),
    "mp4, open groups": ("a.mp4", "libx264", {"x264-params": "open-gop=1:bframes=3"}, False),
    "mp4, MPEG-4 with B-frames": ("a.mp4", "mpeg4", {"bf": "2"}, False),
    "mp4, HEVC": ("a.mp4", "libx265", {"x265-params": "open-gop=0:log-level=none"}, True),
    "mp4, HEVC as it comes": ("a.mp4", "libx265", {"x265-params": "log-level=none"}, False),
    "mkv": ("a.mkv", "libx264", {}, True),
    "webm": ("a.webm", "libvpx-vp9", {"deadline": "realtime"}, True),
    "mov": ("a.mov", "libx264", {}, True),
    "flv": ("a.flv", "flv", {}, True),
    "avi": ("a.avi", "mpeg4", {}, False),
    "avi, H.264": ("a.avi", "libx264", {}, False),
    "wmv": ("a.wmv", "wmv2", {}, False),
    "mpg": ("a.mpg", "mpeg1video", {}, False),
    "ts": ("a.ts", "libx264", {}, False),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_container_gives_the_frames_asked_for(kind: str, tmp_path: Path):
    name, codec, options, seekable = FILES[kind]
    try:
        path = encode(tmp_path / name, codec, options)
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this PyAV has no {codec}")
    video = read_exactly(path)
    assert video.seekable == seekable
    found = probe(path)
    assert (found.cause, found.frames, found.seekable) == ("", COUNT, seekable)


def test_frames_of_uneven_rate_go_by_their_numbers(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", "libx264", uneven=True)
    times = scan(path).times
    assert len({int(gap) for gap in np.diff(times)}) > 1
    assert len(read_exactly(path)) == COUNT


def test_a_video_cut_without_encoding_it_anew_starts_where_its_edit_list_says(tmp_path: Path):
    whole, cut = encode(tmp_path / "whole.mp4", "libx264"), tmp_path / "cut.mp4"
    with av.open(str(cut), "w") as output:
        copy = None
        for stream, packet in packets(whole):
            copy = copy or output.add_stream_from_template(stream)
            packet.stream = copy
            packet.pts -= int(5 / 25 / stream.time_base)
            packet.dts -= int(5 / 25 / stream.time_base)
            output.mux(packet)
    assert not read_exactly(cut).seekable
    assert np.array_equal(Video(cut).read([0, 40]), decode_with_pyav(whole)[[5, 45]])


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_turned_video_is_read_as_it_is_shown(degrees: int, codec: str, tmp_path: Path):
    """Phones write the sensor's rows and a matrix in the track header; decord obeys it, and so must PyAV's stand-in."""
    path = encode(tmp_path / "a.mp4", codec, {"bf": "0" if codec == "libx264" else "2"}, random_frames(COUNT, 64, 128))
    upright = decode_with_pyav(path)
    content = bytearray(path.read_bytes())
    one = 1 << 16
    matrix = {90: (0, one, 0, -one, 0, 0), 180: (-one, 0, 0, 0, -one, 0), 270: (0, -one, 0, one, 0, 0)}[degrees]
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", *matrix, 0, 0, 1 << 30)
    path.write_bytes(content)
    video = Video(path)
    assert video.seekable == (codec == "libx264")
    expected = np.rot90(upright[[3, 41]], -degrees // 90, axes=(1, 2))  # turned clockwise
    assert np.array_equal(video.read([3, 41]), expected)
    found = probe(path)
    assert (found.height, found.width) == expected.shape[1:3]


@pytest.mark.parametrize(("height", "width"), [(90, 122), (66, 64), (64, 130), (270, 480), (128, 48), (128, 24)])
def test_odd_sizes_become_the_square(height: int, width: int, tmp_path: Path):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (4, 4, 3), np.uint8)
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    frames = np.broadcast_to(picture[rows][:, columns], (10, height, width, 3))
    path = encode(tmp_path / "a.mp4", "libx264", frames=frames)
    found = probe(path)
    record = VideoRecord(path, (0,), found.frames, width=found.width, height=found.height, seekable=found.seekable)
    (clip,) = VideoClips([record], ("a",), ClipSampler(2, 1, 1, 32), observation_size=32).clips(np.array([0]))
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = frames[0, top : top + side, left : left + side].astype(float)
    places = (np.arange(32) * side // 32 + side // 64).clip(0, side - 1)
    difference = np.abs(clip[0].transpose(1, 2, 0) - square[places][:, places])
    assert np.median(difference) < 12
    assert np.array_equal(Video(path).read([4, 9]), decode_with_pyav(path)[[4, 9]])


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_an_end_that_is_missing_is_noticed_before_anything_is_decoded(kept: float, tmp_path: Path):
    path = encode(tmp_path / "a.mp4", "libx264")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        places = [(packet.pos, packet.size) for packet in container.demux(stream) if packet.size]
    streaming = tmp_path / "streaming.mp4"
    with av.open(str(streaming), "w", options={"movflags": "+faststart"}) as output:
        copy = None
        for stream, packet in packets(path):
            copy = copy or output.add_stream_from_template(stream)
            packet.stream = copy
            output.mux(packet)
    last = list(packets(streaming))[int(kept * len(places))][1]
    for boundary in (last.pos, last.pos + last.size // 2):  # between two packets, inside one
        cut = tmp_path / f"cut at {boundary}.mp4"
        cut.write_bytes(streaming.read_bytes()[:boundary])
        with pytest.raises(TruncatedError, match=r"breaks off after \d+ of its 60 frames"):
            Video(cut)
        assert probe(cut).cause == "truncated"


def test_several_video_streams_and_a_cover_picture(tmp_path: Path):
    """A cover comes first in many downloads; it is no video, and no more is a second stream the one that is shown."""
    path = tmp_path / "a.mp4"
    film = encode(tmp_path / "film.mp4", "libx264")
    with av.open(str(path), "w") as output:
        cover = output.add_stream("png", rate=1)
        cover.width = cover.height = 32
        cover.pix_fmt = "rgb24"
        cover.disposition = Disposition.attached_pic
        copy = None
        for stream, packet in packets(film):
            if copy is None:
                copy = output.add_stream_from_template(stream)
                output.mux(cover.encode(av.VideoFrame.from_ndarray(random_frames(1, 32, 32)[0], format="rgb24")))
            packet.stream = copy
            output.mux(packet)
    assert len(Video(path)) == COUNT
    assert np.array_equal(Video(path).read([0, 41]), decode_with_pyav(film)[[0, 41]])
    assert probe(path).frames == COUNT


def join(path: Path, small: Path, large: Path) -> Path:
    """One stream of the packets of two, 1/25 s apart."""
    with av.open(str(path), "w") as output:
        copy, number = None, 0
        for part in (small, large):
            with av.open(str(part)) as container:
                for packet in container.demux(video=0):
                    if packet.size:
                        copy = copy or output.add_stream_from_template(packet.stream)
                        packet.stream, packet.time_base = copy, Fraction(1, 25)
                        packet.pts = packet.dts = number
                        packet.duration, number = 1, number + 1
                        output.mux(packet)
    return path


@pytest.mark.parametrize("extension", ["h264", "ts", "mkv", "mp4", "flv"])
def test_frames_of_a_stream_whose_size_changes_are_scaled_to_the_first(extension: str, tmp_path: Path):
    options = {"bf": "0", "g": "12"}
    small = encode(tmp_path / "small.h264", "libx264", options, random_frames(30, 64, 64))
    large = encode(tmp_path / "large.h264", "libx264", options, random_frames(30, 128, 192, seed=1))
    path = tmp_path / f"joined.{extension}"
    if extension == "h264":
        path.write_bytes(small.read_bytes() + large.read_bytes())
    else:
        join(path, small, large)
    found = probe(path)
    assert (found.cause, found.frames, found.width, found.height) == ("", 60, 64, 64)
    frames = Video(path).read([0, 29, 30, 59])
    assert frames.shape == (4, 64, 64, 3)
    assert np.array_equal(frames[:2], decode_with_pyav(small)[[0, 29]])
    scaled = decode_with_pyav(large)[[0, 29], 1::2, 1::3]
    assert np.median(np.abs(frames[2:].astype(int) - scaled)) < 8
    record = VideoRecord(path, (0,), found.frames, width=64, height=64, rate=found.rate, seekable=found.seekable)
    for short_side in (32, 64):
        clips = VideoClips([record], ("a",), ClipSampler(4, 15, 1, short_side), observation_size=32)
        assert clips.clips(np.array([0])).shape == (1, 4, 3, short_side, short_side)


@pytest.mark.parametrize(("name", "codec"), [("a.h264", "libx264"), ("a.ivf", "libvpx"), ("a.avi", "libx264")])
def test_a_container_that_states_no_rate_or_another_one(name: str, codec: str, tmp_path: Path):
    path = encode(tmp_path / name, codec)
    assert probe(path).rate == Video(path).rate == pytest.approx(25)
    clips = VideoClips(
        [VideoRecord(path, (0,))], ("a",), ClipSampler(4, 8, 1, 32, sampling="pyslowfast"), observation_size=32
    )
    assert len({clip.tobytes() for clip in clips.clips(np.array([0]))[0]}) == 4


def test_a_rate_is_that_of_the_frames_there_are(tmp_path: Path):
    for name in ("a.mkv", "a.mp4", "a.flv"):
        assert Video(encode(tmp_path / name, "libx264", {"bf": "0"}, uneven=True)).rate == pytest.approx(18.8, abs=0.2)


def test_tags_in_another_encoding_do_not_matter(tmp_path: Path):
    path = encode(tmp_path / "a.avi", "mpeg4", tags={"title": "cafe"})
    path.write_bytes(path.read_bytes().replace(b"cafe", b"caf\xe9"))
    assert probe(path).frames == len(Video(path)) == COUNT


def test_a_known_number_of_frames_is_not_counted_again(tmp_path: Path):
    path = encode(tmp_path / "a.ts", "libx264")
    video = Video(path, seekable=False, frames=COUNT)
    assert not video.decoded and len(video) == COUNT
    assert np.array_equal(video.read([59]), Video(path).read([59]))
    with pytest.raises(VideoError, match="only 60 of its 70 frames"):
        Video(path, seekable=False, frames=70).read([65])

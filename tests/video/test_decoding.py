"""Frames by number, exactly, or an error that says which file is bad and what to do."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.motionshapes.files import motionshapes
from ada3d_gym.video.records import VideoError
from tests.video.files import BAD_FILES, decode_with_pyav, random_frames, video_file


@pytest.mark.parametrize(
    "wanted", [range(32), [0], [31], [5, 6, 7], [30, 2, 17, 2], range(31, -1, -1), range(1, 32, 3)]
)
def test_frames_are_those_that_another_decoder_reads(wanted: Sequence[int]):
    for record in motionshapes("test", 14)[::4]:
        expected = decode_with_pyav(record.path)
        video = Video(record.path)
        assert len(video) == len(expected)
        assert np.array_equal(video.read(wanted), expected[list(wanted)])


def test_reading_twice_gives_the_same(tmp_path: Path):
    video = Video(video_file(tmp_path / "a.mp4").path)
    late = video.read([39])
    early = video.read([0, 1])
    assert np.array_equal(video.read([39]), late)
    assert np.array_equal(video.read([0, 1]), early)


def test_what_is_decoded_is_what_was_written(tmp_path: Path):
    video = Video(video_file(tmp_path / "a.mp4", 40).path)
    frames = random_frames(40)
    assert np.abs(video.read(range(40)).astype(int) - frames).mean() < 12


@pytest.mark.parametrize("wanted", [[-1], [40], [0, 1, 40], [10**9]])
def test_a_number_outside_the_video_is_the_callers_mistake(tmp_path: Path, wanted: list[int]):
    video = Video(video_file(tmp_path / "a.mp4", 40).path)
    with pytest.raises(IndexError, match=r"a\.mp4.*0 to 39"):
        video.read(wanted)


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named(tmp_path: Path, kind: str):
    path = tmp_path / "bad.mp4"
    BAD_FILES[kind](path)
    with pytest.raises(VideoError) as caught:
        Video(path)
    assert caught.value.path == path
    assert str(path) in str(caught.value)
    assert "replace the file or drop it from the list" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.99])
def test_a_streaming_video_that_loses_its_tail_is_never_read_wrongly(tmp_path: Path, share: float):
    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "5"})
        stream.width = stream.height = 64
        for frame in random_frames(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    whole = decode_with_pyav(path)
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(VideoError, match=r"cut\.mp4"):
        Video(path).read([39])
    for number in range(0, 30, 5):
        with suppress(VideoError):
            assert np.array_equal(Video(path).read([number])[0], whole[number])


def test_the_error_survives_a_worker_process(tmp_path: Path):
    error = VideoError(tmp_path / "a.mp4", "is damaged", "fetch it again")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == f"{tmp_path / 'a.mp4'}: is damaged; fetch it again"
    assert (copy.path, copy.problem, copy.remedy) == (error.path, error.problem, error.remedy)

"""What is copied of decoded clips, alone, is what whole clips hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.motionshapes.files import write_video
from ada3d_gym.video.records import VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from ada3d_gym.video.squares import Squares
from ada3d_gym.video.transforms import resize_and_crop
from tests.video.files import random_frames

SAMPLERS = {
    "scaled up": ClipSampler(4, 3, 3, 80),
    "scaled down": ClipSampler(4, 3, 3, 48),
    "cut out": ClipSampler(4, 3, 3, 64),
    "for training": ClipSampler(4, 3, 50, 40, (48, 60), random=True, flip=True),
}


@pytest.fixture
def records(tmp_path: Path) -> list[VideoRecord]:
    paths = [tmp_path / f"{number}.mp4" for number in range(3)]
    for seed, path in enumerate(paths):
        write_video(path, random_frames(30, 64, 96, seed), 25)
    return [VideoRecord(path, (0,), 30, width=96, height=64, rate=25.0, seekable=True) for path in paths]


@pytest.fixture(params=[False, True], ids=["decoded", "cached"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "cache" if request.param else None


def masks(clips: int, seed: int = 0) -> np.ndarray:
    u = np.random.default_rng(seed).random((clips, 4)) < 0.6
    u[0] = False
    return u


@pytest.mark.parametrize("kind", SAMPLERS)
def test_observations_and_kept_frames_are_those_of_whole_clips(
    kind: str, records: list[VideoRecord], cache: Path | None
):
    source = VideoClips(records, ("a",), SAMPLERS[kind], observation_size=30, cache=cache)
    ids = np.array([2, 0, source.views + 1, 2, 2 * source.views])
    u = masks(len(ids))
    for _ in range(2):  # the second time, they are in the cache
        squares = source.squares(ids)
        kept = squares.kept(u)
        clips = source.clips(ids)
        assert clips.flags.c_contiguous
        assert np.array_equal(squares.clips(), clips)
        assert np.array_equal(kept.numpy(), clips[u])
        assert kept.is_contiguous(memory_format=torch.channels_last)
        small = resize_and_crop(torch.from_numpy(clips), 30).numpy()
        assert np.array_equal(source.observations(ids), small)
        assert np.array_equal(squares.observations(30), small)
        source = VideoClips(records, ("a",), SAMPLERS[kind], observation_size=30, cache=cache)


def test_a_clip_holds_no_more_memory_than_its_square(records: list[VideoRecord]):
    for frames in VideoClips(records, ("a",), SAMPLERS["cut out"], observation_size=30).squares(np.arange(3)).frames:
        assert frames.untyped_storage().nbytes() == frames.numel()


def test_squares_of_several_videos_are_joined_and_parted(records: list[VideoRecord]):
    source = VideoClips(records, ("a",), SAMPLERS["cut out"], observation_size=30)
    both = source.squares(np.array([0])) + source.squares(np.array([4, 7]))
    assert len(both) == 3
    assert np.array_equal(both.clips(), source.clips(np.array([0, 4, 7])))
    assert np.array_equal(both[1:].clips(), source.clips(np.array([4, 7])))


@pytest.mark.parametrize("batch_size", [2, 128])
def test_packed_frames_score_as_whole_clips(batch_size: int):
    torch.manual_seed(0)
    classifier = NetworkClassifier(MaskedResNet3d(I3D_TINY, 14).eval(), 32, batch_size=batch_size)
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (7, 4, 3, 32, 32), np.uint8)
    u, v = masks(7), rng.random((7, 5)) < 0.5
    packed = Squares([torch.from_numpy(clip) for clip in clips]).kept(u)
    scores = classifier.scores_packed(packed, u, v)
    np.testing.assert_allclose(scores, classifier.scores(clips, u, v), atol=1e-6)
    assert not scores[0].any()
    with pytest.raises(ValueError, match=rf"got {len(packed) - 1} packed frames or clips.*{len(packed)}"):
        classifier.scores_packed(packed[1:], u, v)

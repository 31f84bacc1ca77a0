"""Sets such as people bring: what the readers find in them, and that one frame does not tell a motion."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.fixtures import fixtures
from ada3d_gym.experiments.own_fixtures import tracks
from ada3d_gym.experiments.own_fixtures.ten import STYLES, Style, Video, classes, write
from ada3d_gym.experiments.own_fixtures.writing import Recording, record
from ada3d_gym.video.decoders.decord_reader import DecordReader
from ada3d_gym.video.decoders.packets import scan
from ada3d_gym.video.decoders.pyav_reader import PyAVReader
from ada3d_gym.video.readers import plain
from ada3d_gym.video.records import VideoError


@pytest.fixture(scope="module", params=("a", pytest.param("b", marks=pytest.mark.slow)))  # drawn by the same code
def ten(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Style, Path]:
    folder = tmp_path_factory.mktemp("own")
    fixtures(folder, ("ten",), videos=1, style=request.param)
    return request.param, folder / "ten"


def test_ten_classes_have_lists_that_are_read(ten: tuple[Style, Path]):
    style, root = ten
    for split in ("train", "test"):
        listing = plain.read(root, split)
        assert listing.class_names == classes(style)
        assert sorted(entry.labels[0] for entry in listing.entries) == list(range(10))
        assert all((root / entry.path).is_file() for entry in listing.entries)


def test_ten_classes_vary_in_size_length_and_rate(ten: tuple[Style, Path]):
    _, root = ten
    files = sorted(root.glob("*/*.mp4"))
    videos = [PyAVReader(path) for path in files]
    shapes = [video.read([0]).shape[1:3] for video in videos]
    assert len(files) == 20 and len(set(shapes)) > 10
    assert all(64 <= side <= 96 for shape in shapes for side in shape)
    assert all(32 <= len(video) <= 90 and 12 <= video.rate <= 30 for video in videos)


def test_a_seed_gives_the_same_bytes_and_another_does_not(ten: tuple[Style, Path], tmp_path: Path):
    style, root = ten
    video = Video(3, 1, f"{classes(style)[3]}/{classes(style)[3]}_0001.mp4")
    for seed in (0, 1):
        write(tmp_path / f"{seed}.mp4", video, style, seed)
    assert (tmp_path / "0.mp4").read_bytes() == (root / video.path).read_bytes() != (tmp_path / "1.mp4").read_bytes()


@pytest.mark.parametrize("style", ["a", "b"])
def test_one_frame_tells_no_motion(style: Style):
    """Means and spreads of place, size and angle at the first, middle and last frame agree between motions."""
    rng = np.random.default_rng(3)
    seen = []
    for motion in STYLES[style].MOTIONS:
        drawn = [tracks.track(motion, 50, 20, rng) for _ in range(600)]
        place = np.array([[each.x, each.y, np.log(each.size), each.angle % (2 * np.pi)] for each in drawn])
        at = place[:, :, [0, 25, 49]]
        seen.append(np.concatenate([at.mean(0) / at.std((0, 1))[None, None].max(), at.std(0)]))
        for axis in range(2):  # the torus is covered evenly
            assert np.histogram(at[:, axis], 4, (0, tracks.TORUS))[0] == pytest.approx(450, rel=0.2)
    assert np.ptp(np.array(seen), 0) == pytest.approx(0, abs=0.35)


def test_a_motion_goes_its_way():
    rng = np.random.default_rng(0)
    assert (
        np.median(np.diff(tracks.track("right", 40, 20, rng).x))
        > 0
        > np.median(np.diff(tracks.track("left", 40, 20, rng).x))
    )
    assert np.median(np.diff(tracks.track("grows", 40, 20, rng).size)) > 0
    assert np.median(np.diff(tracks.track("shrinks", 40, 20, rng).size)) < 0


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
@pytest.mark.parametrize("turned", [1, 2, 3])
def test_decoders_show_a_turned_video_upright(tmp_path: Path, ending: str, turned: int):
    upright = np.zeros((8, 96, 64, 3), np.uint8)
    upright[:, :48, :, 0] = 220  # red above, blue at the lower right
    upright[:, 48:, 32:, 2] = 220
    record(tmp_path / f"video{ending}", upright, Recording(25, turned=turned))
    with av.open(str(tmp_path / f"video{ending}")) as container:
        assert (container.streams.video[0].width > 64) == bool(turned % 2)  # it really lies in the file
    for reader in (DecordReader, PyAVReader):
        frame = reader(tmp_path / f"video{ending}").read([4])[0].astype(int)
        assert frame.shape == (96, 64, 3)
        assert np.abs(frame - upright[4]).mean() < 12


def test_phones_videos_open_but_for_the_damaged(tmp_path: Path):
    fixtures(tmp_path, ("phone",), videos=1, seed=1, damaged=True)
    files = sorted((tmp_path / "phone").glob("*/*"))
    assert len(files) == 5 and {path.parent.name for path in files} == {"Rolls left", "Rolls right", "Stripes"}
    bad = []
    for path in files:
        try:
            scan(path)
        except VideoError:
            bad.append(path.name)
    assert sorted(bad) == ["IMG_cut.mp4", "notes.mp4"]


@pytest.mark.parametrize(
    ("ending", "codec", "sound"),
    [(".mp4", "libx264", "aac"), (".mkv", "libx264", "aac"), (".avi", "mpeg4", "mp3"), (".webm", "libvpx", "libopus")],
)
def test_containers_hold_their_frames_and_sound(tmp_path: Path, ending: str, codec: str, sound: str):
    frames = np.random.default_rng(0).integers(0, 255, (20, 32, 48, 3), np.uint8)
    path = tmp_path / f"video{ending}"
    record(path, frames, Recording(20, codec, size=(64, 96), sound=sound))
    video = PyAVReader(path)
    assert len(video) == 20 and video.read([19]).shape == (1, 64, 96, 3)
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert float(container.duration or 0) / 1e6 == pytest.approx(1, abs=0.15)


def test_skipped_frames_keep_the_others_at_their_times(tmp_path: Path):
    frames = np.zeros((10, 64, 64, 3), np.uint8)
    record(tmp_path / "video.mp4", frames, Recording(30, kept=[0, 1, 4, 9]))
    times = scan(tmp_path / "video.mp4").times
    assert (times - times[0]) / (times[1] - times[0]) == pytest.approx([0, 1, 4, 9])


def test_an_unknown_set_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"unknown tem.*did you mean ten"):
        fixtures(tmp_path, ("tem",))

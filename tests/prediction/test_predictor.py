"""Predictions of videos are what a run's judgement finds on the same clips, wherever the run's folder is."""

from __future__ import annotations

import shutil
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.judging import Trial, load_masks
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.results import ResultFile
from ada3d_gym.networks.selection_file import load_selection
from ada3d_gym.prediction import Prediction, Predictor
from ada3d_gym.prediction.config import SELECTION
from ada3d_gym.prediction.results import saved, time_saved
from ada3d_gym.video.decoders.video import Video
from tests.video.files import BAD_FILES, random_frames, video_file


def judged_clips(folder: Path) -> ClipBandit:
    return Trial.prepare(read_run(folder), "test", "cpu", checkpoint=folder / "classifier.safetensors").bandit


def paths(bandit: ClipBandit) -> list[Path]:
    views = bandit.source.views
    return [bandit.source.record(clip).path for clip in range(0, len(bandit.source), views)]


def same(one: Prediction, other: Prediction) -> None:
    """The same clips with the same masks and scores, as far as batches of other sizes compute them alike."""
    assert [clip.kept_frames for clip in one.clips] == [clip.kept_frames for clip in other.clips]
    assert [clip.stages for clip in one.clips] == [clip.stages for clip in other.clips]
    assert one.scores == pytest.approx(other.scores, abs=1e-5)


@pytest.mark.parametrize("run", ["shapes", "listed", "labelled"])
def test_a_prediction_is_what_the_judgement_found(run: str, request: pytest.FixtureRequest):
    folder: Path = request.getfixturevalue(run)
    bandit, line = judged_clips(folder), ResultFile(folder / "results.jsonl").results[read_run(folder).agent]
    predictor = Predictor.from_pretrained(folder, batch_size=7)
    found = predictor(paths(bandit), top_k=None)
    clips = [clip for each in found for clip in each.clips]
    u, v = load_masks(folder, line.method)
    assert np.array_equal([clip.frame_mask for clip in clips], u)
    assert np.array_equal([clip.stage_mask for clip in clips], v)
    assert len(np.unique(u, axis=0)) > 1 or run == "labelled"  # masks that say something
    outcome = bandit.pull(np.arange(len(u)), u, v)
    assert np.array([clip.scores for clip in clips]) == pytest.approx(outcome.scores, abs=1e-5)
    assert [clip.macs for clip in clips] == outcome.macs.tolist()
    assert np.mean([clip.macs for clip in clips]) / 1e9 == pytest.approx(line.gmacs, abs=1e-6)
    assert clips[0].macs_selection / 1e9 == pytest.approx(line.gmacs_selection, abs=1e-6)
    assert np.mean([len(clip.kept_frames) for clip in clips]) == pytest.approx(line.frames, abs=1e-3)
    assert np.mean([len(clip.stages) for clip in clips]) == pytest.approx(line.stages, abs=1e-3)
    targets = bandit.source.targets(np.arange(len(found)) * bandit.source.views)
    right = targets[np.arange(len(found)), [each.scores.argmax() for each in found]]
    assert 100 * right.mean() == pytest.approx(line.top1, abs=0.01)
    assert {len(each.answers) for each in found} == {len(bandit.source.class_names)}
    for each in found:
        scores = [answer["score"] for answer in each.answers]
        assert scores == sorted(scores, reverse=True)
        assert each.answers[0]["label"] == bandit.source.class_names[each.scores.argmax()]
        assert sum(scores) == pytest.approx(1, abs=1e-4)


def test_frames_and_seconds_are_those_of_the_clips(shapes: Path):
    bandit = judged_clips(shapes)
    for video, found in enumerate(Predictor.from_run(shapes)(paths(bandit)[:3])):
        for clip in found.clips:
            numbers = bandit.source.frame_numbers(video * bandit.source.views + clip.view, 32)
            assert clip.numbers == tuple(numbers)
            assert clip.kept_frames == tuple(numbers[np.array(clip.frame_mask)])
            assert clip.kept_seconds == pytest.approx(np.array(clip.kept_frames) / 25)
            assert min(clip.milliseconds.values()) > 0


def test_an_array_is_the_file_decoded(shapes: Path):
    path = paths(judged_clips(shapes))[5]
    video = Video(path)
    frames = video.read(range(len(video)))
    predictor = Predictor.from_run(shapes)
    (file,), (array,), both = predictor(path), predictor(frames, rate=25), predictor(np.stack([frames, frames]))
    same(file, array)
    assert array.clips[0].seconds == pytest.approx(file.clips[0].seconds)
    assert [each.video for each in both] == ["array 0", "array 1"]
    assert both[0].clips[0].seconds is None
    for wrong in (frames[0], frames.astype(float), frames[..., :2], frames[:0]):
        with pytest.raises(InputError, match=r"array of .*: expected frames \(N, H, W, 3\) of uint8 RGB"):
            predictor(wrong)


def test_a_folder_can_be_moved_and_zipped(shapes: Path, tmp_path: Path):
    path = paths(judged_clips(shapes))[0]
    archive = shutil.make_archive(str(tmp_path / "run"), "zip", shapes)
    shutil.unpack_archive(archive, tmp_path / "elsewhere" / "again")
    for moved in (tmp_path / "elsewhere" / "again", shapes):
        (found,) = Predictor.from_pretrained(str(moved))(path)
        same(found, Predictor.from_run(shapes)(path)[0])


def test_batches_of_any_size_say_the_same(listed: Path):
    files = paths(judged_clips(listed))
    one, other = (Predictor.from_run(listed, batch_size=size)(files) for size in (1, 64))
    for each, alike in zip(one, other, strict=True):
        same(each, alike)
    (first, *_) = Predictor.from_run(listed)(files[0], views=3)
    assert [clip.view for clip in first.clips] == [0, 1, 2]


def test_bad_files_are_named_and_the_others_go_on(listed: Path, tmp_path: Path):
    good = paths(judged_clips(listed))[:2]
    bad = {kind: tmp_path / f"{kind}.mp4" for kind in BAD_FILES}
    for kind, make in BAD_FILES.items():
        make(bad[kind])
    video_file(tmp_path / "damaged.mp4", 400)
    content = bytearray((tmp_path / "damaged.mp4").read_bytes())
    content[len(content) * 3 // 8 : len(content) * 5 // 8] = bytes(len(content) * 5 // 8 - len(content) * 3 // 8)
    predictor = Predictor.from_run(listed)
    found = predictor([good[0], *bad.values(), good[1], tmp_path / "nothing*.mp4"])
    assert [each.video for each in found if not each.error] == [str(each) for each in good]
    for each in found:
        assert bool(each.answers) is bool(each.clips) is not each.error
    problems = {Path(each.video).stem: each.error for each in found if each.error}
    assert problems["missing"] == "is not there"
    assert problems["directory"].startswith("is a folder without any video (mp4, mkv")
    assert problems["nothing*"] == "matches no file"
    assert all(problem and "\n" not in problem for problem in problems.values())
    for each, alone in zip((found[0], found[-2]), predictor(good), strict=True):
        same(each, alone)


def test_a_file_is_asked_about_in_a_process_of_its_own(shapes: Path, tmp_path: Path):
    good = paths(judged_clips(shapes))[0]
    BAD_FILES["truncated"](tmp_path / "cut.mp4")
    predictor = Predictor.from_run(shapes)
    first, bad = predictor.stream([good, tmp_path / "cut.mp4"], isolated=True)
    same(first, predictor(good)[0])
    assert (bad.error, bad.clips) == (predictor(tmp_path / "cut.mp4")[0].error, ())


def test_clips_that_can_be_read_have_answers_though_others_cannot(shapes: Path, monkeypatch: pytest.MonkeyPatch):
    from ada3d_gym.video.clips import VideoClips
    from ada3d_gym.video.records import VideoError

    whole = VideoClips.clips

    def second_is_bad(self: VideoClips, ids: np.ndarray) -> np.ndarray:
        if 1 in ids:
            raise VideoError(self.record(0).path, "frames [5] cannot be decoded")
        return whole(self, ids)

    monkeypatch.setattr(VideoClips, "clips", second_is_bad)
    (found,) = Predictor.from_run(shapes)(paths(judged_clips(shapes))[0])
    assert [clip.view for clip in found.clips] == [0, 2, 3]
    assert (found.error, len(found.answers)) == ("frames [5] cannot be decoded", 5)


def test_folders_and_globs_are_sorted_and_leave_out_what_is_no_video(shapes: Path, tmp_path: Path):
    source = paths(judged_clips(shapes))[0]
    for name in ("b/2.MP4", "a/1.mp4", "a/notes.txt", ".hidden/3.mp4", "a/.4.mp4", "[x].mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(source, tmp_path / name)
    predictor = Predictor.from_run(shapes)

    def names(*asked: object) -> list[str]:
        return [str(Path(each.video).relative_to(tmp_path)) for each in predictor(list(asked), views=1)]

    assert names(tmp_path) == ["[x].mp4", "a/1.mp4", "b/2.MP4"]
    assert names(f"{tmp_path}/*/*.[mM][pP]4") == ["a/1.mp4", "b/2.MP4"]
    assert names(f"{tmp_path}/**") == ["[x].mp4", "a/1.mp4", "a/notes.txt", "b/2.MP4"]
    assert names(tmp_path / "[x].mp4", tmp_path / "b") == ["[x].mp4", "b/2.MP4"]
    (unset,) = predictor("")  # not the current folder
    assert (unset.video, unset.error) == ("''", "is no name of a file")
    with pytest.raises(InputError, match="int is no video"):
        predictor([3])  # type: ignore[list-item]


def test_the_whole_network_is_run_beside_it(shapes: Path, labelled: Path):
    files = paths(judged_clips(shapes))
    found = Predictor.from_run(shapes)(files, upper=True)
    everything = Predictor.from_run(shapes, policy=AllMasks())(files)
    for each, whole in zip(found, everything, strict=True):
        assert each.whole is not None
        assert [answer["label"] for answer in each.whole] == [answer["label"] for answer in whole.answers]
        assert each.whole[0]["score"] == pytest.approx(whole.answers[0]["score"], abs=1e-5)
        assert each.agrees is (each.answers[0]["label"] == whole.answers[0]["label"])
        macs = np.mean([clip.macs + clip.macs_selection for clip in each.clips])
        assert each.saved == pytest.approx(1 - macs / whole.clips[0].macs)
        assert each.macs_whole == whole.clips[0].macs
        assert whole.saved == 0
    assert saved(found) == pytest.approx(np.mean([each.saved for each in found]))
    assert time_saved(found) is not None
    assert time_saved(everything) is everything[0].agrees is None


class AllMasks:
    def act(self, observations: np.ndarray) -> np.ndarray:
        return np.ones((len(observations), 13), bool)


class NoFrame:
    def act(self, observations: np.ndarray) -> np.ndarray:
        return np.zeros((len(observations), 13), np.int8)


def test_parts_of_ones_own_make_a_predictor(shapes: Path):
    bandit, whole = judged_clips(shapes), Predictor.from_run(shapes)
    selection = load_selection(shapes / SELECTION)
    own = Predictor(
        bandit.classifier, selection, bandit.source.class_names, whole.sampler, observation_size=32, whole_frames=True
    )
    path = paths(bandit)[1]
    same(own(path)[0], whole(path)[0])
    with pytest.raises(InputError, match="has 14 classes, and 2 have names"):
        Predictor(bandit.classifier, selection, ["a", "b"], whole.sampler, observation_size=32)
    (nothing,) = Predictor.from_run(shapes, policy=NoFrame())(path)
    assert (nothing.answers, nothing.error) == ([], "no frame of any clip was kept")
    for wrong in ({"top_k": 0}, {"views": 0}, {"views": 10**8}):
        with pytest.raises(InputError, match=r"expected (at least 1|1 to 1000)$"):
            whole(path, **wrong)
    with pytest.raises(InputError, match="batch_size=0: expected at least 1"):
        Predictor.from_run(shapes, batch_size=0)


def phone_video(path: Path) -> Path:
    """Lying frames that are shown upright, at uneven times, as phones write them."""
    frames = random_frames(70, 64, 96)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30)
        stream.height, stream.width = 64, 96
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number + number // 3, Fraction(1, 30)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def test_a_phones_video_is_read_upright_and_by_its_own_clock(listed: Path, tmp_path: Path):
    path = phone_video(tmp_path / "phone.mp4")
    upright = Video(path)
    assert upright.read([0]).shape == (1, 96, 64, 3)
    predictor = Predictor.from_run(listed)
    (found,) = predictor.stream(path, pixels=True, views=2)
    assert found.pixels is not None and found.pixels.shape == (2, 8, 3, 40, 40)
    clip = found.clips[1]
    assert clip.seconds == pytest.approx([(number + number // 3) / 30 for number in clip.numbers], abs=1e-3)
    middle = upright.read(clip.numbers)[:, 16:80]  # the upright frame's square
    blocks = middle.reshape(8, 8, 8, 8, 8, 3).mean((2, 4)).transpose(0, 3, 1, 2)
    assert np.abs(found.pixels[1].reshape(8, 3, 8, 5, 8, 5).mean((3, 5)) - blocks).mean() < 6

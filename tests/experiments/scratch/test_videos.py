"""Which videos a training from scratch learns from, and what it sees of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.index_videos import index_videos
from ada3d_gym.experiments.inputs import claimed_by
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.experiments.scratch.augmenting import augmented
from ada3d_gym.experiments.scratch.clips import divided, training_clips
from ada3d_gym.experiments.scratch.holding_out import held_out
from ada3d_gym.experiments.scratch.options import ScratchOptions
from ada3d_gym.experiments.scratch.sharing import BatchDraws
from ada3d_gym.video.records import VideoRecord

VIDEOS = "Ada3D-Videos-v0"
OWN = {"backbone": "i3d_tiny", "size": 32, "stride": 4}


def run_of(root: Path, **environment: object) -> Run:
    given = OWN | {"data_root": root} | environment
    return compose(VIDEOS, "upper", 0, classifier_recipe="scratch", environment=given)


def lists(root: Path, sets: Path, **splits: slice) -> Path:
    """A folder with parts of the fixtures' training list as its lists, by absolute paths."""
    root.mkdir()
    rows = (sets / "videos" / "train.csv").read_text().splitlines()[-8:]
    for split, part in splits.items():
        lines = [f"{sets / 'videos' / row}" if not row.startswith("/") else row for row in rows[part]]
        (root / f"{split}.csv").write_text("\n".join(lines) + "\n")
    (root / "classes.txt").write_text((sets / "videos" / "classes.txt").read_text())
    index_videos("videos", root=root)
    return root


def records(**counts: int) -> list[VideoRecord]:
    return [
        VideoRecord(Path(f"/data/{name}/{number:03d}.mp4"), (label,))
        for label, (name, count) in enumerate(counts.items())
        for number in range(count)
    ]


def test_a_share_of_each_class_is_held_out_and_never_all_of_it():
    videos = records(many=40, some=5, two=2, one=1)
    chosen = held_out(videos, 0.15)
    labels = np.array([video.labels[0] for video in videos])
    assert [int(chosen[labels == label].sum()) for label in range(4)] == [6, 1, 1, 0]
    assert not held_out(videos, 0.0).any()


def test_the_same_videos_are_held_out_in_any_order_and_place():
    videos = records(left=30, right=30)
    names = {video.path.parts[-2:] for video, out in zip(videos, held_out(videos, 0.2), strict=True) if out}
    moved = [replace(video, path=Path("/else/where") / Path(*video.path.parts[-2:])) for video in videos[::-1]]
    assert names == {video.path.parts[-2:] for video, out in zip(moved, held_out(moved, 0.2), strict=True) if out}


def test_the_test_videos_are_never_validated_by(sets: Path, tmp_path: Path):
    for name, own in {
        "val is test": lists(tmp_path / "a", sets, train=slice(6), val=slice(6, 8)),
        "no val": lists(tmp_path / "b", sets, train=slice(6), test=slice(6, 8)),
    }.items():
        run = run_of(own)
        videos = divided(run, run.clips("train"), 0.15)
        train, validation = ({record.path for record in part} for part in (videos.train, videos.validation))
        assert videos.origin == "held out", name
        assert train and validation and not train & validation
        assert train | validation == {record.path for record in run.clips("train").records}
        assert not validation & {record.path for record in run.clips("test").records}
        assert f"{len(validation)} of the 6 training videos" in str(videos)


def test_a_val_list_beside_a_test_list_is_used(sets: Path, tmp_path: Path):
    run = run_of(lists(tmp_path / "c", sets, train=slice(4), val=slice(4, 6), test=slice(6, 8)))
    videos = divided(run, run.clips("train"), 0.15)
    assert (videos.origin, len(videos.train), len(videos.validation)) == ("val list", 4, 2)
    assert "2 videos of the val list" in str(videos)


def test_videos_of_the_val_list_that_are_trained_on_do_not_validate(sets: Path, tmp_path: Path):
    for name, val, origin, count in (("some", slice(2, 6), "val list", 2), ("all", slice(4), "held out", 1)):
        run = run_of(lists(tmp_path / name, sets, train=slice(4), val=val, test=slice(6, 8)))
        videos = divided(run, run.clips("train"), 0.15)
        assert not {record.path for record in videos.validation} & {record.path for record in videos.train}
        assert videos.origin == origin and len(videos.validation) >= count


def test_other_validation_videos_are_another_run(sets: Path, tmp_path: Path):
    place = lists(tmp_path / "d", sets, train=slice(4), val=slice(4, 6), test=slice(6, 8))
    run, folder = run_of(place), tmp_path / "run"
    with claimed_by(run, folder):
        (folder / "classifier-3d.pt").touch()
    rows = (place / "val.csv").read_text().splitlines()
    (place / "val.csv").write_text(f"{rows[0]}\n")
    index_videos("videos", root=place)
    with pytest.raises(InputError, match=r"index of val: 2 videos .* there, 1 videos .* now"), claimed_by(run, folder):
        pass


def test_clips_are_decoded_once_with_room_around_them(sets: Path):
    source = run_of(sets / "videos").clips("train")
    clips, zoom = training_clips(source, list(source.records), 32, ScratchOptions(views=8))
    assert (clips.size, zoom) == (40, (1.0, 1.25))
    assert clips.views == 4  # all starts that 29 of 32 frames have
    few, _ = training_clips(source, list(source.records), 32, ScratchOptions(bank_bytes=8 * 8 * 3 * 40**2 * 2))
    assert few.views == 2
    none, zoom = training_clips(source, list(source.records), 32, ScratchOptions(bank_bytes=0))
    assert (none.size, none.views, zoom) == (32, source.views, (1.0, 1.0))
    assert clips.clips(np.arange(2)).shape == (2, 8, 3, 40, 40)


def test_squares_are_cut_alike_in_a_clip_and_flipped_only_when_asked_for():
    ramp = torch.arange(40, dtype=torch.uint8).mul(5).expand(16, 2, 3, 40, 40).contiguous()

    def changed(colour: float, flip: bool, zoom: tuple[float, float] = (1.0, 1.25)) -> torch.Tensor:
        draws = BatchDraws(torch.Generator().manual_seed(0), len(ramp))
        return augmented(ramp, 32, draws, zoom=zoom, colour=colour, flip=flip)

    for flip in (False, True):
        clips = changed(0.2, flip)
        assert (clips.shape, clips.dtype) == ((16, 2, 3, 32, 32), torch.uint8)
        torch.testing.assert_close(clips[:, 0], clips[:, 1])
        rising = (clips[:, 0, 0, 0, -1] > clips[:, 0, 0, 0, 0]).sum()
        assert bool(rising == 16) is (not flip) and rising > 0
    whole = changed(0.0, False, (1.0, 1.0)).float()
    assert (whole[:, 0, 0, 0, 1:] - whole[:, 0, 0, 0, :-1]).mean() == pytest.approx(5 * 40 / 32, rel=0.05)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"batch": 0}, "option of the scratch recipe: batch=0: expected at least 1"),
        ({"stages": 1.5}, "stages=1.5: expected a share, 0 to 1"),
        ({"zoom": (0.5, 1.0)}, "zoom=.*expected least and most, from 1"),
        ({"epoch_2d": 3}, "unknown option of the scratch recipe: epoch_2d; .*did you mean epochs_2d"),
        ({"minutes": 0.0}, "minutes=0.0: expected minutes above 0"),
    ],
    ids=str,
)
def test_a_wrong_option_is_named(wrong: dict[str, object], complaint: str):
    with pytest.raises(InputError, match=complaint):
        compose(VIDEOS, "upper", 0, classifier_recipe="scratch", scratch=wrong)


def test_options_of_one_recipe_are_refused_with_the_other():
    with pytest.raises(InputError, match="batch: of the recipe scratch, not of finetune"):
        compose(VIDEOS, "upper", 0, scratch={"batch": 4})
    with pytest.raises(InputError, match="classifier_epochs are of the recipe finetune"):
        compose(VIDEOS, "upper", 0, classifier_recipe="scratch", classifier_epochs=3)


def test_a_recipe_has_settings_of_its_own_in_a_configuration(tmp_path: Path):
    made = compose(VIDEOS, "reinforce", 0, classifier_recipe="scratch", environment={"backbone": "i3d_r50"})
    assert made.environment["flip"] is False  # classes of one's own may differ by direction
    assert made.environment["checkpoint"] == "random"
    assert (made.options["epochs"], made.options["optimizer"]) == (12, "adam")  # its preset's but for the length
    finetuned = compose(VIDEOS, "reinforce", 0)
    assert "flip" not in finetuned.environment and finetuned.options["epochs"] == 40 and not finetuned.scratch


@pytest.mark.parametrize(
    ("backbone", "size", "side"), [("i3d_small", 96, 64), ("i3d_tiny", 64, None), ("i3d_r50", 96, None)]
)
def test_beside_a_small_network_the_policy_sees_small_frames(backbone: str, size: int, side: int | None):
    made = compose(VIDEOS, "reinforce", 0, environment={"backbone": backbone, "size": size})
    assert made.environment.get("observation_size") == side
    asked = compose(VIDEOS, "reinforce", 0, environment={"backbone": backbone, "size": size, "observation_size": 48})
    assert asked.environment["observation_size"] == 48

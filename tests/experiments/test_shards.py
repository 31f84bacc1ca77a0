"""The command that writes shards, and environments on them."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from ada3d_gym.datasets import DataError, load_index, video_clips
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.shards import shards

OPTIONS = {"num_frames": 4, "stride": 4, "views": 3, "size": 32}


def test_environments_read_shards_as_they_read_files(sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = sets / "fcvid"
    shards("fcvid", tmp_path, root=root, splits=("val", "test"))
    assert "test: 8 videos of 8" in capsys.readouterr().out
    assert len(list(tmp_path.glob("*.tar"))) == 1  # the test list stands for the validation list, or the reverse
    made, given = (video_clips("fcvid", "test", data_root=each, **OPTIONS) for each in (tmp_path, root))
    ids = np.arange(len(given))
    assert np.array_equal(made.clips(ids), given.clips(ids))
    assert np.array_equal(made.targets(ids), given.targets(ids))
    weights = {"backbone": "i3d_tiny", "checkpoint": sets / "i3d_tiny.safetensors"}
    env = gym.make("Ada3D-FCVID-v0", split="test", data_root=tmp_path, **weights, **OPTIONS)
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[4]["video"].startswith(str(tmp_path / "fcvid-"))
    env.close()
    with pytest.raises(DataError, match="not all of fcvid train"):
        load_index("fcvid", tmp_path, "train")
    with pytest.raises(InputError, match="holds shards"):
        shards("fcvid", tmp_path / "again", root=tmp_path, splits=("val",))


def test_new_videos_are_smaller_and_have_the_same_frames(sets: Path, tmp_path: Path):
    shards("videos", tmp_path, root=sets / "videos", splits=("train",), short_side=32, key_frames=4, crf=4, workers=1)
    new, old = (load_index("videos", each, "train") for each in (tmp_path, sets / "videos"))
    assert [(each.labels, each.frames, each.rate) for each in new] == [
        (each.labels, each.frames, each.rate) for each in old
    ]
    assert {min(each.width, each.height) for each in new} == {32}
    sources = (tmp_path, sets / "videos")
    made, given = (video_clips("videos", "train", protocol="test", data_root=each, **OPTIONS) for each in sources)
    ids = np.arange(len(given))
    apart = np.abs(made.clips(ids)[:, None].astype(int) - given.clips(ids)[None]).mean((2, 3, 4, 5))
    assert (apart.argmin(1) // 3 == ids // 3).all() and np.diag(apart).max() < 12
    assert not [each for each in tmp_path.iterdir() if each.is_dir()]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"short_side": 8}, "short_side=8"),
        ({"crf": 60}, "crf=60"),
        ({"splits": ("tset",)}, "unknown split 'tset'"),
        ({"shard_megabytes": 0}, "shard_megabytes=0"),
        ({"splits": ()}, "no split is given"),
        ({"short_side": 32, "key_frames": 10**12}, "key_frames=1000000000000"),
        ({"timeout": float("nan")}, "timeout=nan"),
    ],
)
def test_options_that_make_no_sense_are_named(options: dict, problem: str, sets: Path, tmp_path: Path):
    with pytest.raises(InputError, match=problem):
        shards("fcvid", tmp_path, root=sets / "fcvid", **options)
    with pytest.raises(InputError, match="did you mean fcvid"):
        shards("fcvdi", tmp_path)
    with pytest.raises(InputError, match="holds the videos themselves"):
        shards("fcvid", sets / "fcvid", root=sets / "fcvid")


def test_what_is_damaged_in_a_folder_of_shards_says_what_makes_it_anew(sets: Path, tmp_path: Path):
    root = sets / "fcvid"
    shards("fcvid", tmp_path, root=root, splits=("val",))
    index = tmp_path / "fcvid-val.npz"
    whole = index.read_bytes()
    for damaged in (b"no index", b"", whole[:1000]):
        index.write_bytes(damaged)
        with pytest.raises(DataError, match=f"run 'ada3d shards fcvid {tmp_path}") as caught:
            load_index("fcvid", tmp_path, "val")
        assert "pickle" not in str(caught.value)
    noted = tmp_path / "fcvid-val-000000.json"
    noted.write_text(json.dumps(json.loads(noted.read_text()) | {"videos": [{"number": 0}]}))
    shards("fcvid", tmp_path, root=root, splits=("val",))
    assert len(load_index("fcvid", tmp_path, "val")) == 8
    with pytest.raises(InputError, match=r"with other options \(shard_bytes 256000000, not 1000000\)"):
        shards("fcvid", tmp_path, root=root, splits=("val",), shard_megabytes=1)

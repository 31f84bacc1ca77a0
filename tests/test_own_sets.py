"""A data set of one's own, registered by a module of one's own, wherever the ids of built-in ones work."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import ada3d_gym
from ada3d_gym.about import about
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.experiments.export import export
from ada3d_gym.experiments.folders import OPTIONS
from ada3d_gym.experiments.index_videos import index_videos
from ada3d_gym.experiments.paper.showing import metric_of
from ada3d_gym.experiments.pipeline import train_run
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.runs import compose
from ada3d_gym.registration import ENVIRONMENTS, UNTRIMMED
from ada3d_gym.sb3 import make_vec
from ada3d_gym.untrimmed.sb3 import make_sb3_vec
from ada3d_gym.video_sets import VIDEO_SETS
from tests.processes import run
from tests.video.files import video_file

ID = "tests.own_sets:Ada3D-Gestures-v0"
ROWS = {"train": ["walk", "wave;nod", "jump", "nod", ""], "val": ["nod;walk", "wave"]}
SMALL = {"backbone": "i3d_tiny", "size": 32, "checkpoint": "random", "stride": 1, "views": 2}
EVERYTHING = np.ones(13, np.int8)

pytestmark = pytest.mark.usefixtures("unregistered")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos with several labels, as `tests.own_sets.labelled` reads them, and with one, as "videos" does."""
    folder = tmp_path_factory.mktemp("own")
    for split, labels in ROWS.items():
        names = [f"{split}{number}.mp4" for number in range(len(labels))]
        for seed, name in enumerate(names):
            video_file(folder / name, 12, seed)
        rows = zip(names, labels, strict=True)
        (folder / f"{split}.txt").write_text("".join(f"{name},{each}\n" for name, each in rows if each))
        (folder / f"{split}.csv").write_text("".join(f"{name} {number % 2}\n" for number, name in enumerate(names)))
    return folder


@pytest.fixture
def gestures(root: Path, cache_folder: Path) -> Callable[..., Any]:
    index_videos("tests.own_sets:gestures", root=root)
    return lambda maker, *numbers, **options: maker(ID, *numbers, data_root=str(root), **{**SMALL, **options})


def test_videos_with_several_labels(gestures: Callable[..., Any]):
    env = gestures(gym.make, split="train")
    bandit = env.unwrapped.bandit
    assert bandit.source.class_names == ("walk", "wave", "jump", "nod")
    assert [record.labels for record in bandit.source.records] == [(0,), (1, 3), (2,), (3,)]
    assert metric_of("tests.own_sets:gestures") == "mAP"
    env.reset(seed=0)
    env.step(EVERYTHING)
    test = gestures(gym.make, split="test").unwrapped.bandit.source
    assert [record.labels for record in test.records] == [(3, 0), (1,)]  # validation stands for the test


def test_every_face_and_network(gestures: Callable[..., Any], root: Path, monkeypatch: pytest.MonkeyPatch):
    assert gestures(gym.make_vec, num_envs=3).reset()[0].shape[0] == 3
    assert gestures(make_vec, 3).reset().shape[0] == 3
    monkeypatch.setenv("ADA3D_GESTURES", str(root))
    assert gym.make("tests.own_sets:Ada3D-Gestures-SlowOnly-16-v0", **SMALL).action_space.n == 16 + 5
    own = [name for name in (*ENVIRONMENTS, *UNTRIMMED) if "Gestures" in name]
    assert own == [name.replace("FCVID", "Gestures") for name in (*ENVIRONMENTS, *UNTRIMMED) if "FCVID" in name]


def test_clip_selection(gestures: Callable[..., Any], root: Path, tmp_path: Path):
    from ada3d_gym.building import build_trunk
    from ada3d_gym.networks.checkpoints.weights import save_weights

    save_weights(build_trunk(8, 32), tmp_path / "trunk.safetensors")
    options = {key: value for key, value in SMALL.items() if key != "views"} | {"data_root": str(root), "places": 2}
    options["features"] = str(tmp_path / "trunk.safetensors")
    name = "tests.own_sets:Ada3D-GesturesUntrimmed-v0"
    assert gym.make(name, **options).reset()[0].keys() == make_sb3_vec(name, 2, **options).reset().keys()


def test_a_spec_and_a_command_import_the_module_in_another_process(gestures: Callable[..., Any], capsys: Any):
    spec = gestures(gym.make).spec.to_json()
    code = f"""
import gymnasium, ada3d_gym
spec = gymnasium.envs.registration.EnvSpec.from_json({spec!r})
print(spec.id in gymnasium.registry, gymnasium.make(spec).reset()[0].shape, spec.id in gymnasium.registry)
"""
    assert run("-c", code).split("\n")[0] == "False (8, 3, 32, 32) True"
    about(ids=True)
    assert "Ada3D-Gestures-v0" in capsys.readouterr().out


def test_lists_in_the_format_of_a_built_in_set(root: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path):
    index_videos("tests.own_sets:my-clips", root=root)
    monkeypatch.setenv("ADA3D_MY_CLIPS", str(root))
    env = gym.make("tests.own_sets:Ada3D-MyClips-v0", **SMALL)
    assert [record.labels for record in env.unwrapped.bandit.source.records] == [(0,), (1,), (0,), (1,), (0,)]
    assert metric_of("tests.own_sets:my-clips") == "top-1"


def test_a_run_is_trained_and_judged_on_it_and_a_strangers_is_not_imported(
    gestures: Callable[..., Any], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "run"
    run_ = compose(ID, "fixed", 0, environment={"data_root": str(root), **SMALL}, classifier_epochs=1, trunk_epochs=0)
    assert run_.classifier_batch == compose("Ada3D-Videos-v0", "fixed", 0).classifier_batch
    train_run(run_, folder, "cpu", timed=False)
    result = json.loads((folder / "results.jsonl").read_text().splitlines()[-1])
    assert result["judged"]["dataset"] == "tests.own_sets:gestures"
    evaluate(str(folder), split="val", trust=True)
    assert "fixed" in capsys.readouterr().out
    del sys.modules["tests.own_sets"]
    export(folder, tmp_path / "model", graphs=("none",))
    assert "Data set: tests.own_sets:gestures" in (tmp_path / "model" / "README.md").read_text()
    assert "tests.own_sets" not in sys.modules
    written = json.loads((folder / OPTIONS).read_text())
    for changed, said in (
        ({"env": "no_such_module:Ada3D-Gestures-v0"}, "the environment no_such_module:Ada3D-Gestures-v0"),
        ({"env": "Ada3D-Videos-v0", "environment": {"dataset": "no_such_module:x"}}, "the dataset no_such_module:x"),
    ):
        (folder / OPTIONS).write_text(json.dumps(written | changed))
        with pytest.raises(InputError, match=f"trained with {said}, whose code would be run: give --trust"):
            read_run(folder)


def _rows(*rows: Any) -> Callable[[Path, str], Any]:
    return lambda root, split: rows


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "My Set"}, "'My Set': expected letters and digits"),
        ({"name": "FCVID"}, "'FCVID': a built-in set has this name"),
        ({"name": "MotionShapesUntrimmed"}, "Ada3D-MotionShapesUntrimmed-v0 is an id of motionshapes-untrimmed"),
        ({"metric": "f1"}, "metric='f1': expected one of top-1, mAP"),
        ({"version": -1}, "version=-1: expected a whole number"),
        ({"read": "vidoes"}, "read='vidoes': expected a function, or one of motionshapes.*did you mean videos"),
        ({"read": "videos"}, "classes would be ignored beside lists of videos"),
        ({"read": 3}, "read is int: expected a function"),
        ({"name": 3}, "data set 3: expected letters and digits"),
        ({"classes": "walk"}, "classes='walk': expected a list of their names"),
        ({"classes": 3}, "classes=3: expected a list of their names"),
        ({"classes": ()}, r"classes=\[\]: expected their names, each once"),
    ],
)
def test_what_cannot_be_registered_is_refused_in_a_line(given: dict[str, Any], said: str):
    with pytest.raises(InputError, match=said):
        ada3d_gym.register_dataset(**{"name": "Mine", "read": _rows(), "classes": ["a", "b"], **given})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a.mp4"], r"row 1 of train: expected \(path, labels\).*got 'a.mp4'"),
        ([("a.mp4", "a"), ("b.mp4", "aa")], "row 2 of train: .*no class 'aa'; did you mean a"),
        ([("a.mp4", [0, 2])], "row 1 of train: .*label 2: expected 0 to 1"),
        ([("a.mp4", 0.5)], "row 1 of train: .*'float'"),
        ([], "expected labelled videos of the train split, got none"),
    ],
)
def test_what_is_no_row_is_named(rows: list[Any], said: str, tmp_path: Path):
    name = ada3d_gym.register_dataset("Mine", _rows(*rows), classes=["a", "b"])
    with pytest.raises(InputError, match=f"data set Mine.*{said}"):
        VIDEO_SETS[name].read(tmp_path, "train")


def test_a_reader_that_raises_is_named_with_its_cause(tmp_path: Path):
    def read(root: Path, split: str) -> Iterator[tuple[str, int]]:
        yield "a.mp4", 1 // 0

    name = ada3d_gym.register_dataset("Mine", read, classes=["a", "b"])
    with pytest.raises(InputError, match="data set Mine: its reader failed for 'train': ZeroDivisionError") as told:
        index_videos(name, root=tmp_path)
    assert isinstance(told.value.__cause__, ZeroDivisionError)


def test_a_video_without_labels_is_left_out_by_name(tmp_path: Path):
    name = ada3d_gym.register_dataset("Mine", _rows(("a.mp4", "a"), ("b.mp4", [])), classes=["a", "b"])
    listing = VIDEO_SETS[name].read(tmp_path, "train")
    assert [entry.path for entry in listing.entries] == ["a.mp4"]
    assert [(each.path, each.cause) for each in listing.problems] == [("b.mp4", "unlabelled")]


def test_a_missing_list_is_named_and_a_cell_may_run_again(tmp_path: Path):
    def read(root: Path, split: str) -> list[tuple[str, int]]:
        (root / f"{split}.txt").read_text()
        return []

    for _ in range(2):
        name = ada3d_gym.register_dataset("Mine", read, classes=["a"], module="__main__")
    assert name == "mine"
    with pytest.raises(InputError, match=r"labelled videos of the test split, got none: .*val\.txt"):
        VIDEO_SETS[name].read(tmp_path, "test")
    with pytest.raises(InputError, match=r"unknown data set 'min': expected one of .*; did you mean mine"):
        index_videos("min", root=tmp_path)


@pytest.mark.parametrize("name", ["no_such_module:Ada3D-X-v0", "tests.own_sets:Ada3D-Guestures-v0", "a b:Ada3D-X-v0"])
def test_a_module_or_an_id_that_is_not_there_is_named(name: str):
    with pytest.raises(
        InputError, match=r"cannot be imported: No module|did you mean Ada3D-Gestures-v0|expected an id"
    ):
        compose(name, "fixed", 0)

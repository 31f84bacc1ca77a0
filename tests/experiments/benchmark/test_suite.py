"""Files of tasks: what they may say, and what is said about those that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.games import table_path
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask, read_suite, suite_names

I3D, SLOWONLY = "Ada3D-MotionShapes-v1", "Ada3D-MotionShapes-SlowOnly-v1"


def written(folder: Path, text: str, name: str = "mine.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_every_suite_that_ships_can_be_read():
    for name in suite_names():
        assert read_suite(name).name == name
    assert {"motionshapes", "quick"} <= set(suite_names())


def test_lists_are_multiplied_out_in_order(tmp_path: Path):
    text = (
        f"pulls: 100\ntasks:\n- {{env: [{I3D}, {SLOWONLY}], gamma: [1.5, 6], cost: macs}}\n- {{env: {I3D}, pulls: 7}}"
    )
    suite = read_suite(written(tmp_path, text))
    assert suite.name == "mine"
    assert [(task.env, task.gamma, task.cost, task.pulls) for task in suite.tasks] == [
        (I3D, 1.5, "macs", 100),
        (I3D, 6.0, "macs", 100),
        (SLOWONLY, 1.5, "macs", 100),
        (SLOWONLY, 6.0, "macs", 100),
        (I3D, 6.0, "usage", 7),
    ]
    assert suite.tasks[2].name == "motionshapes-slowonly-8-macs-gamma1.5"


def test_names_tell_all_that_is_paid():
    assert BenchmarkTask(I3D).name == "motionshapes-i3d-8-usage-gamma6"
    assert BenchmarkTask(I3D, reward="margin").name == "motionshapes-i3d-8-usage-margin-gamma6"
    assert BenchmarkTask(I3D, "mine").name == "mine"


def test_tasks_of_one_name_need_names_of_their_own(tmp_path: Path):
    twice = f"tasks:\n- env: {I3D}\n- env: {I3D}\n  pulls: 7\n"
    with pytest.raises(InputError, match="several tasks called motionshapes-i3d-8-usage-gamma6: give each a name"):
        read_suite(written(tmp_path, twice))
    assert read_suite(written(tmp_path, twice + "  name: short")).tasks[1].name == "short"


def test_an_id_is_a_suite_of_one_task():
    suite = read_suite(SLOWONLY)
    assert (suite.name, [task.env for task in suite.tasks]) == (SLOWONLY, [SLOWONLY])


@pytest.mark.parametrize("name", ["motionshape", "Ada3D-MotionShapes-v2"])
def test_an_unknown_suite_is_told_what_there_is(name: str):
    with pytest.raises(InputError, match=r"expected one of .*quick.*, a YAML file, or the id.*did you mean"):
        read_suite(name)


def test_own_tables_lie_beside_the_suite(tmp_path: Path):
    text = f"tasks:\n- {{env: {I3D}, outcomes: tables/train.safetensors, test_outcomes: /data/test.safetensors}}"
    (task,) = read_suite(written(tmp_path, text)).tasks
    assert table_path(task, "train") == tmp_path / "tables/train.safetensors"
    assert table_path(task, "test") == Path("/data/test.safetensors")
    assert table_path(task, "val").exists()  # "table" by default, which ships


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tasks: []", "has no tasks"),
        ("pulls: 7", "expected tasks, a list of entries"),
        ("tasks: [Ada3D-MotionShapes-v1]", "expected tasks, a list of entries"),
        ("task: []\ntasks: []", "unknown task; expected name, pulls and tasks"),
        ("- env", "expected names and values, got list"),
        ("tasks: [", "not a readable YAML file"),
        (f"tasks:\n- env: {I3D}\n- {{env: {I3D}, gama: 2}}", "entry 2: gama.*did you mean gamma"),
        (f"tasks:\n- {{env: {I3D}, gamma: [2, high]}}", "entry 1: gamma.*got 'high'"),
        (f"tasks:\n- {{env: {I3D}, gamma: -1}}", "gamma=-1.0: expected a finite number of at least 0"),
        (f"tasks:\n- {{env: {I3D}, gamma: .nan}}", "gamma=nan"),
        (f"tasks:\n- {{env: {I3D}, cost: money}}", "cost.*'usage' or 'macs'"),
        (f"pulls: 0\ntasks:\n- env: {I3D}", "pulls=0: expected at least 1"),
        ("tasks:\n- gamma: 2", "entry 1: env"),
        ("tasks:\n- env: Ada3D-MotionShapes-v9", "Ada3D-MotionShapes-v9"),
        (f"tasks:\n- {{env: {I3D}, name: a/b}}", "task name 'a/b'"),
        (f"tasks:\n- {{env: {I3D}, environment: {{gamma: 2}}}}", "environment of a task has gamma"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str):
    with pytest.raises(InputError, match=told):
        read_suite(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"nowhere\.yaml: no such file"):
        read_suite("nowhere.yaml")


def test_a_task_survives_json():
    task = BenchmarkTask(I3D, gamma=1.5, cost="macs", outcomes="own.safetensors", environment={"videos": 14})
    assert BenchmarkTask.from_json(task.to_json()) == task

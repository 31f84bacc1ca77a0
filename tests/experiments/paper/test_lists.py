"""Which runs the paper's tables are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.paper import figure3, table1, table4, table5, table6
from ada3d_gym.experiments.paper.lists import PaperRuns
from ada3d_gym.experiments.paper.options import Composer, PaperOptions

PUBLIC = ("Ada3D-FCVID-v0", "Ada3D-ActivityNet-v0", "Ada3D-MiniKinetics-v0", "Ada3D-Kinetics-v0")


@pytest.fixture
def options(tmp_path: Path) -> PaperOptions:
    return PaperOptions(seeds=2, output=tmp_path)


def tasks(runs: PaperRuns, root: Path) -> dict[str, set[str]]:
    """What each run needs, by folders below the root."""
    found = {}
    for folder, task in runs.tasks.items():
        found[str(folder.relative_to(root))] = {str(each.relative_to(root)) for each in task.needs}
    return found


def test_tables_share_runs_and_what_all_seeds_have_alike_is_done_once(options: PaperOptions, tmp_path: Path):
    runs = PaperRuns(options)
    table1.sections(runs)
    before = tasks(runs, tmp_path)
    for sections in (table1.sections, table5.sections, table6.sections):
        sections(runs)
    after = tasks(runs, tmp_path)
    assert len([name for name in before if name.endswith("pretrained")]) == 2  # one for each length
    assert len([name for name in before if name.endswith("best-fixed")]) == 2
    more = {f"seed{seed}/{name}" for seed in (0, 1) for name in ("stage-2", "stages-learned", "frames-learned")}
    assert {name.removeprefix("Ada3D-MotionShapes-v1/") for name in after.keys() - before.keys()} == more
    assert after["Ada3D-MotionShapes-v1/seed1/fixed-ft-operations"] == {
        "Ada3D-MotionShapes-v1/pretrained",
        "Ada3D-MotionShapes-v1/seed1/reinforce",
        "Ada3D-MotionShapes-v1/best-fixed",
    }


def test_the_other_tables_take_the_siblings_of_an_id(options: PaperOptions, tmp_path: Path):
    runs = PaperRuns(options)
    slow = table4.sections(runs)
    assert ["SlowOnly-v1" in slow[0].title, "SlowOnly-16-v1" in slow[1].title] == [True, True]
    assert {name.split("/")[0] for name in tasks(runs, tmp_path)} == {
        "Ada3D-MotionShapes-SlowOnly-v1",
        "Ada3D-MotionShapes-SlowOnly-16-v1",
    }


def test_the_configurations_gamma_is_the_run_that_other_tables_have(options: PaperOptions, tmp_path: Path):
    runs = PaperRuns(options)
    table1.sections(runs)
    before = set(tasks(runs, tmp_path))
    figure3.sections(runs, (3.0, 6.0))
    more = set(tasks(runs, tmp_path)) - before
    assert more == {
        f"Ada3D-MotionShapes-v1/seed{seed}/gamma3/{name}"
        for seed in (0, 1)
        for name in ("reinforce", "random-ft", "fixed-ft-operations")
    }


@pytest.mark.parametrize("env", PUBLIC)
def test_on_a_public_set_all_runs_begin_from_one_training(env: str, tmp_path: Path):
    composed = Composer(PaperOptions(id=env, checkpoint=Path("i3d.pkl")), env, 1, tmp_path)
    first, learned, random = composed.first(), composed("reinforce"), composed("random")
    assert first.classifier_epochs in (20, 40)
    assert first.trunk_epochs == first.classifier_epochs  # "with the same schedules"
    assert first.options["aggregation"] == "uniform"
    assert (first.environment["checkpoint"], first.seed) == ("i3d.pkl", 1)
    for run in (learned, random):
        assert (run.classifier_epochs, run.trunk_epochs) == (0, 0)
        assert run.environment["checkpoint"] == str(tmp_path / "pretrained.safetensors")
        assert run.also_views == (3,)
    assert learned.trunk == str(tmp_path / "trunk.safetensors")
    assert (learned.options["epochs"], learned.options["joint_epochs"]) == (40, 60)


def test_slowonly_has_its_own_checkpoint_and_follows_a_named_backbone(tmp_path: Path):
    options = PaperOptions(
        id="Ada3D-FCVID-v0", backbone="i3d_tiny", checkpoint=Path("i3d"), slowonly_checkpoint=Path("slow")
    )
    env = options.sibling("slowonly", 16)
    run = Composer(options, env, 0, tmp_path).first()
    assert env == "Ada3D-FCVID-SlowOnly-16-v0"
    assert (run.environment["backbone"], run.environment["checkpoint"]) == ("slowonly_tiny", "slow")
    assert run.also_views == ()


def test_quick_runs_are_short_and_apart(tmp_path: Path):
    options = PaperOptions(id="Ada3D-FCVID-v0", quick=True, output=tmp_path, checkpoint=Path("x"))
    run = Composer(options, options.id, 0, tmp_path)("reinforce")
    first = Composer(options, options.id, 0, tmp_path).first()
    assert (run.options["epochs"], run.options["joint_epochs"]) == (1, 1)
    assert (first.classifier_epochs, first.trunk_epochs) == (1, 1)
    assert options.folder == tmp_path / "quick"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "Ada3D-FCVID-16-v0"}, "expected one with I3D and 8 frames, as Ada3D-FCVID-v0"),
        ({"id": "Ada3D-MotionShapes-SlowOnly-v1"}, "expected one with I3D and 8 frames"),
        ({"id": "Ada3D-Nothing-v0"}, "unknown environment"),
        ({"seeds": 0}, "seeds=0"),
        ({"backbone": "slowonly_tiny"}, "expected an I3D"),
        ({"device": "tpu7"}, "tpu7"),
        ({"size": 0}, "size=0: expected at least 1"),
        ({"videos": 0}, "videos=0: expected at least 1"),
        ({"checkpoint": Path("nowhere.pkl")}, "checkpoint=nowhere.pkl: no such file"),
        ({"slowonly_checkpoint": Path("nowhere.pkl")}, "slowonly_checkpoint=nowhere.pkl: no such file"),
        ({"trunk": "nowhere"}, "trunk=nowhere: no such file"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_trained(options: PaperOptions, changes: dict, message: str):
    with pytest.raises(InputError, match=message):
        replace(options, **changes).check()


@pytest.mark.parametrize("gammas", [(), (-1.0,), (3.0, float("nan")), (float("inf"),)])
def test_a_gamma_is_a_finite_number(options: PaperOptions, gammas: tuple[float, ...]):
    with pytest.raises(InputError, match="expected finite numbers of at least 0"):
        figure3.figure3(options, gammas)
    assert not any(options.output.iterdir())

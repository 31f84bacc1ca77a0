"""Submissions: what holds is accepted, what was tampered with is refused by what is wrong with it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.checking import Checker, compare_replayed
from ada3d_gym.experiments.benchmark.games import standing, task_game
from ada3d_gym.experiments.benchmark.record import Record, pack_masks, unpack_masks
from ada3d_gym.experiments.benchmark.replay import replay
from ada3d_gym.experiments.benchmark.submission import read_submission
from ada3d_gym.experiments.benchmark.submit import MaskRun, files_in, submit
from ada3d_gym.experiments.benchmark.suite import read_suite
from ada3d_gym.experiments.benchmark.verify import verify
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.outcomes.building import Build
from ada3d_gym.outcomes.table import NEAR_TIE
from ada3d_gym.registration import ENVIRONMENTS
from tests.experiments.benchmark.submissions import (
    GAME,
    LENGTH,
    SUITE,
    TASK,
    Content,
    flip_outcome,
    random_masks,
    tampered,
    write,
)
from tests.junk import JUNK
from tests.malice import WRITERS
from tests.processes import ROOT


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Content:
    found: Content = json.loads(write(tmp_path_factory.mktemp("submission") / "mine.json").read_text())
    return found


def record(agent: str, seed: int, **given: Any) -> Record:
    masks = random_masks(seed)
    about = GAME.table.about
    values: dict[str, Any] = {
        "suite": SUITE,
        "task": TASK,
        "track": "heads",
        "agent": agent,
        "seed": seed,
        "options": {"lr": 0.1},
        "feedback": "bandit",
        "pulls": 50,
        "macs_selection": 5,
        "test": standing(GAME, masks),
        "train": None,
        "curve": (),
        "num_frames": GAME.table.num_frames,
        "num_stages": GAME.table.num_stages,
        "masks": pack_masks(masks),
        "clips_sha256": about.clips_sha256,
        "classifier_sha256": about.classifier_sha256,
        "seconds": 1.5,
    }
    return Record(**{**values, **given})


def test_records_of_runs_become_one_submission(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for agent in ("ppo@small", "a2c"):
        for seed in (1, 0):
            record(agent, seed).write(tmp_path / "runs" / agent / f"seed{seed}.json")
    submit((tmp_path / "runs" / "ppo@small",), tmp_path / "one.json", name="PPO, small", link="https://example.org/a")
    one = read_submission(tmp_path / "one.json")
    assert (one.agent, [run.seed for run in one.runs], one.options) == ("PPO, small", [0, 1], {"lr": 0.1})
    for run in one.runs:
        assert run.test == record("ppo", run.seed).test
        assert (one.masks(run) == random_masks(run.seed)).all()
    submit((tmp_path / "runs",), tmp_path / "all")
    assert len(files_in([tmp_path / "all"])) == 2
    verify((tmp_path / "all",), table=True)
    printed = capsys.readouterr().out
    assert "a2c on motionshapes-slowonly-8-usage-gamma6, 2 x 2,800 clips, looked up" in printed
    with pytest.raises(InputError, match="would be of 2 agents and tasks"):
        submit((tmp_path / "runs",), tmp_path / "both.json")
    with pytest.raises(InputError, match="would be of several agents"):
        submit((tmp_path / "runs",), tmp_path / "both", name="both")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"track": "full"}, "has fine-tuned the classifier"),
        ({"classifier_sha256": "0"}, "another classifier"),
        ({"clips_sha256": "0"}, "other test clips"),
        ({"options": {"lr": 0.2}}, "different options"),
        ({"seed": 0}, "several runs have seed 0"),
    ],
)
def test_runs_that_make_no_submission(tmp_path: Path, given: dict[str, Any], message: str):
    record("ppo", 0).write(tmp_path / "seed0.json")
    replace(record("ppo", 1), **given).write(tmp_path / "seed1.json")
    if "track" in given:
        (tmp_path / "seed0.json").unlink()
    with pytest.raises(InputError, match=message):
        submit((tmp_path,), tmp_path / "out" / "s.json")
    assert not (tmp_path / "out" / "s.json").exists()


def drop_frames(own: Content) -> None:
    """Gives a clip that is claimed to be right a mask that keeps nothing."""
    run = own["runs"][1]
    masks, correct = unpack_masks(run["masks"], LENGTH), unpack_masks(run["correct"], len(GAME))[0]
    masks[int(np.flatnonzero(correct)[5])] = 0
    run["masks"] = pack_masks(masks)


def test_an_outcome_that_is_claimed_wrongly_is_found(content: Content, tmp_path: Path):
    claimed = unpack_masks(content["runs"][0]["correct"], len(GAME))[0][17]
    path = tampered(content, tmp_path / "t.json", lambda own: flip_outcome(own, 17))
    said = ["wrong", "right"]
    message = (
        rf"seed 0: clip 17 \(video 4, view 1\): claimed {said[1 - claimed]}, the outcome table says {said[claimed]}$"
    )
    with pytest.raises(InputError, match=message):
        verify((path,), table=True)
    with pytest.raises(InputError, match=r"seed 1: clip \d+ .*claimed right, the outcome table says wrong$"):
        verify((tampered(content, tmp_path / "t.json", drop_frames),), table=True)


@pytest.mark.parametrize("figure", ["reward", "accuracy", "macs", "masks", "regret"])
def test_figures_that_do_not_follow_are_named(content: Content, tmp_path: Path, figure: str):
    path = tampered(content, tmp_path / "t.json", lambda own: own["runs"][1]["test"].update({figure: 12345}))
    with pytest.raises(InputError, match=rf"seed 1: {figure} is claimed to be 12345"):
        verify((path,), table=True)
    path.write_text(path.read_text().replace("12345", "1e999"))
    with pytest.raises(InputError, match=rf"{figure}.*inf"):
        verify((path,), table=True)


TAMPERED: dict[str, tuple[Callable[[Content], object], str]] = {
    "format": (lambda own: own.update(format=2), "no submission of format 1"),
    "classifier": (lambda own: own.update(classifier_sha256="00"), "of another classifier"),
    "clips": (lambda own: own.update(clips_sha256="00"), "of other test clips"),
    "frames": (lambda own: own.update(num_frames=16), "num_frames is 16"),
    "stages": (lambda own: own.update(num_stages=5), "num_stages is 5"),
    "truncated": (lambda own: own["runs"][0].update(masks=own["runs"][0]["masks"][:-3]), "masks are no Base64"),
    "half a mask": (lambda own: own["runs"][0].update(masks=base64.b64encode(b"123").decode()), "expected 2 for each"),
    "clips missing": (lambda own: own["runs"][0].update(masks=own["runs"][0]["masks"][:-8]), "masks of|correct: "),
    "no clips": (lambda own: own["runs"][0].update(masks="", correct=""), "masks: expected one of each test clip"),
    "outcomes missing": (lambda own: own["runs"][0].update(correct="AAAA"), "correct: masks of 3 bytes"),
    "twice": (lambda own: own["runs"].append(own["runs"][0]), "several runs have seed 0"),
    "no runs": (lambda own: own.update(runs=[]), "runs: expected at least one"),
    "runs of text": (lambda own: own.update(runs="x" * 100_000), "runs: .*…$"),
    "NaN": (lambda own: own["runs"][0]["test"].update(reward=float("nan")), "NaN is no figure"),
    "NaN in text": (lambda own: own["runs"][0]["test"].update(reward="nan"), "reward is claimed to be nan"),
    "seconds": (lambda own: own["runs"][0].update(seconds=-1), "seconds=-1"),
    "pulls": (lambda own: own["runs"][0].update(pulls=10**6), "took 1,000,000 pulls: the task's budget is 3,360"),
    "fewer than none": (lambda own: own.update(macs_selection=-1), "macs_selection: expected"),
    "huge": (lambda own: own.update(macs_selection=10**400), "macs_selection"),
    "rules": (lambda own: own["task"].update(gamma=5.0), "gamma=5.0 instead of 6.0"),
    "suite": (lambda own: own.update(suite="../suites/quick.yaml"), "does not come with this package"),
    "task": (lambda own: own["task"].update(name="other"), "has no task 'other'"),
    "track": (lambda own: own.update(track="full"), "has fine-tuned the classifier"),
    "agent": (lambda own: own.update(agent="a\n| b |"), "expected one line"),
    "hidden letters": (lambda own: own.update(agent="a\u202eb"), "expected one line"),
    "no agent": (lambda own: own.update(agent=" "), "agent has no name"),
    "link": (lambda own: own.update(link="javascript:alert(1)"), "link .*expected an address"),
    "link that ends early": (lambda own: own.update(link="https://a.org) <script>"), "link .*expected an address"),
    "unknown": (lambda own: own.update(weights="x"), "unknown field: weights"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_what_is_no_submission_gets_one_clear_error(content: Content, tmp_path: Path, case: str):
    change, message = TAMPERED[case]
    with pytest.raises(InputError, match=message) as raised:
        verify((tampered(content, tmp_path / "t.json", change),), table=True)
    assert len(str(raised.value)) < 700


@pytest.mark.parametrize("kind", JUNK)
def test_junk_is_refused(tmp_path: Path, kind: str):
    JUNK[kind](tmp_path / "t.json")
    with pytest.raises(InputError, match=r"no submission|no JSON files"):
        verify((tmp_path / "t.json",), table=True)


@pytest.mark.parametrize("harmful", WRITERS)
def test_nothing_is_unpickled(tmp_path: Path, harmful: Callable[[Path, Path], None]):
    harmful(tmp_path / "t.json", tmp_path / "victim")
    with pytest.raises(InputError, match="no submission"):
        verify((tmp_path / "t.json",), table=True)
    assert not (tmp_path / "victim").exists()


def test_deep_and_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="no submission"):
        verify((tmp_path / "deep.json",), table=True)
    monkeypatch.setattr("ada3d_gym.experiments.benchmark.submission.MOST_BYTES", 10)
    with pytest.raises(InputError, match="more than 10 bytes"):
        verify((tmp_path / "deep.json",), table=True)


def test_near_ties_may_differ_and_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arrays = GAME.table.arrays
    margins = arrays["close_margin"]
    place = int(np.flatnonzero(margins < NEAR_TIE)[0])
    row = int(np.searchsorted(arrays["close_start"], place, side="right")) - 1
    masks = random_masks(0)
    masks[row] = arrays["close_mask"][place] >> np.arange(LENGTH)[::-1] & 1
    path = write(tmp_path / "near.json", runs=[MaskRun(masks)])
    own = json.loads(path.read_text())
    flip_outcome(own, row)
    path.write_text(json.dumps(own))
    verify((path,), table=True)
    assert "1 answers differ, all of them near-ties" in capsys.readouterr().out
    flip_outcome(own, row, follow=False)
    path.write_text(json.dumps(own))
    with pytest.raises(InputError, match="reward is claimed to be"):
        verify((path,), table=True)


def test_masks_are_replayed_on_the_live_network(content: Content, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tampered(content, tmp_path / "t.json", lambda own: None)
    verify((path,), clips=12)
    assert "of which the first 12 were replayed on the live network, a spot check" in capsys.readouterr().out
    claims = Checker()(path, read_submission(path)).runs[0]
    answers = replay(TASK, GAME.table, GAME.rows[:12], claims.numbers[:12])
    assert compare_replayed(claims, GAME, answers) == 0
    assert answers.reward.mean() == pytest.approx(GAME.values(claims.masks)[:12].mean())
    liar = replace(claims, correct=claims.correct ^ (np.arange(len(GAME)) == 7))
    with pytest.raises(InputError, match=r"clip 7 \(video 1, .*\.mp4, view 3\): claimed .*, the network says"):
        compare_replayed(liar, GAME, answers)


def test_another_network_is_noticed_before_anything_is_replayed(tmp_path: Path):
    weights = tmp_path / "other.safetensors"
    save_weights(MaskedResNet3d(SPECS["slowonly_tiny"], 14), weights)
    task = replace(TASK, environment={"checkpoint": str(weights)})
    with pytest.raises(InputError, match="of another classifier than the network"):
        replay(task, GAME.table, GAME.rows[:1], np.array([1023]))


def test_graded_rewards_are_those_of_ones_own_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table = tmp_path / "table.safetensors"
    build = Build(build_bandit(**ENVIRONMENTS[TASK.env], split="test", videos=2), tmp_path / "building", ("label",))
    list(build.make(range(build.chunks)))
    build.table(dataset="motionshapes", split="test", network="slowonly_tiny").save(table)
    suite = tmp_path / "own.yaml"
    suite.write_text(f"tasks:\n  - env: {TASK.env}\n    reward: confidence\n    test_outcomes: {table.name}\n")
    (task,) = read_suite(str(suite)).tasks
    path = write(tmp_path / "s.json", suite=str(suite), task=task.name, runs=[MaskRun(random_masks(0)[:8])])
    verify((path,), suite=(suite,))
    assert "1 x 8 clips, replayed on the live network: reward" in capsys.readouterr().out
    (one,) = Checker({"own": read_suite(str(suite))})(path, read_submission(path)).runs
    game = task_game(task, "test")
    answers = replay(task, game.table, game.rows, one.numbers)
    with pytest.raises(InputError, match="the network pays"):
        compare_replayed(one, game, replace(answers, reward=answers.reward + 1))


@pytest.mark.slow  # renders all test videos
def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "submitting.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "submitting.md", "exec"), {})
    verify((tmp_path / "mine.json",), table=True)


def test_a_suite_of_ones_own_is_given_by_its_file(tmp_path: Path):
    suite = tmp_path / "mine.yaml"
    suite.write_text("tasks:\n  - env: Ada3D-MotionShapes-SlowOnly-v1\n    gamma: 3.0\n")
    (task,) = read_suite(str(suite)).tasks
    path = write(tmp_path / "mine.json", suite=str(suite), task=task.name)
    with pytest.raises(InputError, match="suite 'mine' does not come with this package"):
        verify((path,), table=True)
    verify((path,), table=True, suite=(suite,))


def test_masks_of_another_shape_or_value_are_refused(tmp_path: Path):
    for masks, message in (
        (random_masks(0)[:-1], r"expected \(2800, 10\)"),
        (random_masks(0)[:, :-1], r"expected \(2800, 10\)"),
        (random_masks(0) + 1, "action holds"),
        (np.full((len(GAME), LENGTH), np.nan), "action holds"),
    ):
        with pytest.raises(InputError, match=message):
            write(tmp_path / "m.json", runs=[MaskRun(masks)])

"""Training from scratch: it goes on as it was, ends when nothing is gained, and its update is its batch's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from ada3d_gym.building import build_bandit
from ada3d_gym.datasets import motionshapes_clips
from ada3d_gym.experiments.pipeline import train_run
from ada3d_gym.experiments.runs import compose
from ada3d_gym.experiments.scratch import phase as phases
from ada3d_gym.experiments.scratch.masks import no_masks, random_masks
from ada3d_gym.experiments.scratch.phase import Phase, PhaseTraining, one_cycle
from ada3d_gym.experiments.scratch.sharing import BatchDraws
from ada3d_gym.experiments.train import train
from ada3d_gym.shipped import CLASSIFIER
from tests.experiments.lines import read
from tests.experiments.scratch.together import trained
from tests.processes import run_two

QUICK = ("epochs_2d=2", "epochs_3d=2", "trunk_clips=0", "judge_every=1", "views=2")
SEEN: dict[str, Any] = {"size": 32, "backbone": "i3d_tiny"}


class Interrupted(BaseException):
    """What ends a training in the middle."""


@pytest.fixture(scope="module")
def whole(sets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scratch") / "whole"
    scratch(sets, folder)
    return folder


def scratch(sets: Path, folder: Path, **given: Any) -> None:
    drawn = {"checkpoint": Path("random"), "scratch": QUICK, "classifier_recipe": "scratch"}
    train("Ada3D-Videos-v0", "upper", data_root=sets / "videos", output=folder, **SEEN | drawn | given)


def test_a_run_says_how_robust_its_classifier_is(whole: Path):
    report = json.loads((whole / "scratch.json").read_text())
    assert (report["validation"], report["videos"]) == ("held out", {"train": 4, "validation": 4})
    names = ["everything (Upper)", "70 % of frames, 45 % of stages", "no stage (2D)"]
    assert list(report["figures"]) == names
    assert 1 <= report["best_epoch"] <= 2
    assert read(whole / "results.jsonl")["Upper"]["frames"] == 8


def interrupt(patch: pytest.MonkeyPatch, name: str) -> None:
    """Has a stretch of a training interrupted in its second epoch."""
    train_epoch = PhaseTraining._train_epoch

    def interrupted(self: PhaseTraining, begun: float) -> float:
        if self.epoch == 1 and self.phase.name.lower().replace(" in ", "-") == name:
            raise Interrupted
        return train_epoch(self, begun)

    patch.setattr(PhaseTraining, "_train_epoch", interrupted)


@pytest.mark.parametrize("name", ["classifier-2d", "classifier-3d"])
def test_an_interrupted_run_ends_with_the_same_weights(
    sets: Path, whole: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        interrupt(patch, name)
        with pytest.raises(Interrupted):
            scratch(sets, tmp_path / "broken")
    scratch(sets, tmp_path / "broken")
    one, other = (load_file(folder / "pretrained.safetensors") for folder in (whole, tmp_path / "broken"))
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    reports = [(folder / "scratch.json").read_text() for folder in (whole, tmp_path / "broken")]
    assert reports[0] == reports[1]


@pytest.mark.slow
def test_two_processes_go_on_with_what_one_has_begun(
    sets: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broken = tmp_path / "broken"
    with monkeypatch.context() as patch:
        interrupt(patch, "classifier-3d")
        with pytest.raises(Interrupted):
            scratch(sets, broken)
    command = ["-m", "experiments.train", "Ada3D-Videos-v0", "--agent", "upper", "--data-root", str(sets / "videos")]
    command += ["--size", "32", "--backbone", "i3d_tiny", "--checkpoint", "random", "--classifier-recipe", "scratch"]
    printed = run_two(*command, "--output", str(broken), "--scratch", *QUICK)
    assert printed.count("classifier-3d epoch 2") == printed.count("broken: validation everything") == 1
    one, other = (load_file(folder / "pretrained.safetensors") for folder in (whole, broken))
    for key, value in one.items():
        torch.testing.assert_close(other[key], value, rtol=1e-3, atol=1e-4)
    assert json.loads((broken / "scratch.json").read_text()) == json.loads((whole / "scratch.json").read_text())


def test_a_checkpoint_is_begun_from_and_keeps_its_side_taps(sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    scratch(sets, tmp_path / "run", checkpoint=None, scratch=("clips_3d=0", "trunk_clips=0", "held_out=0"))
    begun = build_bandit(backbone="i3d_tiny", videos=14).classifier.network.state_dict()
    kept = load_file(tmp_path / "run/pretrained.safetensors")
    assert all(torch.equal(kept[key], value) for key, value in begun.items() if not key.startswith("head."))
    assert "from the weights that ship for it, no epoch" in capsys.readouterr().out


def test_motionshapes_and_an_agent_are_trained_from_scratch_too(tmp_path: Path, capsys: pytest.CaptureFixture):
    run = compose(
        "Ada3D-MotionShapes-v1",
        "reinforce",
        0,
        classifier_recipe="scratch",
        classifier_micro_batch=8,
        scratch={"epochs_2d": 1, "epochs_3d": 1, "views": 1},
        environment={"videos": 14, "backbone": "i3d_small", "checkpoint": "random"},
        options={"epochs": 1, "joint_epochs": 0},
        trunk_epochs=1,
    )
    results = train_run(run, tmp_path, "cpu", timed=False)
    assert [result.method for result in results] == ["Upper", "reinforce"]
    shown = capsys.readouterr().out
    assert "32 x 32 pixels through mobilenet_v2_tiny, which costs" in shown
    assert "the 14 videos of the val list" in shown
    assert "stopped after" not in shown


def test_fine_tuning_from_shipped_weights_prints_numbers(sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    """As documented, with batch norm that is trained, and the same in passes of 3 clips."""
    for micro in (None, 3):
        given = {"classifier_recipe": "finetune", "scratch": (), "checkpoint": CLASSIFIER, "classifier_epochs": 2}
        scratch(sets, tmp_path / f"run{micro}", **given, classifier_micro_batch=micro)
        losses = re.findall(r"classifier epoch \d of 2: classifier_loss ([^,\s]+)", capsys.readouterr().out)
        assert len(losses) == 2 and all(0 < float(loss) < 3 for loss in losses)


class Counting(nn.Module):
    """Two logits that say nothing of the clips, and how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(14))
        self.sizes: list[int] = []

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(clips))
        return self.weight.expand(len(clips), 14)


def training(phase: Phase, judge: Any = None) -> PhaseTraining:
    source = motionshapes_clips("train", videos=14, views=1)
    return PhaseTraining(Counting(), phase, source, lambda clips, labels, _: (clips, labels), (0, 1), "cpu", judge)


def test_micro_batches_make_the_same_update():
    learners = [training(Phase("p", 1, 0.1, no_masks, 14, micro_batch=size)) for size in (None, 4)]
    for learner in learners:
        learner.learn(1, lambda epoch, figures: None)
    torch.testing.assert_close(learners[0].module.weight, learners[1].module.weight)
    assert [learner.module.sizes for learner in learners] == [[14], [4, 4, 4, 2]]


def test_two_processes_learn_what_one_does(tmp_path: Path):
    """Batch norm and the mean of the weights, too."""
    trained(tmp_path / "one.pt")
    run_two("-m", "tests.experiments.scratch.together", str(tmp_path / "two.pt"))
    one, two = (torch.load(tmp_path / f"{each}.pt") for each in ("one", "two"))
    torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-5)


def test_it_ends_when_nothing_is_gained_and_the_best_weights_are_kept():
    scores = iter([0.5, 0.7, 0.6, 0.7, 0.9])
    kept = []

    def judge() -> dict[str, float]:
        kept.append(learner.module.weight.detach().clone())
        return {"val": next(scores)}

    learner = training(Phase("p", 9, 0.1, no_masks, 14, patience=2), judge)
    seen: list[int] = []
    learner.learn(9, lambda epoch, figures: seen.append(epoch))
    assert (seen, learner.best["epoch"], learner.finished) == ([1, 2, 3, 4], 2, True)
    assert learner.early_end == "stopped after 4 of 9 epochs: no better validation in 2 epochs"
    learner.take_best()
    assert torch.equal(learner.module.weight, kept[1]) and not torch.equal(kept[1], kept[3])


def test_the_mean_of_the_weights_is_judged_and_kept_and_training_goes_on_from_the_last():
    judged = []

    def judge() -> dict[str, float]:
        judged.append(learner.module.weight.detach().clone())
        return {"val": float(len(judged))}

    learner = training(Phase("p", 9, 0.1, no_masks, 2, average=0.9), judge)
    plain = training(Phase("p", 9, 0.1, no_masks, 2))
    for each in (learner, plain):
        each.learn(3, lambda epoch, figures: None)
    assert torch.equal(learner.module.weight, plain.module.weight)
    assert not torch.equal(judged[2], plain.module.weight)
    learner.take_best()
    assert torch.equal(learner.module.weight, judged[2])


def test_it_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(phases.time, "perf_counter", lambda: next(clock))
    learner = training(Phase("p", 100, 0.1, no_masks, 2, seconds=95))
    learner.learn(100, lambda epoch, figures: None)
    assert learner.finished and learner.epoch < 5 and learner.seconds_left == 0
    assert learner.early_end == f"stopped after {learner.epoch} of 100 epochs: the time is over"
    assert learner.optimizer.param_groups[0]["lr"] < 0.02


@pytest.mark.parametrize(("steps", "warm_up"), [(40, 0.1), (7, 0.3)])
def test_the_rate_is_pytorchs_one_cycle(steps: int, warm_up: float):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
    schedule = OneCycleLR(optimizer, 0.3, total_steps=steps, pct_start=warm_up, cycle_momentum=False)
    for step in range(steps):
        assert one_cycle(0.3, step, steps, warm_up) == optimizer.param_groups[0]["lr"]
        if step < steps - 1:
            optimizer.step()
            schedule.step()


def test_masks_keep_a_frame_that_shows_the_class():
    visible = torch.zeros(500, 8, dtype=torch.bool)
    visible[torch.arange(500), torch.randint(8, (500,), generator=torch.Generator().manual_seed(1))] = True
    u, v = random_masks(5, 0.9, whole=0.2)(visible, BatchDraws(torch.Generator().manual_seed(0), 500))
    assert (u & visible).any(1).all()
    everything = u.all(1) & v.all(1)
    assert 0.2 < everything.float().mean() < 0.4
    assert set(np.unique(u.sum(1))) == set(range(1, 9))
    u, v = random_masks(5, 0.0, fewest_frames=3, whole=0.2)(visible, BatchDraws(torch.Generator().manual_seed(0), 500))
    assert not v.any() and u.sum(1).min() == 3

"""What each phase of a training is predicted to compute and decode, against epochs that were counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.paper.phases import Networks, Videos, phases
from ada3d_gym.experiments.paper.reproduction import SIZES
from ada3d_gym.experiments.pipeline import train_run
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.selection import ClipTrunk, SelectionNetwork
from ada3d_gym.networks.spec import I3D_R50, I3D_TINY
from ada3d_gym.video.clip_decoder import ClipDecoder

MOTION = "Ada3D-MotionShapes-v1"


def test_the_papers_schedule_on_fcvid():
    run = compose("Ada3D-FCVID-v0", "reinforce", 0)
    found = {phase.name: phase for phase in phases(run, SIZES["fcvid"], 0.5)}
    whole = MacCounter.of_spec(I3D_R50, 224, 239).full(8)
    tested = MacCounter.of_spec(I3D_R50, 256, 239).full(8)
    networks = Networks.of(run, 239)
    train, test = 45_611, 45_612
    assert found["classifier on whole clips"].forward == 40 * train * whole
    assert found["classifier on whole clips"].backward == 2 * 40 * train * whole
    assert found["trunk"].clips == 40 * train
    stage_1, stage_2 = found["stage 1: REINFORCE"], found["stage 2: joint"]
    assert (stage_1.clips, stage_1.pulls, stage_1.batch) == (40 * train, 40 * train, 256)
    assert (stage_2.clips, stage_2.pulls, stage_2.batch) == (60 * train, 60 * train, 64)
    # a value baseline looks at the clip once more; of stage 2, one of two passes is trained
    assert stage_1.forward == 40 * train * (networks.selection + networks.trunk + whole)
    assert stage_1.backward == 2 * 40 * train * networks.selection
    assert stage_2.backward == 2 * 60 * train * (networks.selection + 0.5 * whole)
    assert found["judging Upper, 10 clips"].forward == 10 * test * tested
    judged = found["judging reinforce, 10 clips"]
    assert (judged.clips, judged.forward) == (10 * test, 10 * test * (0.5 * tested + networks.selection))
    assert networks.selection / 8e9 == pytest.approx(0.08, abs=0.002)  # section 4.1, per frame


class Counted:
    """What a training really does, counted where it happens."""

    def __init__(self, patch: pytest.MonkeyPatch):
        self.masks: dict[str, list[Any]] = {"pulls": [], "steps": []}
        self.seen: Counter[str] = Counter()
        step, frames, forward, decode = (
            ClassifierTrainer.step,
            ClipTrunk.frames,
            SelectionNetwork.forward,
            ClipDecoder.decode,
        )

        def steps(trainer: ClassifierTrainer, clips: Any, u: Any, v: Any, *rest: Any) -> float:
            self.masks["steps"].append((u, v))
            return step(trainer, clips, u, v, *rest)

        def looks(trunk: ClipTrunk, clips: torch.Tensor) -> torch.Tensor:
            self.seen["trunk"] += len(clips) if len(clips) > 1 else 0  # one clip, where an agent counts operations
            return frames(trunk, clips)

        def selects(network: SelectionNetwork, clips: torch.Tensor) -> Any:
            self.seen["selection"] += len(clips) if len(clips) > 1 else 0
            return forward(network, clips)

        def decodes(clips: ClipDecoder, ids: Any) -> Any:
            self.seen["clips"] += len(ids)
            return decode(clips, ids)

        patch.setattr(ClipBandit, "on_pull", staticmethod(lambda ids, u, v: self.masks["pulls"].append((u, v))))
        patch.setattr(ClassifierTrainer, "step", steps)
        patch.setattr(ClipTrunk, "frames", looks)
        patch.setattr(SelectionNetwork, "forward", selects)
        patch.setattr(ClipDecoder, "decode", decodes)

    def clips(self, kind: str) -> int:
        return sum(len(u) for u, _ in self.masks[kind])

    def macs(self, kind: str, counter: MacCounter) -> int:
        return sum(int(counter(u, v).sum()) for u, v in self.masks[kind])


SURE = {"keep": 1 - 1e-9, "exploration": 1.0, "final_exploration": 1.0, "entropy": 0.0, "final_entropy": 0.0}
STILL = {"lr": 0.0, "trunk_lr": 0.0}  # and so masks keep everything until the end


@pytest.mark.parametrize(
    "extra",
    [{"baseline": "value", "samples": 1}, pytest.param({"baseline": "greedy", "samples": 2}, marks=pytest.mark.slow)],
    ids=lambda extra: extra["baseline"],
)
def test_an_epoch_of_each_kind_is_what_is_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]
):
    options = {"epochs": 1, "joint_epochs": 1, "batch_size": 7, **SURE, **STILL, **extra}
    run = compose(MOTION, "reinforce", 0, options=options, environment={"videos": 14})
    run = replace(run, classifier_epochs=1, trunk_epochs=1, classifier_batch=7)
    predicted = phases(run, Videos(14, 14, 14), share=1.0)
    counted = Counted(monkeypatch)
    train_run(run, tmp_path / "run", "cpu", timed=False)
    counter, networks = MacCounter.of_spec(I3D_TINY, 32, 14), Networks.of(run, 14)
    assert sum(phase.pulls for phase in predicted) == counted.clips("pulls")
    only_trunk = counted.seen["trunk"] - counted.seen["selection"]
    heads = 14 * networks.features * 14  # of the trunk's own training
    selection = counted.seen["selection"] * networks.selection + only_trunk * networks.trunk + heads
    classifier = counted.macs("pulls", counter) + counted.macs("steps", counter)
    assert sum(phase.forward for phase in predicted) == classifier + selection
    trained = 14 * (networks.trunk + 2 * networks.selection) + heads  # an epoch each of the trunk and of two stages
    assert sum(phase.backward for phase in predicted) == 2 * (counted.macs("steps", counter) + trained)


@pytest.mark.parametrize("agent", ["random", "fixed"])
def test_fine_tuning_under_masks_is_what_is_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: str):
    own = {"frames": 8.0, "stages": 1.0} if agent == "random" else {}
    options = {"joint_epochs": 1, "joint_batch_size": 7, **own}
    run = compose(MOTION, agent, 0, options=options, environment={"videos": 14})
    predicted = phases(run, Videos(14, 14, 14), share=1.0)
    counted = Counted(monkeypatch)
    train_run(run, tmp_path / "run", "cpu", timed=False)
    counter = MacCounter.of_spec(I3D_TINY, 32, 14)
    forward = counted.macs("pulls", counter) + counted.macs("steps", counter)
    assert sum(phase.pulls for phase in predicted) == counted.clips("pulls")
    assert sum(phase.forward for phase in predicted) == forward
    assert sum(phase.backward for phase in predicted) == 2 * counted.macs("steps", counter)


def test_every_clip_is_decoded_as_often_as_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sets: Path):
    own = {"data_root": sets / "fcvid", "checkpoint": sets / "i3d_tiny.safetensors", "backbone": "i3d_tiny", "size": 32}
    options = {"epochs": 1, "joint_epochs": 2}
    run = compose("Ada3D-FCVID-v0", "reinforce", 0, options=options, environment=own)
    run = replace(run, classifier_epochs=1, trunk_epochs=1, also_views=(3,))
    predicted = phases(run, Videos(8, 8, 4), share=1.0)
    counted = Counted(monkeypatch)
    train_run(run, tmp_path / "run", "cpu", timed=False)
    assert sum(phase.clips for phase in predicted) == counted.seen["clips"] - 1  # one, to count the policy's operations
    assert sum(phase.pulls for phase in predicted) == counted.clips("pulls")


def test_the_search_for_constants_stays_within_what_is_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    options = {"clips": 1, "regular": True}  # as `ada3d start` has it: 2,208 masks, not 8,160
    run = compose(MOTION, "best-fixed", 0, options=options, environment={"videos": 42})
    found = {phase.name: phase for phase in phases(run, Videos(42, 42, 14), share=1.0, judge_upper=False)}
    search, judged = found["search for constants"], found["judging best-fixed, 4 clips"]
    assert (search.clips, search.alone) == (1 + 4 + 16 + 42, True)  # the last round has no more than 42 videos
    counted = Counted(monkeypatch)
    bandit = run.bandit("train", "cpu")
    run.make_agent(bandit, "cpu").learn(4, lambda epoch, figures: None)
    assert 0.5 * search.pulls < counted.clips("pulls") <= search.pulls
    assert judged.pulls == 4 * 42


def test_a_run_of_another_agent_is_refused():
    run: Run = compose("Ada3D-FCVID-v0", "ppo", 0)
    with pytest.raises(InputError, match="nothing is known of what ppo costs"):
        phases(run, SIZES["fcvid"], 1.0)

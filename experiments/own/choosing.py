"""How much a wrong answer should cost: the least of some penalties under which validation videos lose nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ada3d_gym.agents.agent import NoOptions
from ada3d_gym.agents.fixed import Upper
from ada3d_gym.experiments.judging import Trial
from ada3d_gym.experiments.pipeline import train_run
from ada3d_gym.experiments.results import Result, ResultFile
from ada3d_gym.experiments.runs import PRETRAINED, Run
from ada3d_gym.files import writing
from ada3d_gym.prediction.config import CLASSIFIER

GROWTH = 3.0  # of the penalty, from one policy to the next
TRIED = 2  # policies at most
LOST = 1.0  # points of the clips' accuracy that a policy may lose


@dataclass(frozen=True)
class Policy:
    """A policy that was trained.

    Attributes:
        gamma: its penalty of a wrong answer.
        folder: of its run.
        upper, result: on the validation videos, of the network with everything kept and of the policy.
    """

    gamma: float
    folder: Path
    upper: Result
    result: Result

    @property
    def lost(self) -> float:
        """Points of the validation clips' accuracy."""
        return (self.upper.clip_top1 or 0.0) - (self.result.clip_top1 or 0.0)


def train_policies(
    compose: Callable[[float], Run], gammas: Sequence[float], place: Path, begin: Path, device: str
) -> list[Policy]:
    """Trains a policy for one penalty after another, until one loses nothing on the validation videos.

    Args:
        compose: makes the run of a penalty, which begins from what another run has trained.
        gammas: rising.
        place: folder of the runs.
        begin: folder of that other run, which has judged Upper on the test videos.
        device: where networks run.
    """
    policies: list[Policy] = []
    for gamma in gammas:
        if policies:
            print(
                f"losing {policies[-1].lost:.1f} points on validation clips: once more at gamma {gamma:g}", flush=True
            )
        folder, run = folder_of(place, gamma), compose(gamma)
        train_run(run, folder, device, upper=begin, timed=False)
        policies.append(_judged(compose(gammas[0]), gamma, folder, begin, place, device))
        if policies[-1].lost <= LOST:
            break
    return policies


def folder_of(place: Path, gamma: float) -> Path:
    """Of a policy's run."""
    return place / f"gamma-{gamma:g}"


def best_of(policies: Sequence[Policy]) -> Policy:
    """The first that loses nothing, else the one that loses least."""
    enough = [policy for policy in policies if policy.lost <= LOST]
    return enough[0] if enough else min(policies, key=lambda policy: policy.lost)


def keep(policy: Policy, folder: Path) -> None:
    """Copies a policy's run to a folder, whole or not at all, where nothing is there."""
    if folder.exists():
        return
    part = folder.with_name(f"{folder.name}.part")
    with writing(folder):
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(policy.folder, part)
        os.replace(part, folder)


def _judged(run: Run, gamma: float, folder: Path, begin: Path, place: Path, device: str) -> Policy:
    """A policy on the validation videos, judged once."""
    lines = ResultFile(place / "validation.jsonl")
    name = f"gamma {gamma:g}"
    if "Upper" not in lines.results:
        trial = Trial.prepare(run, "val", device, checkpoint=begin / PRETRAINED)
        lines.add(trial.judge("Upper", Upper(trial.bandit, NoOptions()), place).result)
    if name not in lines.results:
        trial = Trial.prepare(run, "val", device, checkpoint=folder / CLASSIFIER)
        lines.add(trial.judge(name, trial.trained_agent(folder, device), place, state=folder / "agent.pt").result)
    return Policy(gamma, folder, lines.results["Upper"], lines.results[name])

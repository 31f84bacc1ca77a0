"""One run of the benchmark: an agent learns on a task within its budget, and is judged exactly."""

from __future__ import annotations

import time
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym import __version__
from ada3d_gym.agents.figures import CollapseWarning
from ada3d_gym.agents.registry import agent_class, make_agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import DivergedError, InputError
from ada3d_gym.experiments.benchmark.labels import agent_name, with_options
from ada3d_gym.experiments.benchmark.meter import BudgetSpent, PullMeter
from ada3d_gym.experiments.benchmark.record import Feedback, Record, Track, pack_masks
from ada3d_gym.experiments.benchmark.settings import Clips, task_clips
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask
from ada3d_gym.experiments.judging import package_versions
from ada3d_gym.observers import Observation


@dataclass(frozen=True)
class RunSpec:
    """What a run is, whatever machine it is computed on.

    Attributes:
        suite, task, track, agent, seed: as in `Record`.
        options: the agent's, all of them.
        timed_epochs: whether its number of epochs is what the budget allows.
        judged_on: the split that counts, "test", or "val" for tuning.
        device: where networks run.
    """

    suite: str
    task: BenchmarkTask
    track: Track
    agent: str
    seed: int
    options: dict[str, Any]
    timed_epochs: bool = True
    judged_on: str = "test"
    device: str = "cpu"


def learn(spec: RunSpec) -> Record:
    """Trains and judges.

    Raises:
        InputError: for an agent that cannot learn on the track, and the like.
    """
    train, test = (_clips(spec, split) for split in ("train", spec.judged_on))
    bandit, kind = train.bandit(), agent_class(agent_name(spec.agent))
    bandit.on_pull = _too_early
    limited = kind.feedback == "bandit"
    options = _within(spec, bandit) if limited and spec.timed_epochs else spec.options
    agent = make_agent(agent_name(spec.agent), bandit, options, seed=spec.seed, device=spec.device)
    looks_up = not limited and agent.pulls_per_epoch is not None  # without pulling
    feedback: Feedback = kind.feedback if agent.total_epochs else "none"
    meter = PullMeter(agent, spec.task.pulls if feedback == "bandit" else None, test.judge)
    diverged, start = "", time.perf_counter()
    if agent.total_epochs:
        agent.check_learning()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)  # the record says how many masks there are
        trained, seconds = None, 0.0
        try:
            with suppress(BudgetSpent):
                agent.learn(agent.total_epochs, lambda epoch, figures: None)
            seconds = time.perf_counter() - start - meter.judging
            if not meter.attached:
                raise InputError(f"{spec.agent} has taken the bandit's on_pull, by which its pulls are counted")
            meter.finish()
            trained = train.judge(agent)[0]
        except DivergedError as error:
            diverged, seconds = str(error), time.perf_counter() - start - meter.judging
    if meter.masks is None:  # diverged before anything was tried
        raise InputError(f"{spec.agent}, seed {spec.seed} on {spec.task.name}: {diverged}")
    table = test.game.table
    return Record(
        suite=spec.suite,
        task=spec.task,
        track=spec.track,
        agent=spec.agent,
        seed=spec.seed,
        options=options,
        feedback=feedback,
        pulls=agent.epoch * (agent.pulls_per_epoch or 0) if looks_up else meter.pulls,
        macs_selection=agent.macs,
        test=meter.curve[-1].test,
        train=None if diverged else trained,
        curve=tuple(meter.curve),
        num_frames=table.num_frames,
        num_stages=table.num_stages,
        masks=pack_masks(meter.masks),
        clips_sha256=table.about.clips_sha256,
        classifier_sha256=table.about.classifier_sha256,
        seconds=round(seconds, 3),
        versions=package_versions() | {"ada3d-gym": __version__},
        diverged=diverged,
        epochs_given=not spec.timed_epochs,
    )


def _too_early(ids: NDArray[np.int64], u: NDArray[np.bool_], v: NDArray[np.bool_]) -> None:
    raise InputError("the agent pulls masks while it is made: an agent may try them only while it learns")


def _clips(spec: RunSpec, split: str) -> Clips:
    return task_clips(spec.task.to_json(), split, shown_to(spec.agent, spec.track), spec.device)


def shown_to(label: str, track: Track) -> Observation:
    """What an agent is shown: features of frames that stay as they are, or what it can train a backbone on."""
    kind = agent_class(agent_name(label))
    return "features" if track == "heads" else kind.trunk_observation or kind.observation


def _within(spec: RunSpec, bandit: ClipBandit) -> dict[str, Any]:
    """Options with as many epochs as the budget allows, for an agent that has such an option and tells its pulls."""
    if "epochs" not in spec.options:
        return spec.options
    pulls = _pulls_per_epoch(spec, bandit)
    return spec.options if not pulls else with_options(spec.agent, spec.options, epochs=-(-spec.task.pulls // pulls))


def _pulls_per_epoch(spec: RunSpec, bandit: ClipBandit) -> int | None:
    key = (spec.agent, spec.track, spec.task.to_json(), str(asdict(spec)["options"]))
    if key not in _PULLS:
        one = with_options(spec.agent, spec.options, epochs=1)
        _PULLS[key] = make_agent(agent_name(spec.agent), bandit, one, seed=0, device=spec.device).pulls_per_epoch
    return _PULLS[key]


_PULLS: dict[tuple[str, str, str, str], int | None] = {}  # agents take a while to be made

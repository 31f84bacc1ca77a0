"""The policy of a finished run for another data set: its run there, and the files that it needs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ada3d_gym.agents.registry import agent_class, agent_options
from ada3d_gym.agents.states import load_state, save_state
from ada3d_gym.datasets import EMBEDDED_SETS, MOTIONSHAPES_SIZE, observation_side
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.configuration import assignment, plain
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.results import ResultFile
from ada3d_gym.experiments.runs import POLICY, Run, tuning_of
from ada3d_gym.files import replacing
from ada3d_gym.networks.spec import SPECS, STAGE_NAMES

AGENT = "transferred"
_SHOWN = ("features", "observation")  # arguments of an environment that say what its policy sees


def transferred(
    run: Run,
    source: Path,
    *,
    assignments: tuple[str, ...] = (),
    options: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> Run:
    """A run that trains and judges the classifier under the masks of another run's policy, which stays as it is.

    Args:
        run: of REINFORCE on the data set that the policy is taken to. The classifier is trained as its second stage
            has it.
        source: folder of a finished run of `ada3d train`, of any agent, on the same or another data set.
        assignments, options: of the classifier's training, others than that; as in `experiments.runs.compose`.
        trust: as in `experiments.reading_runs.read_run`, for the source.

    Raises:
        InputError: for what is no run, or is not finished; and for a policy of clips or stages that the environment
            does not have.
    """
    policy = _finished(source, trust)
    given = dict(options or {}) | dict(assignment(each, agent_class(AGENT).Options) for each in assignments)
    taken = _policy_options(policy, source)
    if ignored := [name for name in taken if name in given]:
        raise InputError(f"{', '.join(ignored)} would be ignored: that of the policy of {source} is taken")
    own = agent_options(AGENT, tuning_of(run.options) | given | taken)
    environment = {key: value for key, value in run.environment.items() if key not in _SHOWN}
    seen = {key: policy.environment[key] for key in _SHOWN if policy.environment.get(key) is not None}
    made = replace(
        run,
        agent=AGENT,
        options=plain(asdict(own)),
        environment=environment | seen,
        trunk=None,
        trunk_epochs=0,
        transfer=str(source),
    )
    _check_shape(policy, made, source)
    return made


def keep_policy(run: Run, folder: Path) -> Run:
    """Writes what a run needs of its policy into its own folder; the run with these files in the place of others'."""
    for setting, name in POLICY.items():
        path, own = run.file(setting), folder / name
        if path is None:
            continue
        if not own.exists() and setting == "options.state":
            state = load_state(Path(path)) or {}
            save_state(own, {key: value for key, value in state.items() if key != "trainer"})  # of its classifier
        elif not own.exists():
            with replacing(own) as part:
                shutil.copyfile(path, part)
        run = run.with_file(setting, own)
    return run


def _finished(source: Path, trust: bool) -> Run:
    run = read_run(source, trust=trust)
    if run.agent not in ResultFile(source / "results.jsonl").results:
        raise InputError(f"the run of {source} is not finished, or has diverged: a policy is taken from a finished run")
    return run


def _policy_options(policy: Run, source: Path) -> dict[str, Any]:
    if policy.transfer:  # the policy that it has, too
        return {key: policy.options[key] for key in ("agent", "agent_options", "agent_seed", "state")}
    options = policy.options | ({"joint_epochs": 0} if "joint_epochs" in policy.options else {})  # no trainer
    return {
        "agent": policy.agent,
        "agent_options": options,
        "agent_seed": policy.seed,
        "state": str(source / "agent.pt"),
    }


def _check_shape(policy: Run, run: Run, source: Path) -> None:
    """Raises InputError where a policy's clips and stages are not those that it is to choose among."""
    (own, stages), (other, others) = _shape(policy), _shape(run)
    frames = [f"{count} frames of {side} pixels" for count, side in (own, other)]
    if own != other or stages != others:
        shown = [
            f"{frame} and {len(names)} stages ({', '.join(names)})"
            for frame, names in zip(frames, (stages, others), strict=True)
        ]
        raise InputError(
            f"the policy of {source} chooses among {shown[0]}; {run.env} has {shown[1]} here: "
            "a policy can be taken to clips and stages as its own only"
        )


def _shape(run: Run) -> tuple[tuple[int, int], tuple[str, ...]]:
    """T and the side in pixels of the frames that a run's policy sees, and the stages that it chooses among."""
    settings = run.settings
    if settings["backbone"] not in SPECS:
        raise InputError(f"unknown backbone {settings['backbone']!r}: expected one of {', '.join(SPECS)}")
    stages = tuple(STAGE_NAMES[stage] for stage in SPECS[settings["backbone"]].stages)
    side = MOTIONSHAPES_SIZE if settings["dataset"] in EMBEDDED_SETS else observation_side(settings.get("size"))
    return (int(settings["num_frames"]), side), stages

"""The full track: agents learn on the live network, and train it along, as `ada3d train` has them do.

Beside the agents stand Upper and, at what an agent costs in all, what needs no learning of masks: random masks and the
best constant one, each with the classifier as it is and fine-tuned. Every run is one of `ada3d train`, in a folder of
its own. What a configuration has trained on whole clips first, classifier and trunk, is trained once for all runs of an
environment. Runs are trained in as many processes as there are CPU cores. Interrupted and started again, the command
goes on where it was, and asked for more agents, tasks or seeds it trains only those; started several times at once,
each process takes runs that no other has. Time is measured of each row's first run.

The classifier of a task is that of its id, and not that of an outcome table of one's own; its number of pulls does not
count here: each agent has its own schedule.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import tyro

from ada3d_gym.agents.registry import agent_class
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.full_records import write_records
from ada3d_gym.experiments.benchmark.full_runs import Against, TaskRuns
from ada3d_gym.experiments.benchmark.full_tables import show
from ada3d_gym.experiments.benchmark.jobs import record_path
from ada3d_gym.experiments.benchmark.labels import check_sets
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask, Suite
from ada3d_gym.experiments.configuration import plain
from ada3d_gym.experiments.demo import QUICK, QUICK_VIDEOS
from ada3d_gym.experiments.plan import Task, carry_out, time_rows
from ada3d_gym.experiments.pretraining import begun_from, pretraining, trains_first
from ada3d_gym.experiments.rivals import Compose
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.files import writing

PAID = ("cost", "reward")  # of a task, besides gamma


@dataclass(frozen=True)
class FullOptions:
    """What the full track takes besides tasks, agents and seeds.

    Attributes:
        config: YAML file of settings for all; experiments/configs/DATASET.yaml by default.
        videos: use the first so many of each split only.
        data_root: folder of the videos.
        checkpoint: weights of the 3D network.
        trunk: weights that the selection network's trunk starts from.
        backbone: the 3D network; the ids' own by default.
        size: side of the clips; the paper's by default.
        workers: threads that decode, of each process; its part of the cores by default.
        sets: options of the agents, as epochs=2; each agent gets those that it has.
        quick: few videos and one epoch of each kind, to see every part run; its numbers mean nothing.
        rivals: random and constant masks at the operations of the first agent, of all agents, or none.
    """

    config: Path | None = None
    videos: int | None = None
    data_root: Path | None = None
    checkpoint: Path | None = None
    trunk: str | None = None
    backbone: str | None = None
    size: int | None = None
    workers: tyro.conf.Suppress[int | None] = None
    sets: tyro.conf.Suppress[tuple[str, ...]] = ()
    quick: bool = False
    rivals: Against = "first"


def run_full(
    suite: Suite, agents: tuple[str, ...], seeds: int, output: Path, *, options: FullOptions, device: str
) -> None:
    """Trains what is not yet trained, compares, and writes tables, pictures and records.

    Args:
        suite: the tasks.
        agents: names, NAME@PRESET or module:Class.
        seeds: runs of each agent, with seeds 0, 1, …
        output: gets OUTPUT/SUITE/full, which has the tables, and in TASK/AGENT the records and the runs' folders.
        options: see `FullOptions`.
        device: where networks run.

    Raises:
        InputError: for a wrong name, option or value, before anything is trained; and where a folder has other runs.
        RunError: for what went wrong in a run.
    """
    checked_device(device)
    if seeds < 1:
        raise InputError(f"seeds={seeds}: expected at least 1")
    if not agents:
        raise InputError("no agents: expected at least one, such as reinforce")
    agents = tuple(dict.fromkeys(agents))  # twice the same run is one
    check_sets(agents, options.sets)
    for task, agent in product(suite.tasks, agents):  # what is misspelt is named before anything is trained
        compose_task(agent, task=task, seed=0, chosen=options)
    folder = output / suite.name / "full"
    runs = {task.name: TaskRuns(partial(record_path, output, suite.name, "full", task.name)) for task in suite.tasks}
    firsts = {task.name: _first_of(compose_task(agents[0], task=task, seed=0, chosen=options)) for task in suite.tasks}
    # all agents and tasks have a first seed before any has a second
    for seed, task in product(range(seeds), suite.tasks):
        made = partial(compose_task, task=task, seed=seed, chosen=options)
        beside = partial(made, rival=True)
        if (first := firsts[task.name]) is None:
            runs[task.name].add(seed, made, beside, agents, options.rivals)
        else:
            shared = Task(folder / first_name(first), partial(replace, first))
            made, beside = (partial(_begun, each, first, shared.folder) for each in (made, beside))
            runs[task.name].add(seed, made, beside, agents, options.rivals, shared)
    every = {path: each for its in runs.values() for path, each in its.tasks.items()}  # some share the first
    finished = carry_out(list(every.values()), device)
    done = [(task, rows) for task in suite.tasks if (rows := runs[task.name].done(finished))]
    for _, rows in done:
        time_rows({name: next(iter(members.values())) for name, members in rows.items()}, device)
    with writing(folder):
        for task, rows in done:
            write_records(suite.name, task, rows, output)
        if done:
            show(done, folder)


def _first_of(run_: Run) -> Run | None:
    """The run that trains what all agents of a task begin from, where there is anything to train."""
    if not trains_first(run_):
        return None
    first = pretraining(run_)
    environment = {name: value for name, value in first.environment.items() if name not in PAID}
    return replace(first, environment=environment, gamma=0.0)  # tasks that differ by what is paid share it


def first_name(first: Run) -> str:
    """Of the folder of what all begin from: one for each environment and its options."""
    digest = hashlib.sha256(json.dumps(plain(asdict(first)), sort_keys=True).encode()).hexdigest()
    return f"pretrained-{first.env}-{digest[:8]}"


def _begun(made: Compose, first: Run, folder: Path, label: str, options: Mapping[str, Any] | None = None) -> Run:
    return begun_from(made(label, options), first, folder)


def compose_task(
    label: str,
    options: Mapping[str, Any] | None = None,
    *,
    task: BenchmarkTask,
    seed: int,
    chosen: FullOptions,
    rival: bool = False,
) -> Run:
    """A run on a task.

    Args:
        label: of the agent.
        options: of the agent, over all others.
        task: says the environment and what is paid.
        seed: of everything random.
        chosen: on the command line.
        rival: whether the run is of what an agent is compared with: `sets` are none of its business then, but for the
            agent whose schedule fine-tuning follows.
    """
    name, _, other = label.partition("@")
    own = {**({"preset": other} if other else {}), **(QUICK.get(name, {}) if chosen.quick else {}), **(options or {})}
    had = {field.name for field in fields(agent_class(name).Options)} if not rival or name == "reinforce" else set()
    given: dict[str, Any] = {
        "videos": chosen.videos or (QUICK_VIDEOS if chosen.quick else None),
        "data_root": chosen.data_root,
        "workers": chosen.workers,
    }
    given |= {"checkpoint": chosen.checkpoint, "backbone": chosen.backbone, "size": chosen.size}
    run_ = compose(
        task.env,
        name,
        seed,
        config=chosen.config,
        assignments=tuple(each for each in chosen.sets if each.partition("=")[0] in had),
        options=own,
        environment=given | task.environment,
        gamma=task.gamma,
        trunk=chosen.trunk,
    )
    paid = {name: getattr(task, name) for name in PAID}
    usual = {key: BenchmarkTask.__dataclass_fields__[key].default for key in paid}
    environment = {key: value for key, value in run_.environment.items() if key not in paid}
    run_ = replace(run_, environment=environment | {key: paid[key] for key in paid if paid[key] != usual[key]})
    return _shortened(run_, {each.partition("=")[0] for each in chosen.sets}) if chosen.quick else run_


def _shortened(run_: Run, but: set[str]) -> Run:
    """With one epoch of each kind at the most, except of those that were asked for."""
    kinds = {"epochs", "joint_epochs"} & run_.options.keys() - but
    options = run_.options | {kind: min(run_.options[kind], 1) for kind in kinds}
    least = {
        kind: min(value, 1) for kind, value in asdict(run_).items() if kind in ("classifier_epochs", "trunk_epochs")
    }
    return replace(run_, options=options, **least)

"""Finds options of agents on validation clips, with the same number of trials for each:

    ada3d benchmark tune motionshapes-tuning --agents ppo a2c --trials 16

The first trial is the agent's own preset, as far as the ranges of `spaces.yaml` hold it, and the others are spread over
these (a Sobol sequence). What counts is the mean score on the validation clips over all tasks of the suite, 0 for the
best constant mask and 1 for each clip's best. The best trial is written as the track's preset,
`agents/presets/TRACK/AGENT.yaml`. Seeds are others than those of `ada3d benchmark run`. Interrupted and started again,
the command goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro
import yaml
from scipy.stats import qmc
from tabulate import tabulate

from ada3d_gym.agents.registry import PRESETS, agent_class, preset, read_yaml
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.games import task_game
from ada3d_gym.experiments.benchmark.jobs import claimed_file
from ada3d_gym.experiments.benchmark.labels import agent_name, label_options, with_options
from ada3d_gym.experiments.benchmark.learning import RunSpec, learn
from ada3d_gym.experiments.benchmark.pool import do_all
from ada3d_gym.experiments.benchmark.record import Track
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask, Suite, read_suite
from ada3d_gym.experiments.folders import folder_name
from ada3d_gym.experiments.timing import one_thread
from ada3d_gym.experiments.workers import processes
from ada3d_gym.files import replacing, writing

SPACES = Path(__file__).parent / "spaces.yaml"
FIRST_SEED = 1000  # no seed of a comparison


@dataclass(frozen=True)
class Trial:
    """Some options of an agent on all tasks of a suite; the file that gets its scores."""

    suite: Suite
    track: Track
    agent: str
    number: int
    options: dict[str, Any]
    seeds: int
    device: str
    path: Path

    @property
    def folder(self) -> Path:
        return self.path

    @property
    def title(self) -> str:
        return f"{self.agent}, trial {self.number}"

    def do(self) -> None:
        """Computes and writes the scores, unless that has been done."""
        with claimed_file(self.path), one_thread(self.device):
            if self.path.exists():
                return
            found, pulls, seconds = dict[str, list[float]](), 0, 0.0
            for task in self.suite.tasks:
                for seed in range(FIRST_SEED, FIRST_SEED + self.seeds):
                    spec = RunSpec(self.suite.name, task, self.track, self.agent, seed, self.options)
                    record = learn(replace(spec, judged_on="val", device=self.device))
                    pulls, seconds = pulls + record.pulls, seconds + record.seconds
                    found.setdefault(task.name, []).append(val_score(task, record.test.reward))
            written = {"options": self.options, "scores": found, "pulls": pulls, "seconds": round(seconds, 2)}
            with writing(self.path), replacing(self.path) as part:
                part.write_text(json.dumps(written) + "\n")

    def is_done(self) -> bool:
        """Whether its scores are there.

        Raises:
            InputError: where those of another trial are.
        """
        return self.path.exists() and bool(self.read())

    def read(self) -> dict[str, Any]:
        """What `do` wrote.

        Raises:
            InputError: where that was another trial.
        """
        try:
            written: dict[str, Any] = json.loads(self.path.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: no trial ({error}); delete it") from error
        known = isinstance(written, dict) and {"options", "scores", "pulls", "seconds"} <= written.keys()
        if not known:
            raise InputError(f"{self.path}: no trial; delete it")
        counts = {name: len(each) for name, each in written["scores"].items()}
        if written["options"] != self.options or counts != {task.name: self.seeds for task in self.suite.tasks}:
            raise InputError(f"{self.path} is of another trial: choose another --output, or delete it")
        return written


def tune(
    suite: tyro.conf.Positional[str],
    agents: tuple[str, ...],
    track: Track = "heads",
    trials: int = 16,
    seeds: int = 1,
    seed: int = 0,
    workers: int | None = None,
    device: str = "cpu",
    output: Path = Path("runs/benchmark-tuning"),
    presets: Path = PRESETS,
    to: Path | None = None,
) -> None:
    """Searches, and writes the best as presets.

    Args:
        suite: tasks that count alike; motionshapes-tuning, or as in `ada3d benchmark run`.
        agents: names, or NAME@PRESET, with ranges in spaces.yaml.
        track: heads or trunk.
        trials: of each agent, its own preset included.
        seeds: runs of each trial on each task.
        seed: of the search.
        workers: processes; one a CPU core, at most 4, by default.
        device: where networks run.
        output: folder of the trials.
        presets: folder whose TRACK/AGENT.yaml are written.
        to: JSON file that gets all trials.
    """
    checked_device(device)
    if track == "full":
        raise InputError("track=full has presets of its own: expected heads or trunk")
    for name, number in (("trials", trials), ("seeds", seeds), ("workers", workers)):
        if number is not None and number < 1:
            raise InputError(f"{name}={number}: expected at least 1")
    tasks = read_suite(suite)
    all_trials = {agent: agent_trials(tasks, track, agent, trials, seeds, seed, device, output) for agent in agents}
    # every agent has a first trial before any has a second
    missing = [each for row in zip(*all_trials.values(), strict=True) for each in row if not each.is_done()]
    if do_all(missing, workers or processes(device), "trials"):
        print("other processes work on some trials: start again when they are done")
        return
    rows, kept = [], dict[str, Any]()
    for agent, its in all_trials.items():
        written = [each.read() for each in its]
        means = [float(np.mean(list(each["scores"].values()))) for each in written]
        best = int(np.argmax(means))
        pulls, seconds = (sum(each[key] for each in written) for key in ("pulls", "seconds"))
        rows.append([agent, means[0], means[best], best, trials, f"{pulls:,}", f"{seconds:.0f}"])
        kept[agent] = {"scores": means, "best": best, "pulls": pulls, "seconds": seconds, "trials": written}
        _write_preset(presets / track / f"{agent}.yaml", its[best], means[best], suite, trials, seeds)
    headers = ["agent", "own preset", "best", "trial", "trials", "pulls", "seconds"]
    print(tabulate(rows, headers, tablefmt="github", floatfmt=".3f"))
    if to is not None:
        _write_json(to, {"suite": suite, "track": track, "seeds": seeds, "agents": kept})


def agent_trials(
    suite: Suite, track: Track, agent: str, count: int, seeds: int, seed: int, device: str, output: Path
) -> list[Trial]:
    """All trials of an agent.

    Raises:
        InputError: for an agent without ranges.
    """
    space = read_yaml(SPACES).get(agent)
    if space is None:
        raise InputError(f"{agent} has no ranges in {SPACES.name}, where 'tune' looks for them")
    name, _, other = agent.partition("@")
    own = with_options(agent, preset(name, other or None) | _forced(label_options(agent, track)))
    own = with_options(agent, own, **{key: nearest(values, own[key]) for key, values in space.items()})
    drawn = [with_options(agent, own, **point) for point in spread(space, count - 1, seed)]
    folder = output / suite.name / track / "@".join(map(folder_name, agent.split("@")))
    return [
        Trial(suite, track, agent, number, options, seeds, device, folder / f"trial{number}.json")
        for number, options in enumerate([own, *drawn])
    ]


def spread(space: Mapping[str, Any], count: int, seed: int) -> list[dict[str, Any]]:
    """Points of a space, the same for the same seed, however many there are.

    Args:
        space: by option, a list of choices, or {"low": …, "high": …}, uniform in its logarithm.
        count: of points.
        seed: of the scrambled Sobol sequence.
    """
    if not count:
        return []
    sequence = qmc.Sobol(len(space), rng=np.random.default_rng(np.random.SeedSequence(seed)))
    points = sequence.random_base2(max(1, (count - 1).bit_length()))[:count]
    return [dict(zip(space, map(_at, space.values(), point), strict=True)) for point in points]


def _at(values: Sequence[Any] | Mapping[str, float], share: float) -> Any:
    if isinstance(values, Mapping):
        low, high = np.log(values["low"]), np.log(values["high"])
        return float(f"{np.exp(low + share * (high - low)):.3g}")
    return values[min(int(share * len(values)), len(values) - 1)]


def nearest(values: Sequence[Any] | Mapping[str, float], own: Any) -> Any:
    """An option's own value as far as its range holds it, else what is next to it there; the first of other choices."""
    if isinstance(values, Mapping):
        return min(max(own, values["low"]), values["high"])
    if own in values or isinstance(own, str | bool):
        return own if own in values else values[0]
    return min(values, key=lambda value: abs(value - own))


def _forced(options: Mapping[str, Any]) -> dict[str, Any]:
    """What a track asks of everybody."""
    return {key: options[key] for key in ("joint_epochs", "train_trunk") if key in options}


def val_score(task: BenchmarkTask, reward: float) -> float:
    """Of a mean reward on the validation clips: 0 is the best constant of the training clips, 1 each clip's best."""
    game = task_game(task, "val")
    constant = game.value(task_game(task, "train").best_constant().mask)
    return (reward - constant) / (game.oracle().mean - constant)


def _write_preset(path: Path, trial: Trial, score: float, suite: str, trials: int, seeds: int) -> None:
    told = (
        f"# The best of {trials} trials on the validation clips of {suite}, mean score {score:.3f}:\n"
        f"# ada3d benchmark tune {suite} --track {trial.track} --agents {trial.agent} --trials {trials} "
        f"--seeds {seeds}\n"
    )
    by_budget = ("epochs",) if agent_class(agent_name(trial.agent)).feedback == "bandit" else ()
    options = {key: value for key, value in trial.options.items() if key not in by_budget and value is not None}
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_text(told + yaml.safe_dump(options, sort_keys=False))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with writing(path, "choose another --to"), replacing(path) as part:
        part.write_text(json.dumps(content, indent=1) + "\n")

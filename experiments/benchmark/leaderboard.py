"""The page of verified submissions."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from tabulate import tabulate

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.checking import Checked
from ada3d_gym.experiments.benchmark.games import task_game
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask
from ada3d_gym.experiments.intervals import interval
from ada3d_gym.registration import ENVIRONMENTS

HEADERS = [
    "",
    "method",
    "track",
    "reward",
    "score",
    "regret",
    "% right",
    "MMACs",
    "in all",
    "pulls",
    "feedback",
    "runs",
    "file",
]
ABOUT = """# Leaderboard

This page ranks the policies that people have submitted, for those who want to compare a method of their own with them.

Every row is checked. `ada3d benchmark verify FILES --leaderboard PAGE` writes this page. It classifies every clip
again under the submitted masks, on the real network (with `--table`, it looks the answers up in an outcome table
instead), and recomputes every number that depends on the masks. If one of them differs, it writes no page. You can
check the files yourself: `ada3d benchmark verify docs/results/leaderboard`. [How to submit](submitting.md) says how to
add a row, and [the benchmark](benchmark.md) explains tasks and tracks.

All numbers are means over the test clips of a task and over runs. ± is a 95 % interval of the mean over runs
(Student's t).

- **gamma** is the penalty of a wrong answer, no discount.
- **score**: 0 is the reward of the constant mask that is best on the training clips. 1 is the reward of the best mask
  of each clip, which only somebody can choose who knows the answers.
- **regret**: how much more the best mask of each clip would have paid.
- **MMACs**: 10⁶ multiply-accumulates of the classifier for a clip. **in all** adds those of the method's own networks.
- **pulls**: how many masks the method tried while it learned, or how many outcomes it looked up.
- **feedback**: methods with "bandit" learned from the masks that they tried, and those with "none" did not learn.
  Methods with "full" looked up the outcomes of masks that they did not try. These are not ranked. They show what more
  information is worth.

Two things are not checked. Pulls, feedback, seeds and the operations of the method's own networks are what the
submitter declared. And the outcome tables of the test clips are public, so no check of masks can tell whether somebody
chose them with the answers at hand; look at the method's code for that.
"""


@dataclass(frozen=True)
class Scale:
    """Of a task's scores.

    Attributes:
        constant: what the constant mask that is best on the training clips earns on the test clips.
        best: what each test clip's best mask earns, on average.
    """

    constant: float
    best: float

    @classmethod
    def of(cls, one: Checked) -> Scale:
        mask = task_game(one.task, "train").best_constant().mask
        return cls(one.game.value(mask), one.game.oracle().mean)

    def score(self, reward: float) -> float:
        """NaN where a constant is as good as can be."""
        return (reward - self.constant) / (self.best - self.constant) if self.best > self.constant else math.nan


def leaderboard_page(held: Sequence[Checked], folder: Path) -> str:
    """The page as Markdown.

    Args:
        held: verified submissions.
        folder: that the page is for; links to files count from it.

    Raises:
        InputError: where two submissions are of one method, track and task.
    """
    suites: dict[str, dict[str, list[Checked]]] = {}
    seen: dict[tuple[str, ...], Path] = {}
    for one in held:
        own = one.submission
        key = own.suite, own.task.name, own.track, own.agent
        if key in seen:
            raise InputError(
                f"{seen[key]} and {one.path} are both of {own.agent!r} on {own.task.name}: leave one out, or submit "
                "it under another --name"
            )
        seen[key] = one.path
        suites.setdefault(own.suite, {}).setdefault(own.task.name, []).append(one)
    parts = [ABOUT]
    for suite, tasks in sorted(suites.items()):
        ordered = sorted(tasks.items(), key=lambda pair: _order(pair[1][0].task))
        scales = {name: Scale.of(group[0]) for name, group in ordered}
        parts.append(f"## {suite}\n\n{_overall(tasks, scales)}\n")
        parts += [f"### {name}\n\n{_task(group, scales[name], folder)}\n" for name, group in ordered]
    return "\n".join(parts)


def _order(task: BenchmarkTask) -> tuple[int, str, str, float, str]:
    return list(ENVIRONMENTS).index(task.env), task.cost, task.reward, task.gamma, task.name


def _overall(tasks: Mapping[str, list[Checked]], scales: Mapping[str, Scale]) -> str:
    """Methods that were submitted to every task here, by their mean score."""
    methods: dict[tuple[str, str, str], dict[str, Checked]] = {}
    for name, group in tasks.items():
        for one in group:
            own = one.submission
            methods.setdefault((own.agent, own.track, own.feedback), {})[name] = one
    found = []
    for (agent, track, feedback), each in methods.items():
        if len(each) == len(tasks):
            score = float(np.mean([scales[name].score(one.reward) for name, one in each.items()]))
            macs = float(np.mean([one.macs + one.submission.macs_selection for one in each.values()]))
            found.append((feedback == "full", -score, agent, track, feedback, macs))
    rows = [
        ["" if full else str(place), plain(agent), track, f"{-score:.3f}", f"{macs / 1e6:.2f}", feedback]
        for place, (full, score, agent, track, feedback, macs) in enumerate(sorted(found), start=1)
    ]
    table = tabulate(
        rows, ["", "method", "track", "score", "MMACs in all", "feedback"], tablefmt="github", disable_numparse=True
    )
    of = "Means over all tasks below, for methods that were submitted to each of them. " if len(tasks) > 1 else ""
    return f"{of}Tasks: {len(tasks)}.\n\n{table}"


def _task(group: list[Checked], scale: Scale, folder: Path) -> str:
    task = group[0].task
    told = (
        f"`{task.env}`, gamma = {task.gamma:g}, {'usage' if task.cost == 'usage' else 'MACs'} charged, {task.pulls:,} "
        f"pulls. Reward of score 0: {scale.constant:.3f}, of score 1: {scale.best:.3f}."
    )
    ordered = sorted(group, key=lambda one: (one.submission.feedback == "full", -one.reward, one.submission.agent))
    rows = [
        ["" if one.submission.feedback == "full" else str(place), *_cells(one, scale, folder)]
        for place, one in enumerate(ordered, start=1)
    ]
    return f"{told}\n\n{tabulate(rows, HEADERS, tablefmt='github', disable_numparse=True)}"


def _cells(one: Checked, scale: Scale, folder: Path) -> list[str]:
    own, found = one.submission, [claims.standing for claims in one.runs]
    method = plain(own.agent)
    if own.link:
        method = f"[{method}]({own.link})"
    if own.authors:
        method += f" ({plain(own.authors)})"
    runs = str(len(found))
    if (different := len({run.masks for run in own.runs})) < len(found):
        runs += f", {different} different"
    if diverged := sum(bool(run.diverged) for run in own.runs):
        runs += f", {diverged} diverged"
    return [
        method,
        own.track,
        interval([each.reward for each in found], 3),
        interval([scale.score(each.reward) for each in found], 3),
        f"{scale.best - one.reward:.3f}",
        f"{100 * np.mean([each.accuracy for each in found]):.2f}",
        f"{one.macs / 1e6:.2f}",
        f"{(one.macs + own.macs_selection) / 1e6:.2f}",
        f"{round(np.mean([run.pulls for run in own.runs])):,}",
        own.feedback,
        runs,
        f"[masks]({quote(Path(os.path.relpath(one.path, folder)).as_posix())})",
    ]


def plain(text: str) -> str:
    """Text as Markdown that shows it as it is, in a cell of a table too."""
    return re.sub(r"([!-,./:-@\[-`{-~])", r"\\\1", text)

"""The page of verified submissions."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
from tabulate import tabulate

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.checking import Checked
from ada3d_gym.experiments.benchmark.games import task_game
from ada3d_gym.experiments.intervals import interval

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

`ada3d benchmark verify FILES --leaderboard PAGE` writes this page. The command plays the masks of every file again on
the live network and recomputes every figure; it writes no page where one of them differs. Anybody can check them:
`ada3d benchmark verify docs/results/leaderboard`. [How to submit](submitting.md).

All figures are means over the test clips of a task and over runs; ± is a 95 % interval of the mean over runs, by
Student's t.

- **score**: 0 is the reward of the constant mask that is best on the training clips, 1 that of the best mask of each
  clip, which can only be chosen by who knows the answers.
- **MMACs**: 10⁶ multiply-accumulates of the classifier for a clip; **in all**: with those of the method's own networks.
- **pulls**: how many masks the method tried while it learned.
- **feedback**: "bandit" has learned from the masks that it tried, "none" has learned nothing. Methods with "full" have
  looked up the outcomes of masks that they did not try. They are not ranked, and show what more information buys.

What is verified is what the masks earn. Pulls, feedback, seeds and the operations of the method's own networks are
declared by who submits. The outcome tables of the test clips are public, so no check of masks can tell whether somebody
has chosen them with the answers at hand; look at the method's code for that.
"""


def leaderboard_page(held: Sequence[Checked], folder: Path) -> str:
    """The page as Markdown.

    Args:
        held: verified submissions.
        folder: that the page is for; links to files count from it.

    Raises:
        InputError: where two submissions are of one method, track and task.
    """
    seen: dict[tuple[str, ...], Path] = {}
    tasks: dict[tuple[str, str], list[Checked]] = {}
    for one in held:
        own = one.submission
        key = own.suite, own.task.name, own.track, own.agent
        if key in seen:
            raise InputError(
                f"{seen[key]} and {one.path} are both of {own.agent!r} on {own.task.name}: leave one out, or submit "
                "it under another --name"
            )
        seen[key] = one.path
        tasks.setdefault(key[:2], []).append(one)
    parts = [ABOUT]
    for (suite, name), group in sorted(tasks.items()):
        parts.append(f"## {suite}: {name}\n\n{_section(group, folder)}\n")
    return "\n".join(parts)


def _section(group: list[Checked], folder: Path) -> str:
    task = group[0].task
    test = group[0].game
    constant = test.value(task_game(task, "train").best_constant().mask)
    best = test.oracle().mean
    charged = "usage" if task.cost == "usage" else "MACs"
    told = (
        f"`{task.env}`, gamma = {task.gamma:g}, {charged} charged, {task.pulls:,} pulls. "
        f"Reward of score 0: {constant:.3f}, of score 1: {best:.3f}."
    )
    ranked = [one for one in group if one.submission.feedback != "full"]
    informed = [one for one in group if one.submission.feedback == "full"]
    rows = [
        row
        for ordered, place in ((ranked, True), (informed, False))
        for row in _rows(ordered, constant, best, folder, place)
    ]
    table = tabulate(rows, HEADERS, tablefmt="github", disable_numparse=True)
    return f"{told}\n\n{table}"


def _rows(group: list[Checked], constant: float, best: float, folder: Path, ranked: bool) -> list[list[str]]:
    def mean(one: Checked) -> float:
        return float(np.mean([claims.standing.reward for claims in one.runs]))

    group = sorted(group, key=lambda one: (-mean(one), one.submission.agent))
    return [
        [str(number) if ranked else "", *_cells(one, constant, best, folder)]
        for number, one in enumerate(group, start=1)
    ]


def _cells(one: Checked, constant: float, best: float, folder: Path) -> list[str]:
    own, found = one.submission, [claims.standing for claims in one.runs]
    rewards = [each.reward for each in found]
    scores = [(reward - constant) / (best - constant) for reward in rewards] if best > constant else []
    macs = float(np.mean([each.macs for each in found]))
    method = plain(own.agent)
    if own.link:
        method = f"[{method}]({own.link})"
    if own.authors:
        method += f" ({plain(own.authors)})"
    different = len({run.masks for run in own.runs})
    diverged = sum(bool(run.diverged) for run in own.runs)
    runs = f"{len(found)}" + (f", {different} different" if different < len(found) else "")
    link = quote(Path(os.path.relpath(one.path, folder)).as_posix())
    return [
        method,
        own.track,
        interval(rewards, 3),
        interval(scores, 3) if scores else "",
        f"{np.mean([each.regret for each in found]):.3f}",
        f"{100 * np.mean([each.accuracy for each in found]):.2f}",
        f"{macs / 1e6:.2f}",
        f"{(macs + own.macs_selection) / 1e6:.2f}",
        f"{round(np.mean([run.pulls for run in own.runs])):,}",
        own.feedback,
        runs + (f", {diverged} diverged" if diverged else ""),
        f"[masks]({link})",
    ]


def plain(text: str) -> str:
    """Text as Markdown that shows it as it is, in a cell of a table too."""
    return re.sub(r"([!-,./:-@\[-`{-~])", r"\\\1", text)

"""Checks submissions: plays their masks again on the live network, and recomputes every figure.

    ada3d benchmark verify mine.json
    ada3d benchmark verify docs/results/leaderboard --leaderboard docs/leaderboard.md

A file is refused where its form, clips or classifier are not the task's, where a figure does not follow from what it
claims of its clips, and where a clip that it claims to be right is wrong, or the other way round. A clip whose two
likeliest classes have nearly the same probability may be right on one machine and wrong on another: such near-ties are
allowed, and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tyro

from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.checking import Checked, Checker, compare_replayed
from ada3d_gym.experiments.benchmark.games import table_path
from ada3d_gym.experiments.benchmark.leaderboard import leaderboard_page
from ada3d_gym.experiments.benchmark.replay import Replayed, replay
from ada3d_gym.experiments.benchmark.submission import read_submission
from ada3d_gym.experiments.benchmark.submit import files_in
from ada3d_gym.experiments.benchmark.suite import read_suite
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import check_output
from ada3d_gym.experiments.intervals import interval
from ada3d_gym.files import replacing


def verify(
    files: tyro.conf.Positional[tuple[Path, ...]],
    table: bool = False,
    clips: int | None = None,
    suite: tuple[Path, ...] = (),
    leaderboard: Path | None = None,
    device: str = "cpu",
) -> None:
    """Verifies.

    Args:
        files: submissions, or folders of them.
        table: look answers up in the outcome tables alone; no video is decoded and no network asked.
        clips: ask the network about the first so many clips only, a spot check; all others are looked up.
        suite: files of suites that do not come with the package.
        leaderboard: page to be made from these files, where all of them hold; docs/leaderboard.md is one.
        device: where the network runs.
    """
    checked_device(device)
    if clips is not None and (table or leaderboard or clips < 1):
        raise InputError(f"clips={clips}: expected at least 1, a spot check, without --table and --leaderboard")
    if leaderboard is not None:
        check_output(leaderboard, "--leaderboard")
    check = Checker({each.name: each for each in (read_suite(str(path)) for path in suite)})
    held: list[Checked] = []
    refused: dict[Path, str] = {}
    for path in files_in(files):
        try:
            held.append(check(path, read_submission(path)))
        except InputError as error:
            refused[path] = str(error)
    ties = {each.path: each.ties for each in held}
    if not table:
        for one, answers in _replayed(held, clips, device):
            try:
                pairs = zip(one.runs, answers, strict=True)
                ties[one.path] = sum(compare_replayed(claims, one.game, each) for claims, each in pairs)
            except InputError as error:
                refused[one.path] = str(error)
    how = "looked up in the outcome table (--table)" if table else "replayed on the live network"
    for one in held:
        if one.path not in refused:
            print(_told(one, how if clips is None else f"of which the first {clips:,} were {how}, a spot check", ties))
    if refused:
        first, *others = refused.values()
        for message in others:
            print(f"refused: {message}")
        raise InputError(f"refused: {first}")
    if leaderboard is not None:
        write_leaderboard(held, leaderboard)


def write_leaderboard(held: Sequence[Checked], path: Path) -> None:
    """The page of submissions that have been verified.

    Raises:
        InputError: where two are of one method, track and task.
    """
    page = leaderboard_page(held, path.parent)
    with replacing(path, "choose another --leaderboard") as part:
        part.write_text(page)


def _replayed(held: Sequence[Checked], clips: int | None, device: str) -> Iterator[tuple[Checked, list[Replayed]]]:
    """What the network answers on the clips of each run; those of one network are asked together, each cell once."""
    groups: dict[str, list[Checked]] = {}
    for one in held:
        task = one.task
        paid = "" if task.reward == "accuracy" else task.name  # right and wrong do not depend on what is paid
        key = [task.env, str(table_path(task, "test")), json.dumps(task.environment, sort_keys=True, default=str), paid]
        groups.setdefault(json.dumps(key), []).append(one)
    for group in groups.values():
        game = group[0].game
        rows = game.rows[:clips]
        runs = [claims for one in group for claims in one.runs]
        numbers = np.concatenate([claims.numbers[:clips] for claims in runs])
        answers = replay(group[0].task, game.table, np.tile(rows, len(runs)), numbers, device=device)
        parts = iter(answers.parts(len(runs)))
        for one in group:
            yield one, [next(parts) for _ in one.runs]


def _told(one: Checked, how: str, ties: dict[Path, int]) -> str:
    submission = one.submission
    reward = interval([claims.standing.reward for claims in one.runs])
    near = f"; {ties[one.path]:,} answers differ, all of them near-ties" if ties[one.path] else ""
    return (
        f"{one.path}: {submission.agent} on {one.task.name}, {len(one.runs)} x {len(one.game):,} clips, {how}: "
        f"reward {reward}{near}"
    )


if __name__ == "__main__":
    run(verify)

"""Makes submissions: of the records of benchmark runs, or of masks of one's own.

ada3d benchmark submit runs/benchmark/motionshapes/heads/TASK/ppo --name "PPO" --output ppo.json
ada3d benchmark submit runs/benchmark/motionshapes/heads --output submissions    # a file for each task and agent
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.games import task_game
from ada3d_gym.experiments.benchmark.record import Feedback, Record, pack_masks, read_record
from ada3d_gym.experiments.benchmark.submission import Rules, Submission, SubmittedRun, check_track, earned, find_task
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask, read_suite
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import folder_name
from ada3d_gym.masks import mask_numbers, split_mask
from ada3d_gym.outcomes.values import Game
from ada3d_gym.progress import counted


@dataclass(frozen=True)
class MaskRun:
    """A run to be submitted.

    Attributes:
        masks: (n, T + K) zeros and ones for all test clips, in the order of the task's outcome table.
        seed, pulls, seconds, versions, diverged: see `ada3d_gym.experiments.benchmark.record.Record`.
    """

    masks: NDArray[Any]
    seed: int = 0
    pulls: int = 0
    seconds: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    diverged: str = ""


def write_submission(
    path: Path | str,
    *,
    suite: str,
    task: str,
    agent: str,
    runs: Sequence[MaskRun],
    feedback: Feedback,
    macs_selection: int,
    options: Mapping[str, Any] | None = None,
    authors: str = "",
    link: str = "",
) -> Submission:
    """A submission of masks that were chosen by whatever means.

    Args:
        path: of the file.
        suite: a name or a file, as `ada3d_gym.experiments.benchmark.suite.read_suite` takes it.
        task: the name of one of its tasks.
        agent: what the method is called.
        runs: one for each seed.
        feedback: "bandit" where it has learned from the masks that it tried, at most the task's `pulls`; "full" where
            it has looked up the outcomes of others; "none" where it has learned nothing.
        macs_selection: multiply-accumulates of the method's own networks for one clip.
        options: its settings.
        authors, link: whose it is, and an http(s) address where more is to be read.

    Raises:
        InputError: for masks of another shape, and for what `read_submission` would refuse.
    """
    own = read_suite(suite)
    found = find_task(own, task)
    submission = _submission(
        found,
        runs,
        suite=own.name,
        agent=agent,
        feedback=feedback,
        macs_selection=macs_selection,
        options=dict(options or {}),
        authors=authors,
        link=link,
    )
    submission.write(Path(path))
    return submission


def _submission(task: BenchmarkTask, runs: Sequence[MaskRun], **named: Any) -> Submission:
    game = task_game(task, "test")
    table = game.table
    return Submission(
        task=Rules.of(task),
        runs=tuple(_submitted(game, each) for each in runs),
        clips_sha256=table.about.clips_sha256,
        classifier_sha256=table.about.classifier_sha256,
        num_frames=table.num_frames,
        num_stages=table.num_stages,
        **named,
    )


def _submitted(game: Game, run: MaskRun) -> SubmittedRun:
    """With what its masks earn, looked up."""
    table, masks = game.table, np.asarray(run.masks)
    expected = (len(game), table.num_frames + table.num_stages)
    if masks.shape != expected:
        raise InputError(
            f"masks of shape {masks.shape}: expected {expected}, a row for each test clip in the table's order "
            "(docs/submitting.md)"
        )
    u, v = split_mask(masks, table.num_frames, table.num_stages)
    correct = table.correct(game.rows, mask_numbers(u, v))
    kept = np.concatenate([u, v], 1)
    return SubmittedRun(
        seed=run.seed,
        pulls=run.pulls,
        masks=pack_masks(kept),
        correct=pack_masks(correct[None]),
        test=earned(game, kept, correct),
        seconds=run.seconds,
        versions=dict(run.versions),
        diverged=run.diverged,
    )


def submit(
    records: tyro.conf.Positional[tuple[Path, ...]],
    output: Path,
    name: str | None = None,
    authors: str = "",
    link: str = "",
) -> None:
    """Writes submissions of benchmark runs.

    Args:
        records: files of runs, or folders of them; runs of one agent on one task go into one submission.
        output: a file, NAME.json, where all runs are of one agent and task; else a folder, which gets
            SUITE/TRACK/TASK/AGENT.json for each.
        name: what the method is called; the agent's name by default.
        authors: whose it is.
        link: an http(s) address where more is to be read.
    """
    groups: dict[tuple[str, str, str, str], list[tuple[Path, Record]]] = {}
    for path in files_in(records, "seed*.json"):
        record = read_record(path)
        key = record.suite, record.track, record.task.name, record.agent
        groups.setdefault(key, []).append((path, record))
    single = output.suffix == ".json"
    if single and len(groups) > 1:
        raise InputError(
            f"{output} would be of {len(groups)} agents and tasks: give a folder as --output, or one's runs"
        )
    if name is not None and len({agent for *_, agent in groups}) > 1:
        raise InputError(f"name={name!r} would be of several agents: submit the runs of one at a time")
    for (suite, track, task, agent), group in counted(groups.items(), len(groups), "writing submissions", "file"):
        submission = _of_records(group, name or agent, authors, link)
        submission.write(output if single else output / suite / track / task / f"{folder_name(name or agent)}.json")
    print(f"submissions: {len(groups)}, of {sum(map(len, groups.values()))} runs, in {output}")


def files_in(paths: Sequence[Path], pattern: str = "*.json") -> list[Path]:
    """Files, and those in folders whose names are like the pattern, each once.

    Raises:
        InputError: where there are none.
    """
    found = [each for path in paths for each in (sorted(path.rglob(pattern)) if path.is_dir() else [path])]
    if not found:
        raise InputError(
            f"no JSON files in {', '.join(map(str, paths)) or 'nothing'}: expected files or folders of them"
        )
    return list(dict.fromkeys(found))


def _of_records(group: list[tuple[Path, Record]], name: str, authors: str, link: str) -> Submission:
    """Of runs of one agent on one task.

    Raises:
        InputError: where they cannot be of one method, and for runs on other clips or another classifier than now.
    """
    path, first = group[0]
    check_track(first.track)
    about = task_game(first.task, "test").table.about
    for other, record in group:
        for key in ("task", "options", "feedback", "macs_selection"):
            if getattr(record, key) != getattr(first, key):
                raise InputError(
                    f"{other} and {path} have different {key}: submit them one by one, with names of their own"
                )
        for key in ("clips_sha256", "classifier_sha256"):
            if getattr(record, key) != getattr(about, key):
                raise InputError(f"{other} is a run on other test clips or another classifier ({key}): run it again")
    runs = [
        MaskRun(each.mask_array(), each.seed, each.pulls, each.seconds, each.versions, each.diverged)
        for _, each in sorted(group, key=lambda pair: pair[1].seed)
    ]
    return _submission(
        first.task,
        runs,
        suite=first.suite,
        agent=name,
        track=first.track,
        feedback=first.feedback,
        macs_selection=first.macs_selection,
        options=first.options,
        authors=authors,
        link=link,
    )


if __name__ == "__main__":
    run(submit)

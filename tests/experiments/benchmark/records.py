"""Records of runs that nobody made: masks that are near each clip's best, worth what the tables say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.experiments.benchmark.games import standing, task_game
from ada3d_gym.experiments.benchmark.record import Feedback, Point, Record, Track, pack_masks
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask, Suite
from ada3d_gym.experiments.folders import folder_name
from ada3d_gym.outcomes.values import Game
from ada3d_gym.seeding import spawn

CURVE = (0, 105, 420, 1680, 3360)


def write_records(
    output: Path,
    suite: Suite,
    skills: dict[str, float],
    seeds: Sequence[int] = (0, 1, 2),
    *,
    track: Track = "heads",
    feedback: Feedback = "bandit",
    **changes: object,
) -> list[Path]:
    """A record for each task, agent and seed, where `ada3d benchmark run` would leave them.

    Args:
        output: of all runs.
        suite: the tasks.
        skills: of each agent, the share of clips that get their best mask in the end; the others keep everything.
        seeds: of the runs.
        track, feedback: of all records.
        changes: further fields of all records.
    """
    paths = []
    for task in suite.tasks:
        games = task_game(task, "test"), task_game(task, "train")
        for agent, skill in skills.items():
            for seed in seeds:
                record = _made(suite.name, task, games, agent, skill, seed, track, feedback)
                folder = output / suite.name / track / task.name / "@".join(map(folder_name, agent.split("@")))
                paths.append(folder / f"seed{seed}.json")
                paths[-1].parent.mkdir(parents=True, exist_ok=True)
                Record(**{**vars(record), **changes}).write(paths[-1])
    return paths


def _made(
    suite: str,
    task: BenchmarkTask,
    games: tuple[Game, Game],
    agent: str,
    skill: float,
    seed: int,
    track: Track,
    feedback: Feedback,
) -> Record:
    test, train = games
    rng = np.random.default_rng(spawn(seed, *agent.encode()))
    skill = float(np.clip(skill + rng.normal(0, 0.03), 0, 1))
    masks = _masks(test, skill, rng)
    points = [
        Point(pulls, standing(test, _masks(test, skill * np.log1p(pulls) / np.log1p(CURVE[-1]), rng)))
        for pulls in CURVE[:-1]
    ]
    worth = standing(test, masks)
    return Record(
        suite=suite,
        task=task,
        track=track,
        agent=agent,
        seed=seed,
        options={"lr": 0.001},
        feedback=feedback,
        pulls=CURVE[-1],
        macs_selection=300_000,
        test=worth,
        train=standing(train, _masks(train, skill, rng)),
        curve=(*points, Point(CURVE[-1], worth)),
        num_frames=test.table.num_frames,
        num_stages=test.table.num_stages,
        masks=pack_masks(masks),
        clips_sha256=test.table.about.clips_sha256,
        classifier_sha256=test.table.about.classifier_sha256,
        seconds=1.5 + seed,
    )


def _masks(game: Game, skill: float, rng: np.random.Generator) -> NDArray[np.int8]:
    """The best one of that share of clips, everything for the others."""
    best = rng.random(len(game)) < skill
    return np.where(best[:, None], game.oracle().masks, 1).astype(np.int8)

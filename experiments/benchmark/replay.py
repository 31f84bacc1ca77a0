"""Plays masks again on the live network, on clips decoded from their videos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask
from ada3d_gym.masks import all_masks, split_mask
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.outcomes.classifier import check_clips, check_network
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.progress import Progress
from ada3d_gym.registration import ENVIRONMENTS
from ada3d_gym.video.clips import VideoClips

BATCH = 128  # pulls at a time


@dataclass(frozen=True)
class Replayed:
    """What the network said of B cells.

    Attributes:
        correct: (B,) bool.
        reward: (B,) float64, as the task pays.
        files: of the videos (B,).
    """

    correct: NDArray[np.bool_]
    reward: NDArray[np.float64]
    files: NDArray[np.object_]

    def parts(self, count: int) -> list[Replayed]:
        """The same in so many equal parts."""
        split = (np.split(each, count) for each in (self.correct, self.reward, self.files))
        return [Replayed(*each) for each in zip(*split, strict=True)]


def replay(
    task: BenchmarkTask,
    table: OutcomeTable,
    rows: NDArray[np.int64],
    numbers: NDArray[np.int64],
    *,
    device: str = "cpu",
) -> Replayed:
    """Pulls the clips of a table's rows (B,) under masks of these numbers (B,); what occurs twice is pulled once.

    Videos are decoded (and drawn, where they are MotionShapes's) up to the last that is needed.

    Raises:
        TableError: where the clips or the network here are not the table's.
        VideoError: for a video that cannot be read.
    """
    cells, places = np.unique(rows * table.num_masks + numbers, return_inverse=True)  # rising: a clip's come together
    clip = table.arrays["clip"][cells // table.num_masks]
    number = cells % table.num_masks
    given = {key: value for key, value in task.environment.items() if key != "features"}
    settings = ENVIRONMENTS[task.env] | given | {"split": "test", "views": table.about.views, "observation": "index"}
    settings["videos"] = int(clip[-1]) // table.about.views + 1
    bandit = build_bandit(**settings, gamma=task.gamma, cost=task.cost, reward=task.reward, device=device)
    source, classifier = bandit.source, bandit.classifier
    assert isinstance(source, VideoClips) and isinstance(classifier, NetworkClassifier)
    check_clips(table, source)
    check_network(table, classifier, f"the network of {task.env}")
    masks = all_masks(table.num_frames, table.num_stages)
    correct, reward = np.empty(len(cells), np.bool_), np.empty(len(cells))
    starts = range(0, len(cells), BATCH)
    with Progress(len(cells), f"replaying on {task.env}", "pull") as shown:
        for start in starts:
            part = slice(start, start + BATCH)
            source.expect(np.unique(clip[start : start + 2 * BATCH]))
            u, v = split_mask(masks[number[part]], table.num_frames, table.num_stages)
            outcome = bandit.pull(clip[part], u, v)
            if (outcome.macs != table.macs[number[part]]).any():
                raise InputError(f"{table.name} counts other multiply-accumulates than the network: make it again")
            correct[part], reward[part] = outcome.correct, outcome.reward
            shown.add(len(outcome.reward))
    bandit.source.close()
    return Replayed(correct[places], reward[places], source.paths(clip)[places])

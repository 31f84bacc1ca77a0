"""What clips of untrimmed MotionShapes tell, by where they lie and by how many are looked at:

    ada3d places
    ada3d places --selection shipped

Prints two tables. The first averages the class probabilities of some clips of each video: evenly spread ones, as plain
testing has them, and drawn ones. The second parts the clips of all places into those that lie wholly in their video's
event, those that meet it, and those outside, of which nobody can tell the class: 1 of 14 is right by chance.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from ada3d_gym.experiments.cli import run
from ada3d_gym.metrics import mean_average_precision, top1
from ada3d_gym.progress import counted
from ada3d_gym.seeding import spawn
from ada3d_gym.untrimmed.building import build_looks
from ada3d_gym.untrimmed.looks import ClipLooks
from ada3d_gym.untrimmed.protocols import Look, nearest_place
from ada3d_gym.video.motionshapes import UNTRIMMED

COUNTS = (1, 2, 3, 5, 10)


def places(
    split: str = "test",
    videos: int | None = None,
    checkpoint: Path | None = None,
    selection: str | None = None,
    num_frames: int = 8,
    seed: int = 0,
    device: str = "cpu",
) -> None:
    """Prints the tables.

    Args:
        split: train, val or test.
        videos: use the first so many only.
        checkpoint: weights of the 3D network; the shipped ones by default.
        selection: a selection network that masks the clips, a run's selection.safetensors, or "shipped"; all frames and
            stages are kept by default.
        num_frames: of a clip, 8 or 16.
        seed: of the drawn clips.
        device: where networks run.
    """
    looks = build_looks(
        dataset=UNTRIMMED.name,
        split=split,
        videos=videos,
        num_frames=num_frames,
        checkpoint=checkpoint,
        selection=selection,
        device=device,
    )
    count, views = len(looks), looks.places
    parts = []
    groups = np.array_split(np.arange(count), -(-count // 8))
    for some in counted(groups, len(groups), "looking at videos", "group"):
        parts.append(looks.at(np.repeat(some, views), np.tile(np.arange(views), len(some))))
    look = Look(*(np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])))
    scores, targets = look.scores.reshape(count, views, -1), looks.targets(np.arange(count))

    rows = []
    for number in (*COUNTS, views):
        even = nearest_place((np.arange(number) + 0.5) / number, views) if number < views else np.arange(views)
        drawn = spawned_places(count, views, number, seed)
        figures = [scores[:, even].mean(1), np.take_along_axis(scores, drawn[..., None], 1).mean(1)]
        rows.append(
            [number, *(100 * each(mean, targets) for mean in figures for each in (top1, mean_average_precision))]
        )
    print(tabulate(rows, ["clips", "even: top-1", "even: mAP", "drawn: top-1", "drawn: mAP"], "github", floatfmt=".1f"))
    print()
    print(tabulate(_by_place(looks, look, targets), "keys", "github", floatfmt=".1f"))


def spawned_places(videos: int, views: int, number: int, seed: int) -> NDArray[np.int64]:
    """Different places (videos, number) of each video, drawn."""
    draws = np.random.default_rng(spawn(seed, number)).random((videos, views))
    return np.asarray(draws.argsort(1)[:, :number], np.int64)


def _by_place(looks: ClipLooks, look: Look, targets: NDArray[np.bool_]) -> dict[str, list[str | float]]:
    """Columns of the second table."""
    inside, meets = [], []
    for clip in range(len(looks.clips)):
        record = looks.clips.record(clip)
        numbers, (first, end) = looks.clips.frame_numbers(clip, record.frames), record.visible or (0, record.frames)
        inside.append(first <= numbers[0] and numbers[-1] < end)
        meets.append(first <= numbers[-1] and numbers[0] < end)
    wholly, partly = np.array(inside), np.array(meets) & ~np.array(inside)
    groups = {"wholly in the event": wholly, "partly": partly, "outside": ~np.array(meets), "all": np.ones_like(wholly)}
    right = targets.repeat(looks.places, 0)[np.arange(len(look.scores)), look.scores.argmax(1)]
    figures: dict[str, NDArray[np.floating]] = {
        "top-1": 100.0 * right,
        "highest probability": 100.0 * look.scores.max(1),
        "frames": look.frames * 1.0,
        "stages": look.stages * 1.0,
        "MMACs": look.macs / 1e6,
    }
    columns: dict[str, list[str | float]] = {"clips": list(groups)}
    columns["share"] = [100 * float(group.mean()) for group in groups.values()]
    return columns | {name: [float(each[group].mean()) for group in groups.values()] for name, each in figures.items()}


if __name__ == "__main__":
    run(places)

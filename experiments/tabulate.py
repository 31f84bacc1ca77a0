"""Makes an outcome table: what the classifier answers on every clip of a split under every mask.

    ada3d tabulate Ada3D-MotionShapes-v1 --split test
    ada3d tabulate Ada3D-MotionShapes-v1 --split test --parts confidence label    # with more than right and wrong
    ada3d tabulate Ada3D-FCVID-v0 --split test --checkpoint runs/…/classifier.safetensors --device cuda

Several processes share the work, here or on other machines that see the same folder. Machines that do not share one
build a shard each, and one of them puts all together:

    ada3d tabulate ID --split test --shard 1/2                       # on one machine
    ada3d tabulate ID --split test --shard 2/2                       # on the other
    ada3d tabulate ID --split test --merge FOLDER-OF-THE-OTHER       # on the first

Interrupted and started again, the command goes on where it was, and ends in the same bytes.
"""

from __future__ import annotations

import platform
import shlex
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tyro

from ada3d_gym.building import build_bandit
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import check_output
from ada3d_gym.experiments.timing import one_thread
from ada3d_gym.experiments.workers import processes, wait_for_any, workers
from ada3d_gym.observers import SPLITS
from ada3d_gym.outcomes.building import Build
from ada3d_gym.outcomes.storage import part_path
from ada3d_gym.outcomes.table import load_table
from ada3d_gym.progress import Progress
from ada3d_gym.registration import arguments_of
from ada3d_gym.video_sets import short_name

PACKAGES = ("ada3d-gym", "av", "numpy", "safetensors", "torch", "torchvision")


@dataclass(frozen=True)
class Share:
    """A process's part of a build: whatever of these chunks nobody else makes.

    Attributes:
        settings: arguments of `build_bandit`.
        folder: of the chunks.
        parts: see `Build`.
        numbers: of the chunks.
    """

    settings: dict[str, Any]
    folder: Path
    parts: tuple[str, ...]
    numbers: tuple[int, ...]
    title = ""  # it is a part of one work, and nobody need know which

    def do(self) -> None:
        with one_thread(self.settings["device"]):  # the same order of summation, whatever else there is to do
            for _ in Build(build_bandit(**self.settings), self.folder, self.parts).make(self.numbers):
                pass


def tabulate(
    env: tyro.conf.Positional[str],
    split: str = "test",
    views: int | None = None,
    videos: int | None = None,
    data_root: Path | None = None,
    checkpoint: Path | None = None,
    backbone: str | None = None,
    size: int | None = None,
    output: Path | None = None,
    parts: tuple[str, ...] = (),
    workers: int | None = None,
    shard: str | None = None,
    merge: tuple[Path, ...] = (),
    device: str = "cpu",
) -> None:
    """Builds.

    Args:
        env: a registered id.
        split: train, val or test.
        views: clips of each video; by default 1 of a training video, and else the data set's protocol.
        videos: the first so many only.
        data_root: folder of the videos.
        checkpoint: weights of the 3D network.
        backbone: the 3D network.
        size: side of the clips.
        output: the table's file; runs/tables/DATASET-BACKBONE-T-SPLIT.safetensors by default. Its parts lie beside it.
        parts: what to keep besides right and wrong, in files of their own: prediction, confidence (of the prediction),
            label (the labels' probability), label_margin, margin.
        workers: processes; one for each core by default, at most 4, and one on a GPU. Each decodes on its part of the
            cores.
        shard: I/N: make the I-th of N parts of the clips only, and leave it for --merge.
        merge: folders that other shards have left, to be put into the table.
        device: where the network runs.
    """
    known = arguments_of(env)
    checked_device(device)
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: expected one of {', '.join(SPLITS)}")
    if workers is not None and workers < 1:
        raise InputError(f"workers={workers}: expected at least 1")
    given = {"views": views, "videos": videos, "data_root": data_root, "checkpoint": checkpoint, "size": size}
    settings = known | {key: value for key, value in given.items() if value is not None}
    settings |= {"split": split, "device": device} | ({"backbone": backbone} if backbone else {})
    if split == "train":
        settings.setdefault("views", 1)
    name = f"{short_name(settings['dataset'])}-{settings['backbone']}-{settings['num_frames']}-{split}.safetensors"
    path = output or Path("runs") / "tables" / name
    check_output(path)
    bandit = build_bandit(**settings)
    build = Build(bandit, path.with_name(f"{path.name.removesuffix('.safetensors')}.building"), parts)
    if _is_there(path, build):
        print(f"{path}: the table is there; delete it to make it again")
        return
    for folder in merge:
        print(f"{build.take(folder)} chunks taken from {folder}")
    numbers = _shard(shard, build.chunks)
    _make(build, Share(settings, build.folder, build.parts, numbers), workers or processes(device))
    if _is_there(path, build):  # another process has put it together
        print(f"{path}: the table is there")
        return
    missing = len(set(numbers) - set(build.done()))
    if missing:
        print(f"{missing} of {len(numbers)} chunks are being made by other processes: start this command again then")
    elif shard is not None and len(build.done()) < build.chunks:
        print(f"shard {shard} is in {build.folder}: give it to --merge where the others are")
    else:
        table = build.table(
            dataset=settings["dataset"],
            split=split,
            network=settings["backbone"],
            command=_command(env, settings, path, build.parts),
            versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        )
        table.save(path)
        build.remove()
        right = table.all_correct(slice(None))[:, -1].mean()
        print(f"{len(table):,} clips x {table.num_masks:,} masks, {right:.1%} right with everything kept: {path}")


def _is_there(path: Path, build: Build) -> bool:
    """Whether the table has been made, with all parts that are asked for.

    Raises:
        InputError: where there is another table.
    """
    if not path.exists():
        return False
    about = load_table(path).about
    for name in ("clips_sha256", "classifier_sha256", "dtype"):
        if getattr(about, name) != build.identity[name]:
            build.remove()
            raise InputError(
                f"{path} holds another table (its {name} is {getattr(about, name)[:12]}, and would be "
                f"{build.identity[name][:12]}): delete it, or choose another --output"
            )
    if all(part_path(path, name).exists() for name in build.parts):
        build.remove()
        return True
    return False


def _make(build: Build, share: Share, count: int) -> None:
    """Makes the chunks of a share, by so many processes."""
    wanted = set(share.numbers)
    missing = sorted(wanted - set(build.done()))
    if not missing:
        return
    with (
        Progress(len(wanted), "computing outcomes", "chunk", len(wanted) - len(missing)) as shown,
        workers(min(count, len(missing))) as made,
    ):
        for number, worker in enumerate(made):
            start = number * len(missing) // len(made)
            worker.start(replace(share, numbers=tuple(missing[start:] + missing[:start])))
        while busy := [worker for worker in made if worker.busy and worker.outcome() is None]:
            wait_for_any(busy, 1.0)
            shown.reach(len(wanted & set(build.done())))
        shown.reach(len(wanted & set(build.done())))


def _shard(shard: str | None, chunks: int) -> tuple[int, ...]:
    first, slash, count = (shard or "1/1").partition("/")
    if not (slash and first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise InputError(f"shard {shard!r}: expected I/N with 1 <= I <= N, as 2/4")
    return tuple(range(int(first) - 1, chunks, int(count)))


def _command(env: str, settings: dict[str, Any], path: Path, parts: tuple[str, ...]) -> str:
    """What makes the table, however it was made this time."""
    own = arguments_of(env)
    shown = {
        key: value for key, value in settings.items() if key not in ("device", "data_root") and own.get(key) != value
    }
    if "checkpoint" in shown:
        shown["checkpoint"] = Path(shown["checkpoint"]).name  # wherever the file lies, the table is the same
    words = ["ada3d", "tabulate", env]
    for key, value in shown.items():
        words += [f"--{key.replace('_', '-')}", str(value)]
    return shlex.join([*words, "--output", path.name, *(["--parts", *parts] if parts else [])])


if __name__ == "__main__":
    run(tabulate)

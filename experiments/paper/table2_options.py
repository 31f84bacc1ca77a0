"""What `table2` takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ada3d_gym.agents.looking.adaframe_options import PRESETS, AdaFrameOptions, Where
from ada3d_gym.agents.looking.sb3 import Algorithm, LookingSB3Options
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.experiments.folders import check_output
from ada3d_gym.registration import UNTRIMMED
from ada3d_gym.video.motionshapes import UNTRIMMED as EMBEDDED

QUICK_VIDEOS = 28  # two of each class


@dataclass(frozen=True)
class Table2Options:
    """What is reproduced, on what and where.

    Attributes:
        id: an environment of clip selection.
        seeds: runs of each method that draws at random, with seeds 0, 1, …
        quick: few videos and epochs, to see every part run; its numbers mean nothing.
        output: folder of all results; OUTPUT/ID has this table's, and the looks at all videos.
        device: where networks run.
        workers: threads that decode; the cores of this machine over the processes on it by default.
        clips: the columns, K; the paper's by default.
        preset: options of AdaFrame, "paper" or "fast"; by default "fast" for the embedded videos, else "paper".
        data_root: folder of the videos; what the set's environment variable names by default.
        checkpoint: weights of the masked 3D network, such as a run's classifier.safetensors; of the embedded videos,
            the shipped ones by default.
        selection: a whole selection network, a run's selection.safetensors; the id's by default.
        size: side of the clips.
        backbone: the 3D network's name, as i3d_tiny for small videos; the id's by default.
        videos: use the first so many of each split only.
        places: P, clips of each video that can be looked at.
        json: file that gets all rows, too.
        ray: address of a Ray cluster that does the runs, as HOST:PORT; "auto" for the one that this machine belongs to,
            "local" for one of this machine alone. Needs the extra "ray", and an --output that its nodes share.
        ray_cpus: CPU cores that each run has to itself there.
    """

    id: str = "Ada3D-MotionShapesUntrimmed-v0"
    seeds: int = 3
    quick: bool = False
    output: Path = Path("runs/paper")
    device: str = "cpu"
    workers: int | None = None
    clips: tuple[int, ...] = (3, 5, 10)
    preset: Literal["paper", "fast"] | None = None
    data_root: Path | None = None
    checkpoint: Path | None = None
    selection: Path | None = None
    size: int | None = None
    backbone: str | None = None
    videos: int | None = None
    places: int | None = None
    json: Path | None = None
    ray: str | None = None
    ray_cpus: int = 1

    def check(self) -> None:
        """Raises InputError for what cannot be, before anything is computed."""
        checked_device(self.device)
        if self.id not in UNTRIMMED:
            expected = f"expected one of {', '.join(UNTRIMMED)}{did_you_mean([self.id], UNTRIMMED)}"
            raise InputError(f"id={self.id}: no environment of clip selection; {expected}")
        for name in ("seeds", "ray_cpus"):
            if (least := getattr(self, name)) < 1:
                raise InputError(f"{name}={least}: expected at least 1")
        if not self.clips or min(self.clips) < 1:
            raise InputError(f"clips={list(self.clips)}: expected numbers of at least 1")
        if self.json is not None:
            check_output(self.json, "--json")

    @property
    def embedded(self) -> bool:
        """Whether the videos come with the package."""
        return bool(UNTRIMMED[self.id]["dataset"] == EMBEDDED.name)

    @property
    def folder(self) -> Path:
        """Of this table's results."""
        return (self.output / "quick" if self.quick else self.output) / self.id / "table2"

    @property
    def building(self) -> dict[str, Any]:
        """Arguments of `build_looks` but the split, the device and the folder."""
        given = {name: getattr(self, name) for name in ("data_root", "checkpoint", "selection", "size", "backbone")}
        given |= {"videos": self.videos, "places": self.places}
        if self.quick and self.videos is None and self.embedded:
            given["videos"] = QUICK_VIDEOS
        chosen = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
        return UNTRIMMED[self.id] | {name: value for name, value in chosen.items() if value is not None}

    def adaframe(self, clips: int, where: Where) -> AdaFrameOptions:
        """AdaFrame's own options."""
        options = replace(PRESETS[self.preset or ("fast" if self.embedded else "paper")], steps=clips, where=where)
        return replace(options, epochs=2, hidden=32) if self.quick else options

    def sb3(self, clips: int, algorithm: Algorithm, videos: int) -> LookingSB3Options:
        """PPO's: as many looks as AdaFrame has in its training on so many videos."""
        looks = self.adaframe(clips, "learned").epochs * clips * videos
        options = LookingSB3Options(algorithm, clips, looks)
        return replace(options, looks=1, num_envs=8, rollout=8) if self.quick else options

    @property
    def asked(self) -> dict[str, Any]:
        """What shapes results, in plain values; the rest only says where and how many."""
        return {**self.building, "quick": self.quick}


DEFAULTS = Table2Options()


def plain(options: AdaFrameOptions | LookingSB3Options) -> dict[str, Any]:
    """Options as JSON holds them."""
    return asdict(options)

"""Which runs the paper's tables are made of, for telling what they cost.

Runs that tables share count once. Their masks keep what the paper's did: of a data set that it has not, what they kept
on FCVID; with another gamma, as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ada3d_gym.datasets import EMBEDDED, VIDEO_SETS, DataError, find_root, load_index
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.paper import figure3, table1, table4, table5, table6
from ada3d_gym.experiments.paper.figure3 import GAMMAS
from ada3d_gym.experiments.paper.lists import LEARNED, STAGE_1, STAGE_2
from ada3d_gym.experiments.paper.options import PROTOCOL_CLIPS
from ada3d_gym.experiments.paper.phases import Networks, Phase, Videos, judging, phases, pretraining, tuning
from ada3d_gym.experiments.paper.published import TITLES, published
from ada3d_gym.experiments.paper.table1 import LENGTHS
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.precision import Precision
from ada3d_gym.registration import ENVIRONMENTS
from ada3d_gym.video.motionshapes.drawing import CLASSES, FRAMES
from ada3d_gym.video.motionshapes.files import FPS, SPLITS

# As in the paper, section 4.1; Mini-Kinetics of AR-Net as in its paper (Meng et al., 2020: 121,215 and 9,867).
SIZES = {
    "fcvid": Videos(45_611, 45_612, 239),
    "activitynet": Videos(10_024, 4_926, 200),
    "mini-kinetics": Videos(80_000, 5_000, 200),
    "mini-kinetics-adafocus": Videos(121_215, 9_867, 200),
    "kinetics": Videos(240_000, 20_000, 400),
    EMBEDDED: Videos(SPLITS["train"], SPLITS["test"], len(CLASSES)),
}
# Mean seconds of a video: section 4.1, and 10 s of Kinetics (Kay et al., 2017).
SECONDS = {"fcvid": 167, "activitynet": 117, "mini-kinetics": 10, "mini-kinetics-adafocus": 10, "kinetics": 10}
# 135 GB of 254,380 videos of 10 s, as PaddleVideo hands Kinetics-400 out (its docs/en/dataset/k400.md).
BYTES_A_SECOND = 53_000
METHODS = {
    "1": table1.METHODS,
    "4": table4.METHODS,
    "5": tuple(table5.ROWS.values()),
    "6": tuple(table6.ROWS.values()),
    "F3": figure3.METHODS,
}
TABLES = ("1", "3", "4", "5", "6", "F3")
SHARED = ("Upper", "2D only", "Fixed")  # by all seeds, as in `PaperRuns`
AGENTS = {"Random": "random", "Fixed": "best-fixed", "2D": "uniform"}  # by the first word; all others learn


@dataclass(frozen=True)
class Job:
    """A run of a list.

    Attributes:
        name: what it is called; those of one name are one run.
        run: as composed.
        phases: what it does.
        shared: whether all seeds have this one run.
    """

    name: str
    run: Run
    phases: list[Phase]
    shared: bool = False


@dataclass(frozen=True)
class Reproduction:
    """Makes lists of runs.

    Attributes:
        dataset: its name.
        videos: how many there are.
        config: another configuration file than the data set's own.
        masks: share of the operations of a whole clip under learned masks; the paper's by default.
        precision: of passes; the configuration's by default.
        micro_batch: clips in a pass of every network's training; the configuration's by default.
        recompute: see `experiments.configuration.Config.classifier_recompute`; the configuration's by default.
    """

    dataset: str
    videos: Videos
    config: Path | None = None
    masks: float | None = None
    precision: Precision | None = None
    micro_batch: int | None = None
    recompute: bool | None = None

    def jobs(self, table: str) -> Iterator[Job]:
        """The runs of a table, each once.

        Raises:
            InputError: for one that is not known here.
        """
        if table == "3":
            return self._transfer()
        if table not in METHODS:
            raise InputError(f"table {table}: expected some of {', '.join(TABLES)} (Table 2 has an agent of its own)")
        network = "slowonly" if table == "4" else "i3d"
        lengths = LENGTHS if table in ("1", "4") else (8,)
        gammas = ("", *(f", gamma {number}" for number in range(2, len(GAMMAS) + 1))) if table == "F3" else ("",)
        return self._jobs(METHODS[table], network, lengths, gammas)

    def _jobs(
        self, methods: Iterable[str], network: str, lengths: Iterable[int], gammas: Iterable[str]
    ) -> Iterator[Job]:
        named = dict.fromkeys(LEARNED if name == STAGE_1 else name for name in ("Upper", *methods))
        if any(name.startswith("Fixed FT") for name in named):
            named.setdefault("Fixed")
        for frames in lengths:
            for name in named:
                if name in SHARED:
                    yield self._job(name, network, frames)
                else:
                    yield from (self._job(name, network, frames, gamma) for gamma in gammas)

    def _transfer(self) -> Iterator[Job]:
        """Table 3, without the training of the selection network on another data set."""
        yield self._job("Upper", "i3d", 8)
        run = self._compose("reinforce", "i3d", 8)
        networks, share = Networks.of(run, self.videos.classes), self.share("i3d", 8)
        options, train = run.options, self.videos.train
        macs, size = share * networks.whole_train, options["joint_batch_size"] or options["batch_size"]
        tuned = tuning("fine-tuning", options["joint_epochs"] * train, macs, size, networks.selection)
        judged = judging(run, "transferred", self.videos, share * networks.whole_test + networks.selection)
        yield Job("i3d, 8 frames: transferred", run, [tuned, *judged])

    def _job(self, name: str, network: str, frames: int, suffix: str = "") -> Job:
        options: dict[str, int] = {"epochs": 0} if name == STAGE_2 else {}
        agent = AGENTS.get(name.partition(" ")[0], "reinforce")
        if "FT" in name:  # as `Rivals` tunes
            stage_2 = self._compose("reinforce", network, frames).options
            size = stage_2["joint_batch_size"] or stage_2["batch_size"]
            options = {"joint_epochs": stage_2["joint_epochs"], "joint_batch_size": size}
            agent = agent.replace("best-", "")
        run = self._compose(agent, network, frames, **options)
        if name == "Upper":
            networks = Networks.of(run, self.videos.classes)
            own = [*pretraining(run, self.videos, networks), *judging(run, name, self.videos, networks.whole_test)]
        else:
            run = replace(run, classifier_epochs=0, trunk_epochs=0)
            own = phases(run, self.videos, self.share(network, frames), judge_upper=False)
        return Job(f"{network}, {frames} frames: {name}{suffix}", run, own, name in SHARED)

    def _compose(self, agent: str, network: str, frames: int, **options: int) -> Run:
        found = (
            env
            for env, row in ENVIRONMENTS.items()
            if row["dataset"] == self.dataset and row["num_frames"] == frames and row["backbone"].startswith(network)
        )
        chosen: dict[str, Any] = dict(options)
        if agent == "reinforce" and self.micro_batch is not None:
            chosen["micro_batch"] = self.micro_batch
        passes: dict[str, Any] = {"precision": self.precision, "classifier_recompute": self.recompute}
        passes["classifier_micro_batch"] = self.micro_batch
        run = compose(next(found), agent, 0, config=self.config, options=chosen, **passes)
        few = (PROTOCOL_CLIPS,) if network == "i3d" and frames == 8 else ()  # as `Composer` has it
        return replace(run, also_views=few)

    def share(self, network: str, frames: int) -> float:
        """Of the operations of a whole clip under the paper's masks."""
        if self.masks is not None:
            return self.masks
        rows = [row for row in published() if row.backbone.startswith(network) and row.frames_per_clip == frames]
        own = [row for row in rows if row.dataset == TITLES.get(self.dataset)]
        rows = own if any(row.table in "134" for row in own) else [row for row in rows if row.dataset == "FCVID"]
        upper, ours = (
            next(row.gflops_per_clip for row in rows if row.table in "134" and row.method.startswith(method))
            for method in ("Upper", "Ada3D")
        )
        assert upper and ours
        return ours / upper


def reported(dataset: str) -> tuple[str, ...]:
    """The tables that the paper has of a data set, among those known here; Table 1 of others."""
    title = TITLES.get(dataset, "")
    found = {row.table for row in published() if row.dataset == title}
    return tuple(table for table in TABLES if table in found) or ("1",)


class Found(NamedTuple):
    """What is known of a data set's videos.

    Attributes:
        videos: how many there are.
        size: bytes of the files; None where nobody knows.
        seconds: mean length.
        source: where that is from.
    """

    videos: Videos
    size: int | None
    seconds: float
    source: str


def found_videos(dataset: str, data_root: Path | None = None) -> Found:
    """Of the data set's index, or as published.

    Raises:
        DataError: where a folder is given and not indexed, and of videos of one's own without an index.
    """
    if dataset in VIDEO_SETS:
        try:
            root = find_root(dataset, data_root)
            train, test = (load_index(dataset, root, split) for split in ("train", "test"))
            records = [record for index in (train, test) for record in index]
            size, known = sum(record.size for record in records), [each for each in records if each.rate]
            seconds = float(np.mean([each.frames / each.rate for each in known])) if known else SECONDS.get(dataset, 10)
            return Found(Videos(len(train), len(test), len(train.class_names)), size, seconds, f"the index of {root}")
        except DataError:
            if data_root is not None or dataset not in SIZES:
                raise
    videos = SIZES[dataset]
    if dataset not in SECONDS:
        return Found(videos, None, FRAMES / FPS, "the embedded videos")
    size = (videos.train + videos.test) * SECONDS[dataset] * BYTES_A_SECOND
    return Found(videos, size, SECONDS[dataset], "published numbers; bytes assume 53 kB a second of video")

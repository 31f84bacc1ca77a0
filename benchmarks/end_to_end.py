"""From video files to labels: where does the time go, and does it fall with the operations?

    python -m benchmarks.end_to_end            # I3D-R50 at 256 and 224 pixels, and MotionShapes
    python -m benchmarks.end_to_end --quick    # I3D-R50 at 256 alone, 4 clips a video instead of 10, fewer rounds

Upper and Ada3D take turns on the same files, which lie in the page cache. Each turn opens them, decodes and scales the
clips, and ends with a label for each video, by its clips' mean scores. Torch computes on one thread, and another one
decodes while the first waits. Times are CPU time of the whole process, which other work on the machine disturbs least;
wall_over_macs is time_over_macs by the clock, and videos are counted by the clock.

Ada3D also scales the clips for the selection network, runs it, and packs the frames that the masks keep. A network of
random weights takes as long as a trained one, but its masks mean nothing: the selection network runs for real, and then
masks stand in for its own that are drawn for each clip, with the mean usage of the paper's Ada3D on FCVID (Table 1:
5.7 of 8 frames, 2.2 of 5 stages; since every clip keeps at least one frame, the draws keep 6.0). MotionShapes' networks
are the shipped ones, under masks of the same usage.

- time_over_macs: time(Ada3D) / time(Upper), without reading, over the ratio of all their operations, those of the
  selection network included. At 1, time falls exactly as operations do. with_reading_over_macs is the same of all time.
- selection_share: of Upper's time without reading, what choosing takes: scaling for the selection network, and running
  it.
- decoding_share: of Ada3D's time, what reading takes: opening, decoding, scaling and cutting out the square.
- videos_per_second: of Ada3D, one thing after the other; `ahead`, where the next videos are read meanwhile by a thread.

Each is the median over rounds; in `summary`, the worst of I3D-R50's rows, and MotionShapes' under its name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from ada3d_gym.building import build_bandit, build_trunk
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.timing import alternate
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import SelectionNetwork
from ada3d_gym.networks.spec import I3D_R50
from ada3d_gym.progress import Progress
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.sampling import ClipSampler
from benchmarks.from_files import CHOOSING, PARTS, READING, Case, Way, agree
from benchmarks.masked_inference import CLASSES, FRAMES
from benchmarks.memory import keep_freed_memory
from benchmarks.reading import reading_parts
from benchmarks.video_loading import write_videos

WAYS = ("Upper", "Ada3D")
FIGURES = (
    "time_over_macs",
    "wall_over_macs",
    "with_reading_over_macs",
    "selection_share",
    "decoding_share",
    "decoding_share_upper",
    "videos_per_second",
    "videos_per_second_upper",
)


def measure(case: Case, seed: int, on_round: Callable[[], object]) -> dict[str, Any]:
    """One row of the table."""
    agree(case)
    upper, ours = Way(case, chooses=False), Way(case, chooses=True, seed=seed)
    ways = {"videos_per_second": ours, "videos_per_second_upper": upper}
    if len(case.batches) > 1:
        ways["ahead"] = Way(case, chooses=True, ahead=True, seed=seed)
    for turn in range(case.rounds + 1):  # the first warms up
        alternate(ways, 1, warm_up=0)
        if turn:
            on_round()
    computing, macs = PARTS[1:], np.array(ours.macs[1:]) / upper.macs[0]
    whole, part = upper.seconds(*computing), ours.seconds(*computing)
    videos = case.clips / case.sampler.views
    return {
        "videos": case.name,
        "clips a video": case.sampler.views,
        "operations": float(np.median(macs)),
        "time_over_macs": float(np.median(part / whole / macs)),
        "wall_over_macs": float(
            np.median(ours.seconds(*computing, wall=True) / upper.seconds(*computing, wall=True) / macs)
        ),
        "with_reading_over_macs": float(np.median(ours.seconds(*PARTS) / upper.seconds(*PARTS) / macs)),
        "selection_share": float(np.median(ours.seconds(*CHOOSING) / whole)),
        "decoding_share": float(np.median(ours.seconds(READING) / ours.seconds(*PARTS))),
        "decoding_share_upper": float(np.median(upper.seconds(READING) / upper.seconds(*PARTS))),
        **{name: videos / float(np.median(way.seconds(*PARTS, wall=True))) for name, way in ways.items()},
        "milliseconds": {
            name: {part: 1e3 * float(np.median(way.seconds(part))) / case.clips for part in PARTS}
            for name, way in zip(WAYS, (upper, ours), strict=True)
        },
    }


def large(folder: Path, frame: tuple[int, int], size: int, views: int, rounds: int) -> Case:
    """I3D-R50 and MobileNetV2, of random weights, on one video of H.264, a clip's every view in one batch."""
    (record,) = write_videos(folder, 1, *frame, seed=0)
    return Case(
        f"I3D-R50, {size}², of {frame[0]} x {frame[1]}",
        [record],
        [f"class {number}" for number in range(CLASSES)],
        ClipSampler(FRAMES, 8, views, size),
        NetworkClassifier(MaskedResNet3d(I3D_R50, CLASSES).eval(), size, batch_size=5),
        SelectionNetwork(build_trunk(FRAMES, 112), I3D_R50.num_stages).eval(),
        112,
        [np.arange(views)],
        rounds,
    )


def tiny(videos: int, batches: int, rounds: int) -> Case:
    """The shipped I3D and trunk of MotionShapes, on test videos as they are rendered."""
    bandit = build_bandit(split="test", videos=videos * batches)
    source, classifier = bandit.source, bandit.classifier
    assert isinstance(source, VideoClips) and isinstance(classifier, NetworkClassifier)
    return Case(
        "MotionShapes",
        source.records,
        source.class_names,
        source.sampler,
        classifier,
        SelectionNetwork(build_trunk(FRAMES, source.observation_size), bandit.num_stages).eval(),
        source.observation_size,
        np.split(np.arange(len(source)), batches),
        rounds,
    )


def end_to_end(quick: bool = False, json: Path | None = None, seed: int = 0) -> None:
    """Times Upper and Ada3D from files to labels.

    Args:
        quick: I3D-R50 at 256 pixels alone, fewer clips and rounds.
        json: where to write the figures, beside the tables.
        seed: of weights and masks.
    """
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.manual_seed(seed)
    views, rounds = (4, 3) if quick else (10, 5)
    with tempfile.TemporaryDirectory() as folder:
        cases = [large(Path(folder), (320, 240), 256, views, rounds)]
        if not quick:
            cases.append(large(Path(folder), (340, 256), 224, views, rounds))
        cases.append(tiny(32, 4, 5 if quick else 20))
        with Progress(sum(case.rounds for case in cases), "from files to labels", "round") as shown:
            rows = []
            for case in cases:
                shown.doing(case.name)
                rows.append(measure(case, seed, shown.add))
            shown.doing("parts of reading")
            read = [reading_parts(case, 3 if quick else 9) for case in cases]
    summary = summarise(rows)
    flat = [{key: value for key, value in row.items() if key != "milliseconds"} for row in rows]
    print(tabulate(flat, "keys", tablefmt="github", floatfmt=".3f"))
    spent = [{"videos": row["videos"], "way": way, **row["milliseconds"][way]} for row in rows for way in WAYS]
    print("\nmilliseconds of CPU time a clip\n")
    print(tabulate(spent, "keys", tablefmt="github", floatfmt=".2f"))
    print("\nthe same of reading, part by part\n")
    print(tabulate(read, "keys", tablefmt="github", floatfmt=".2f"))
    print("\n" + "\n".join(f"{name}: {value:.3f}" for name, value in summary.items()))
    if json:
        json.write_text(dumps({"summary": summary, "rows": rows, "reading": read}, indent=1) + "\n")


def summarise(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The worst figure of I3D-R50's rows, and those of MotionShapes under its name."""
    *i3d, motionshapes = rows
    summary = {name: float((min if "second" in name else max)(row[name] for row in i3d)) for name in FIGURES}
    return summary | {f"motionshapes_{name}": float(motionshapes[name]) for name in (*FIGURES, "ahead")}


if __name__ == "__main__":
    run(end_to_end)

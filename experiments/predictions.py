"""Predictions as a table to read, and as files for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from ada3d_gym import __version__
from ada3d_gym.files import replacing
from ada3d_gym.prediction.results import Prediction, saved, time_saved
from ada3d_gym.video.records import shown

LEAST_SHOWN = 0.005  # of the scores in the table: half a percent


def table(found: Sequence[Prediction], num_frames: int, num_stages: int) -> str:
    """A row a video, and one below it for each further answer; figures are means over a video's clips."""
    small = max(each.macs_whole for each in found) < 1e9
    scale, unit = (1e6, "MMACs") if small else (1e9, "GMACs")
    beside = any(each.whole is not None for each in found)
    rows: list[list[Any]] = []
    for each in found:
        if not each.clips:
            rows.append([each.video, "error: see above"])
            continue
        frames, stages = _kept(each)
        figures = [f"{frames:.1f} of {num_frames}", f"{stages:.1f} of {num_stages}", f"{_macs(each) / scale:.1f}"]
        first, *others = each.answers or [{"label": "no answer", "score": 0.0}]
        row = [each.video, shown(first["label"]), f"{first['score']:.1%}", *figures, f"{each.saved:.0%}"]
        rows.append([*row, shown(each.whole[0]["label"])] if beside and each.whole else row)
        rows += [
            ["", shown(other["label"]), f"{other['score']:.1%}"] for other in others if other["score"] >= LEAST_SHOWN
        ]
    headers = ["video", "label", "score", "frames", "stages", unit, "saved", *(["whole network"] if beside else [])]
    width = max(map(len, rows))
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    align = ("left", "left", *["right"] * 5, "left")[:width]
    return str(tabulate(rows, headers[:width], disable_numparse=True, colalign=align))


def summary(found: Sequence[Prediction]) -> str:
    """What all of it took, the policy's own network counted, and how it stands beside the whole network."""
    clips = [clip for each in found for clip in each.clips]
    spent = {name: np.mean([clip.milliseconds[name] for clip in clips]) for name in clips[0].milliseconds}
    times = ", ".join(f"{name} {value:.2f}" for name, value in spent.items())
    selection = clips[0].macs_selection / next(each.macs_whole for each in found if each.clips)
    lines = [
        f"{len(clips)} clips; operations saved against the whole network: {saved(found):.0%} "
        f"(the network that chooses costs {selection:.1%} of it, and is counted)",
        f"milliseconds a clip: {times}",
    ]
    judged = [each.agrees for each in found if each.agrees is not None]
    shorter = time_saved(found)
    if judged and shorter is not None:
        whole = np.mean([clip.whole.milliseconds for clip in clips if clip.whole])
        own = spent["selection"] + spent["classifier"]
        lines += [
            f"the whole network gives the same first answer for {sum(judged)} of {len(judged)} videos",
            f"without decoding, a clip takes {own:.2f} ms, and with the whole network {whole:.2f} ms: {shorter:.0%} of "
            "the time saved (medians of turns)",
        ]
    return "\n".join(lines)


def write_json(path: Path, found: Sequence[Prediction], profile: Mapping[str, Any] | None = None) -> None:
    """Everything, as docs/predicting.md describes it.

    Args:
        path: of the file.
        found: what was predicted.
        profile: where the time went, by phase, where that was measured.

    Raises:
        OutputError: where the file cannot be written.
    """
    content: dict[str, Any] = {"package": f"ada3d-gym {__version__}", "videos": [each.as_dict() for each in found]}
    content |= {} if profile is None else {"profile": profile}
    with replacing(path, "choose another --json") as part:
        part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_csv(path: Path, found: Sequence[Prediction]) -> None:
    """A row a video: its answers, and means over its clips.

    Raises:
        OutputError: where the file cannot be written.
    """
    rows = [_row(each) for each in found]
    names = dict.fromkeys(name for row in rows for name in row)
    with (
        replacing(path, "choose another --csv") as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(names))
        writer.writeheader()
        writer.writerows(rows)


def _row(each: Prediction) -> dict[str, Any]:
    row: dict[str, Any] = {"video": each.video, "error": each.error, "clips": len(each.clips)}
    for number, answer in enumerate(each.answers, start=1):
        row |= {f"label {number}": answer["label"], f"score {number}": round(answer["score"], 6)}
    if not each.clips:
        return row
    frames, stages = _kept(each)
    row |= {"frames": round(frames, 3), "stages": round(stages, 3), "macs": round(_macs(each))}
    row |= {"macs whole": each.macs_whole, "saved": round(each.saved, 4)}
    for name in each.clips[0].milliseconds:
        row[f"ms {name}"] = round(float(np.mean([clip.milliseconds[name] for clip in each.clips])), 4)
    if each.whole:
        row |= {"whole network": each.whole[0]["label"], "agrees": each.agrees}
    return row


def _kept(each: Prediction) -> tuple[float, float]:
    """Frames and stages of a clip, on average."""
    frames, stages = ([sum(mask) for mask in masks] for masks in zip(*_masks(each), strict=True))
    return float(np.mean(frames)), float(np.mean(stages))


def _masks(each: Prediction) -> list[tuple[tuple[bool, ...], tuple[bool, ...]]]:
    return [(clip.frame_mask, clip.stage_mask) for clip in each.clips]


def _macs(each: Prediction) -> float:
    """Of a clip on average, the policy's own network counted."""
    return float(np.mean([clip.macs + clip.macs_selection for clip in each.clips]))

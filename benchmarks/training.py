"""What a training step takes: time, memory, copies to the device, waits of the host, sums over processes.

    python -m benchmarks.training --quick                                # tiny networks; two minutes on two cores
    python -m benchmarks.training --device cuda --precision bfloat16     # I3D-R50, 224 pixels, on one GPU
    torchrun --nproc-per-node 8 -m benchmarks.training --device cuda --precision bfloat16 --ways whole

Each step is one that `ada3d train` makes: of the classifier on whole clips and under masks of the paper's mean usage,
of REINFORCE, and of the joint phase. Clips are noise in memory, so that nothing is decoded. A way that is no ratio to
float32 in whole batches says little: all ways take turns. Beside the memory of a step's maps stands the estimate of
`ada3d paper cost`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from json import dumps
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from ada3d_gym import parallel, profiling
from ada3d_gym.devices import checked_device
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import check_output
from ada3d_gym.experiments.paper.memory import gpu_maps
from ada3d_gym.files import writing
from ada3d_gym.precision import Precision
from ada3d_gym.progress import counted
from benchmarks.asking import asked, collectives
from benchmarks.memory import peak_megabytes
from benchmarks.training_steps import Settings, Step, steps

PAPER = Settings("i3d_r50", 224, 112, 64, 256, 1, "cpu")
QUICK = Settings("i3d_tiny", 32, 32, 8, 16, 2, "cpu")
WHOLE = "float32, whole batches"


@dataclass
class Row:
    """One way of one step.

    Attributes:
        ms: of a clip, by the fastest turn; None where memory did not suffice.
        shares: of a step's time by section, see `ada3d_gym.profiling`.
        peak, estimate: MB of feature maps, measured and estimated.
        asks: "copies" to the device, "waits" of the host, "collectives".
    """

    step: str
    way: str
    ms: float | None
    shares: dict[str, float]
    peak: float
    estimate: float
    asks: dict[str, int]


def training(
    quick: bool = False,
    device: str = "cpu",
    precision: Precision = "bfloat16",
    backbone: str | None = None,
    size: int | None = None,
    batch: int | None = None,
    policy_batch: int | None = None,
    micro_batch: int | None = None,
    policy_micro_batch: int | None = None,
    ways: tuple[str, ...] = (),
    turns: int | None = None,
    json: Path | None = None,
) -> None:
    """Times training steps.

    Args:
        quick: small networks and batches.
        device: where networks run.
        precision: beside float32.
        backbone: the 3D network; i3d_r50 by default, i3d_tiny where quick.
        size: side of the clips, in pixels; 224, or 32.
        batch: clips in an update of the classifier, in all processes; 64, or 8.
        policy_batch: clips in an update of REINFORCE; 256, or 16.
        micro_batch: clips in a pass of the classifier, where batches are parted; a quarter by default.
        policy_micro_batch: the same of the selection network.
        ways: those whose name has one of these words, as "whole"; all by default.
        turns: of each way; 5, or 2.
        json: file that gets the figures, too.
    """
    if json is not None:
        check_output(json, "--json")
    with parallel.joined(checked_device(device)) as own_device:
        base = replace(QUICK if quick else PAPER, device=own_device)
        given: dict[str, Any] = {"backbone": backbone, "size": size, "batch": batch, "policy_batch": policy_batch}
        base = replace(base, **{name: value for name, value in given.items() if value is not None})
        base = replace(base, side=min(base.side, base.size))
        chosen = _ways(base, precision, micro_batch, policy_micro_batch)
        chosen = {name: each for name, each in chosen.items() if not ways or any(word in name for word in ways)}
        rows = _measured(chosen, turns or (2 if quick else 5))
    if parallel.rank() > 0:
        return
    print(tabulate([_cells(row, rows) for row in rows], "keys", tablefmt="github", disable_numparse=True))
    summary = summarise(rows)
    print("\n" + "\n".join(f"{name}: {value:.3f}" for name, value in summary.items()))
    if json is not None:
        with writing(json.parent):
            settings = {name: asdict(each) for name, each in chosen.items()}
            content = {"summary": summary, "settings": settings, "rows": [asdict(row) for row in rows]}
            json.write_text(dumps(content, indent=1) + "\n")


def _ways(base: Settings, precision: Precision, micro: int | None, policy_micro: int | None) -> dict[str, Settings]:
    small: dict[str, Any] = {
        "micro_batch": micro or max(1, base.batch // (4 * parallel.world())),
        "policy_micro_batch": policy_micro or max(1, base.policy_batch // (4 * parallel.world())),
    }
    return {
        WHOLE: base,
        "float32, passes": replace(base, **small),
        "float32, passes, maps anew": replace(base, **small, recompute=True),
        f"{precision}, whole batches": replace(base, precision=precision),
        f"{precision}, passes": replace(base, **small, precision=precision),
    }


def _measured(chosen: dict[str, Settings], turns: int) -> list[Row]:
    """A row for each step of each way; ways take turns."""
    made = {way: steps(settings) for way, settings in chosen.items()}
    rows: list[Row] = []
    names = list(next(iter(made.values())))
    for name in counted(names, len(names), "measuring", "step kind", quiet=parallel.rank() > 0):
        able = {way: each[name] for way, each in made.items()}
        found = {}
        for way, step in able.items():
            try:
                found[way] = _row(name, way, chosen[way], step)
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                found[way] = Row(name, way, None, {}, float("nan"), _estimate(chosen[way], step), {})
        for way in [way for _ in range(turns) for way, row in found.items() if row.asks]:
            seconds = _seconds(able[way].run, chosen[way].device)
            row, ms = found[way], 1e3 * seconds / able[way].clips
            row.ms = ms if row.ms is None else min(row.ms, ms)
        rows += found.values()
    return rows


def _row(name: str, way: str, chosen: Settings, step: Step) -> Row:
    """What can be counted; times come later."""
    step.run()
    peak = _peak(step.run, chosen.device)
    with asked() as counts, profiling.recording(chosen.device) as profile:
        step.run()
    asks = {"copies": counts["copies"], "waits": counts["waits"], "collectives": collectives(step.run)}
    (phase,) = profile.as_dict().values()
    whole = sum(each["seconds"] for each in phase["sections"].values())
    shares = {section: each["seconds"] / whole for section, each in phase["sections"].items()}
    return Row(name, way, None, shares, peak, _estimate(chosen, step), asks)


def _estimate(chosen: Settings, step: Step) -> float:
    return gpu_maps(step.phase, chosen.setting(), parallel.world()) / 1e6


def _peak(step: Callable[[], object], device: str) -> float:
    """MB beyond what is held between steps."""
    on = torch.device(device)
    if on.type != "cuda":
        return peak_megabytes(step)
    held = torch.cuda.memory_allocated(on)
    torch.cuda.reset_peak_memory_stats(on)
    step()
    return (torch.cuda.max_memory_allocated(on) - held) / 1e6


def _seconds(step: Callable[[], object], device: str) -> float:
    start = time.perf_counter()
    step()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def summarise(rows: list[Row]) -> dict[str, float]:
    """Of each way, time and memory over those of float32 in whole batches, at the worst; and the largest counts."""
    summary = {}
    base = {row.step: row for row in rows if row.way == WHOLE and row.ms}
    for way in dict.fromkeys(row.way for row in rows if row.way != WHOLE):
        own = [row for row in rows if row.way == way and row.ms and row.step in base]
        key = way.replace(", ", "_").replace(" ", "_")
        if own:
            summary[f"{key}_time"] = max((row.ms or 0) / (base[row.step].ms or 1) for row in own)
            summary[f"{key}_memory"] = max(row.peak / base[row.step].peak for row in own)
    off = [row.estimate / row.peak for row in rows if row.peak > 0]
    summary |= {"estimate_least": min(off, default=float("nan")), "estimate_most": max(off, default=float("nan"))}
    for what in ("copies", "waits", "collectives"):
        summary[f"most_{what}"] = max((row.asks[what] for row in rows if row.asks), default=0)
    return summary


def _cells(row: Row, rows: list[Row]) -> dict[str, str]:
    base = next((each.ms for each in rows if each.step == row.step and each.way == WHOLE), None)
    shares = sorted(row.shares.items(), key=lambda each: -each[1])[:3]
    return {
        "step": row.step,
        "way": row.way,
        "ms a clip": "out of memory" if row.ms is None else f"{row.ms:.2f}",
        "of the first": f"{row.ms / base:.2f}" if row.ms and base else "",
        "maps, MB": f"{row.peak:,.0f}",
        "estimated": f"{row.estimate:,.0f}",
        **{what: str(row.asks.get(what, "")) for what in ("copies", "waits", "collectives")},
        "mostly": ", ".join(f"{name} {share:.0%}" for name, share in shares),
    }


if __name__ == "__main__":
    run(training)

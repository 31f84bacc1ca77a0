"""What does a batch ask of a GPU? Counted without one, on PyTorch's "meta" device.

    python -m benchmarks.device_counts --json counts.json
    python -m benchmarks.device_counts --quick    # of 4 clips under two masks each

A batch is what REINFORCE pulls: 32 clips under four masks each, drawn at random with the paper's mean usage.
"""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from ada3d_gym.experiments.cli import run
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.families import make_network
from ada3d_gym.networks.given import GivenFrames
from ada3d_gym.precision import Precision, dtype_of
from ada3d_gym.progress import counted
from benchmarks.counting import Counted
from benchmarks.masked_inference import CLASSES, random_masks
from benchmarks.networks import SUBJECTS, Subject


def count(subject: Subject, clips: int, samples: int, precision: Precision, seed: int) -> dict[str, Any]:
    """One row of the table."""
    device = torch.device("meta")
    with device:
        network = make_network(subject.spec, CLASSES).eval()
    u, v = (mask.numpy() for mask in random_masks(subject.spec, clips * samples, np.random.default_rng(seed)))
    pixels = torch.zeros(clips, subject.num_frames, 3, subject.size, subject.size, dtype=torch.uint8)
    form = CurrentForm(network, dtype_of(precision))
    form.get()
    with torch.inference_mode():
        with Counted() as renewed:
            current = form.get()
        with Counted() as passed:
            given = GivenFrames(pixels, u, np.tile(np.arange(clips), samples))
            for rows, frames in given.batches(v, len(u), clips, device):
                current(frames, torch.from_numpy(u[rows]), torch.from_numpy(v[rows]))
    stem = passed.stem()
    return {
        "network": subject.spec.name,
        "masks": len(u),
        "stem's convolutions": stem,
        "all convolutions": sum(passed.convolutions.values()),
        "operations": passed.total,
        "operations of folding": renewed.total,
        "copies to the device": passed.copies,
        "megabytes copied": passed.copied_bytes / 1e6,
        "megabytes of all masks' clips": samples * pixels.nbytes / 1e6,
        "waits": renewed.waits + passed.waits,
    }


def device_counts(
    quick: bool = False,
    clips: int = 32,
    samples: int = 4,
    precision: Precision = "bfloat16",
    networks: tuple[str, ...] = tuple(SUBJECTS),
    json: Path | None = None,
    seed: int = 0,
) -> None:
    """Counts calls, copies and waits of one batch.

    Args:
        quick: 4 clips under two masks each.
        clips: of the batch.
        samples: masks of each clip.
        precision: float32, bfloat16 or float16.
        networks: names in `benchmarks.networks.SUBJECTS`.
        json: where to write the figures, beside the table.
        seed: of the masks.
    """
    if quick:
        clips, samples = 4, 2
    named = counted(networks, len(networks), "counting", "network")
    rows = [count(SUBJECTS[name], clips, samples, precision, seed) for name in named]
    print(tabulate([[key, *(row[key] for row in rows)] for key in rows[0]], tablefmt="github", floatfmt=".1f"))
    if json:
        json.write_text(dumps({"rows": rows, "summary": {"waits": max(row["waits"] for row in rows)}}, indent=1) + "\n")


if __name__ == "__main__":
    run(device_counts)

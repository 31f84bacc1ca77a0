"""What does the choice of frames and stages cost, beside a 3D network that computes everything?

    python -m benchmarks.selection           # MobileNetV2 beside I3D-R50, and the networks of MotionShapes
    python -m benchmarks.selection --quick   # those of MotionShapes alone, in few turns

Both networks see uint8 clips of 8 frames, on one thread, all ways in turn. A share of time is the selection network's
fastest turn over that of the 3D network's inference form, every frame and stage on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from json import dumps
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from ada3d_gym.experiments.cli import run
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.macs import MacCounter, count_macs
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import ClipTrunk, SelectionNetwork
from ada3d_gym.networks.spec import I3D_R50, I3D_TINY, ResNet3dSpec
from ada3d_gym.precision import Precision, dtype_of
from ada3d_gym.progress import counted
from benchmarks.memory import keep_freed_memory
from benchmarks.timing import fastest, waited

FRAMES = 8


@dataclass(frozen=True)
class Pair:
    """A selection network's backbone beside a 3D network.

    Attributes:
        backbone: see `ada3d_gym.networks.selection.ClipTrunk`.
        side: of the frames it sees, in pixels.
        spec, size, classes: of the 3D network.
        batches: clips in a batch.
        turns: of measurement, at least.
    """

    backbone: str
    side: int
    spec: ResNet3dSpec
    size: int
    classes: int
    batches: tuple[int, ...]
    turns: int


LARGE = Pair("mobilenet_v2", 112, I3D_R50, 224, 400, (1, 8), 5)
TINY = Pair("mobilenet_v2_tiny", 32, I3D_TINY, 32, 14, (1, 32, 128), 100)


def measure(pair: Pair, batch: int, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """One row of the table."""
    network = MaskedResNet3d(pair.spec, pair.classes).eval().to(device)
    selection = SelectionNetwork(ClipTrunk(FRAMES, pair.backbone), pair.spec.num_stages).eval().to(device)

    def pixels(side: int) -> torch.Tensor:
        return torch.randint(0, 256, (batch, FRAMES, 3, side, side), dtype=torch.uint8).to(device)

    clips, seen = pixels(pair.size), pixels(pair.side)
    u, v = (torch.ones(batch, length, dtype=torch.bool) for length in (FRAMES, pair.spec.num_stages))
    upper, form = inference_form(network, dtype), inference_form(selection, dtype)
    current = CurrentForm(selection, dtype)
    ways: dict[str, Callable[[], object]] = {
        "3D": lambda: upper(clips, u, v),
        "plain": lambda: selection(seen),
        "form": lambda: form(seen),
        "form, checked": lambda: current.get()(seen),
    }

    with torch.inference_mode():
        tolerance = 1e-3 if dtype == torch.float32 else 5e-2
        torch.testing.assert_close(form(seen), selection(seen), atol=tolerance, rtol=tolerance, check_dtype=False)
        ended = {name: waited(way, device) for name, way in ways.items()}
        seconds = fastest(ended, least=pair.turns, most=5 * pair.turns)
    whole = MacCounter.of_spec(pair.spec, pair.size, pair.classes).full(FRAMES)
    row: dict[str, Any] = {"selection network": pair.backbone, "3D network": pair.spec.name, "batch": batch}
    shares = {name: seconds[name] / seconds["3D"] for name in ways if name != "3D"}
    return row | {
        "operations": count_macs(selection, seen[:1]) / whole,
        **shares,
        "3D, s": seconds["3D"],
    }


def selection(
    quick: bool = False, json: Path | None = None, device: str = "cpu", precision: Precision = "float32", seed: int = 0
) -> None:
    """Times selection networks beside the 3D networks that they save time of.

    Args:
        quick: the networks of MotionShapes alone, in few turns.
        json: where to write the figures, beside the table.
        device: where networks run.
        precision: in which they compute, but for the plain module: float32, bfloat16 or float16.
        seed: of weights and clips.
    """
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.manual_seed(seed)
    pairs = (replace(TINY, turns=10),) if quick else (LARGE, TINY)
    cases = [(pair, batch) for pair in pairs for batch in pair.batches]
    on, dtype = torch.device(device), dtype_of(precision)
    rows = [measure(*case, on, dtype) for case in counted(cases, len(cases), "timing networks", "batch size")]
    print(tabulate(rows, "keys", tablefmt="github", floatfmt=".4f"))
    if json:
        json.write_text(dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    run(selection)

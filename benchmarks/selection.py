"""What does the choice of frames and stages cost, beside a 3D network that computes everything?

    python -m benchmarks.selection           # MobileNetV2 beside I3D-R50, and the networks of MotionShapes
    python -m benchmarks.selection --quick   # those of MotionShapes alone

Both networks see uint8 clips of 8 frames, on one thread, all ways in turn. A share of time is the selection network's
fastest turn over that of the 3D network's inference form, every frame and stage on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from benchmarks.memory import keep_freed_memory
from benchmarks.timing import fastest

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


def measure(pair: Pair, batch: int, device: torch.device) -> dict[str, Any]:
    """One row of the table."""
    network = MaskedResNet3d(pair.spec, pair.classes).eval().to(device)
    selection = SelectionNetwork(ClipTrunk(FRAMES, pair.backbone), pair.spec.num_stages).eval().to(device)

    def pixels(side: int) -> torch.Tensor:
        return torch.randint(0, 256, (batch, FRAMES, 3, side, side), dtype=torch.uint8).to(device)

    clips, seen = pixels(pair.size), pixels(pair.side)
    u, v = (torch.ones(batch, length, dtype=torch.bool, device=device) for length in (FRAMES, pair.spec.num_stages))
    upper, form, current = inference_form(network), inference_form(selection), CurrentForm(selection)
    ways: dict[str, Callable[[], object]] = {
        "3D": lambda: upper(clips, u, v),
        "plain": lambda: selection(seen),
        "form": lambda: form(seen),
        "form, checked": lambda: current.get()(seen),
    }

    def waited(way: Callable[[], object]) -> Callable[[], object]:
        def run_way() -> None:
            way()
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        return run_way

    with torch.inference_mode():
        torch.testing.assert_close(form(seen), selection(seen), atol=1e-3, rtol=1e-3)
        seconds = fastest({name: waited(way) for name, way in ways.items()}, least=pair.turns, most=5 * pair.turns)
    whole = MacCounter.of_spec(pair.spec, pair.size, pair.classes).full(FRAMES)
    row: dict[str, Any] = {"selection network": pair.backbone, "3D network": pair.spec.name, "batch": batch}
    shares = {name: seconds[name] / seconds["3D"] for name in ways if name != "3D"}
    return row | {
        "operations": count_macs(selection, seen[:1]) / whole,
        **shares,
        "3D, s": seconds["3D"],
    }


def selection(quick: bool = False, json: Path | None = None, device: str = "cpu", seed: int = 0) -> None:
    """Times selection networks beside the 3D networks that they save time of.

    Args:
        quick: the networks of MotionShapes alone.
        json: where to write the figures, beside the table.
        device: where networks run.
        seed: of weights and clips.
    """
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.manual_seed(seed)
    pairs = (TINY,) if quick else (LARGE, TINY)
    rows = [measure(pair, batch, torch.device(device)) for pair in pairs for batch in pair.batches]
    print(tabulate(rows, "keys", tablefmt="github", floatfmt=".4f"))
    if json:
        json.write_text(dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    run(selection)

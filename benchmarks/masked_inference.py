"""Do masks save the time that they save in operations?

    python -m benchmarks.masked_inference            # I3D-R50, SlowOnly and X3D-S, batches of 1, 4 and 16
    python -m benchmarks.masked_inference --quick    # batches of 4 alone, fewer rounds, no compiled baseline

Every way sees the same clips and, round by round, the same masks: drawn at random for each clip, with the paper's mean
usage. A figure is the median over rounds of time(way) / time(fastest dense form, everything on), divided by the share
of the multiply-accumulates that the masks keep: 1 means that time falls exactly as the operations do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.timing import alternate
from ada3d_gym.networks.families import make_network
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_R50, SLOWONLY_R50, SPECS, X3D_S, NetworkSpec, X3dSpec
from ada3d_gym.networks.x3d import MaskedX3d
from benchmarks.dense import DenseNetwork, DenseResNet3d, group_by_mask, mask_after, one_by_one
from benchmarks.dense_x3d import DenseX3d
from benchmarks.memory import keep_freed_memory, peak_megabytes

FRAMES, CLASSES = 8, 400
USAGE = {
    I3D_R50.name: (5.7, 2.2),
    SLOWONLY_R50.name: (6.6, 1.3),
    X3D_S.name: (5.7 / 8 * 13, 2.2),
}  # the paper's Tables 1 and 4, FCVID, frames and stages; of X3D, whose clips are longer, I3D's shares
PEERS: dict[str, Callable[[DenseNetwork, Tensor, Tensor, Tensor], Tensor]] = {
    "mask after computing": mask_after,
    "group by mask": group_by_mask,
    "one clip at a time": one_by_one,
}


@dataclass(frozen=True)
class Setting:
    """What is measured, and how often."""

    size: int | None
    rounds: int
    compiled: bool
    device: torch.device
    dtype: torch.dtype

    def like(self, x: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
        return x.to(self.device, self.dtype).contiguous(memory_format=memory_format)


def random_masks(spec: NetworkSpec, batch: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Frame masks (B, T) and stage masks (B, K) bool with the paper's mean usage; every clip keeps a frame."""
    frames, stages = USAGE[spec.name]
    length = frames_of(spec)
    u = rng.random((batch, length)) < frames / length
    u[np.arange(batch), rng.integers(length, size=batch)] = True
    v = rng.random((batch, spec.num_stages)) < stages / spec.num_stages
    return torch.from_numpy(u), torch.from_numpy(v)


def frames_of(spec: NetworkSpec) -> int:
    """T: the paper's 8, or what X3D was trained on."""
    return spec.frames if isinstance(spec, X3dSpec) else FRAMES


class Case:
    """One backbone and batch size: a masked and a dense network with the same weights and clips."""

    def __init__(self, spec: NetworkSpec, batch: int, setting: Setting, seed: int):
        generator = torch.Generator().manual_seed(seed)
        self.spec, self.batch, self.setting = spec, batch, setting
        self.frames = frames_of(spec)
        self.size = setting.size or (spec.side if isinstance(spec, X3dSpec) else 224)
        self.network = make_network(spec, CLASSES).eval().to(setting.device, setting.dtype)
        self.clips = setting.like(torch.randn(batch, self.frames, 3, self.size, self.size, generator=generator))
        planes = self.clips.transpose(1, 2)
        self.x = planes.contiguous()
        self.x_last = planes.contiguous(memory_format=torch.channels_last_3d)
        self.counter = MacCounter.of_spec(spec, self.size, CLASSES)
        self.rng = np.random.default_rng(seed)
        self.u, self.v = self.everything()

    def everything(self) -> tuple[Tensor, Tensor]:
        length = self.frames + self.spec.num_stages
        ones = torch.ones(self.batch, length, dtype=torch.bool, device=self.setting.device)
        return ones[:, : self.frames], ones[:, self.frames :]

    def dense(self, fold: bool = False) -> DenseNetwork:
        """The dense network with the same weights."""
        if isinstance(self.network, MaskedX3d):
            return DenseX3d(self.network, fold)
        assert isinstance(self.network, MaskedResNet3d)
        return DenseResNet3d(self.network, fold)

    def draw(self) -> float:
        """New masks for the next round; returns the share of the MACs that they keep."""
        u, v = random_masks(self.spec, self.batch, self.rng)
        share = self.counter(u.numpy(), v.numpy()).sum() / (self.batch * self.counter.full(self.frames))
        self.u, self.v = u.to(self.setting.device), v.to(self.setting.device)
        return float(share)


def inference(case: Case) -> dict[str, float]:
    """Times of forward passes, as ratios; keys as in the table."""
    masked = inference_form(case.network, case.setting.dtype)
    dense, dense_last = case.dense(fold=True), case.dense(fold=True)
    dense_last.to(memory_format=torch.channels_last_3d)
    everything = case.everything()
    ways: dict[str, Callable[[], object]] = {
        "dense": lambda: dense(case.x),
        "dense, channels last": lambda: dense_last(case.x_last),
        "ours, all on": lambda: masked(case.clips, *everything),
        "ours": lambda: masked(case.clips, case.u, case.v),
    }
    if case.setting.compiled:
        compiled = torch.compile(dense_last)
        ways["dense, compiled"] = lambda: compiled(case.x_last)
    for name, way in PEERS.items():
        ways[name] = lambda way=way: way(dense_last, case.x_last, case.u, case.v)  # type: ignore[misc]
    with torch.inference_mode():
        agree(masked(case.clips, *everything), dense_last(case.x_last))
        case.draw()
        expected = masked(case.clips, case.u, case.v)
        for way in PEERS.values():
            agree(expected, way(dense_last, case.x_last, case.u, case.v))
        figures = ratios(case, ways, [name for name in ways if name.startswith("dense")])
        figures["memory, ours"] = peak_megabytes(ways["ours"])
        figures["memory, all on"] = peak_megabytes(ways["ours, all on"])
        figures["memory, dense"] = peak_megabytes(ways["dense, channels last"])
    return figures


def training(case: Case) -> float:
    """Time of a training step under masks over that of the dense network, by the share of the MACs."""
    dense = case.dense().to(memory_format=torch.channels_last_3d)
    targets = torch.zeros(case.batch, dtype=torch.long, device=case.setting.device)

    def step(network: torch.nn.Module, *inputs: Tensor) -> None:
        network.zero_grad(set_to_none=True)
        F.cross_entropy(network(*inputs), targets).backward()

    ways: dict[str, Callable[[], object]] = {
        "dense": lambda: step(dense, case.x),
        "dense, channels last": lambda: step(dense, case.x_last),
        "ours": lambda: step(case.network, case.clips, case.u, case.v),
    }
    return ratios(case, ways, ["dense", "dense, channels last"])["ours"]


def ratios(case: Case, ways: dict[str, Callable[[], object]], dense: list[str]) -> dict[str, float]:
    """Median of time(way) / time(fastest dense), for masked ways also divided by the masks' share of the MACs."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    shares = []
    for round_ in range(case.setting.rounds):
        shares.append(case.draw())
        for name, times in alternate(ways, 1, warm_up=round_ == 0).items():
            seconds[name].extend(times)
    fastest = min(dense, key=lambda name: np.median(seconds[name]))
    figures = {"MAC share": float(np.mean(shares)), "seconds, fastest dense": float(np.median(seconds[fastest]))}
    for name, taken in seconds.items():
        whole = name in dense or name == "ours, all on"
        figures[name] = float(np.median(np.array(taken) / seconds[fastest] / (1 if whole else shares)))
    if "ours, all on" in seconds:
        figures["ours over ours, all on"] = float(
            np.median(np.array(seconds["ours"]) / seconds["ours, all on"] / shares)
        )
    return figures


def agree(ours: Tensor, theirs: Tensor) -> None:
    """All ways compute the same, or their times mean nothing."""
    scale = theirs.abs().max()
    tolerance = 1e-3 if ours.dtype == torch.float32 else 5e-2
    if not torch.allclose(ours / scale, theirs / scale, atol=tolerance):
        raise RuntimeError(f"logits differ by {(ours - theirs).abs().max():.2g} of {scale:.2g}")


def masked_inference(
    quick: bool = False,
    json: Path | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    batches: tuple[int, ...] = (1, 4, 16),
    networks: tuple[str, ...] = tuple(USAGE),
    size: int | None = None,
    rounds: int = 5,
    compiled: bool = True,
    seed: int = 0,
) -> None:
    """Times masked execution against the dense network and against other ways of masking.

    Args:
        quick: one batch size, few rounds, no compiled baseline.
        json: where to write the figures, beside the table.
        device: where networks run.
        dtype: float32, bfloat16 or float16.
        batches: clips in a batch.
        networks: by name.
        size: side of the clips, in pixels; 224, and 160 for X3D-S, by default.
        rounds: of measurement, each with other masks.
        compiled: `torch.compile` the dense network as one more baseline.
        seed: of weights, clips and masks.
    """
    if quick:
        batches, rounds, compiled = (4,), 3, False
    setting = Setting(size, rounds, compiled, torch.device(device), getattr(torch, dtype))
    keep_freed_memory()
    rows: list[dict[str, Any]] = []
    bar = tqdm([(spec, batch) for spec in map(SPECS.__getitem__, networks) for batch in batches], disable=None)
    for spec, batch in bar:
        bar.set_description(f"{spec.name}, {batch} clips")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            case = Case(spec, batch, setting, seed)
        figures = inference(case)
        if batch == max((each for each in batches if each <= 4), default=min(batches)):  # dense training fills memory
            figures["training step"] = training(case)
        rows.append({"backbone": spec.name, "batch": batch, **figures})
        torch._dynamo.reset()
    summary = summarise(rows)
    print(tabulate([{key: _short(value) for key, value in row.items()} for row in rows], "keys", tablefmt="github"))
    print("\n" + "\n".join(f"{name}: {value:.3f}" for name, value in summary.items()))
    if json:
        json.write_text(dumps({"summary": summary, "rows": rows}, indent=1) + "\n")


def summarise(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The worst figure over backbones and batch sizes."""

    def worst(key: str) -> float:
        return max(float(row[key]) for row in rows if key in row)

    summary = {
        "mixed_over_mac_ratio": worst("ours"),
        "mixed_over_all_on_and_mac_ratio": worst("ours over ours, all on"),
        "all_on_over_dense": worst("ours, all on"),
        "train_step_over_mac_share": worst("training step"),
    }
    return summary | {f"{name.replace(' ', '_')}_over_mac_ratio": worst(name) for name in PEERS}


def _short(value: Any) -> Any:
    return f"{value:.2f}" if isinstance(value, float) else value


if __name__ == "__main__":
    run(masked_inference)

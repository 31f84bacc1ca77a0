"""Do masks save the time that they save in operations?

    python -m benchmarks.masked_inference            # I3D-R50, SlowOnly and X3D-S, batches of 1, 4 and 16
    python -m benchmarks.masked_inference --quick    # batches of 2 at 112 px, one round, nothing compiled or trained
    python -m benchmarks.masked_inference --device cuda --precision bfloat16 --batch 8 32 128

Every way sees the same clips and, round by round, the same masks: drawn at random for each clip, with the paper's mean
usage. A figure is the median over rounds of time(way) / time(fastest dense form, everything on), divided by the share
of the multiply-accumulates that the masks keep: 1 means that time falls exactly as the operations do. Dense forms
compute in the same precision. On a CPU, freed memory is kept for the next tensor until a case ends, so that no way pays
for page faults; ways with tensors of other sizes leave gaps in it, and the process grows: to 2.6 GB in batches of 4 of
I3D-R50, and to 11 GB in batches of 16 with compiled forms. On a GPU each turn ends when the GPU is done, and the masks
are packed on the host within the time that is measured.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.devices import checked_device
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.timing import alternate
from ada3d_gym.networks.described import DescribedNetwork
from ada3d_gym.networks.families import make_network
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.spec import NetworkSpec
from ada3d_gym.precision import Precision, dtype_of
from ada3d_gym.progress import Progress
from benchmarks.dense import group_by_mask, mask_after, one_by_one
from benchmarks.memory import give_back_freed_memory, keep_freed_memory, peak_megabytes
from benchmarks.networks import SUBJECTS, Subject
from benchmarks.timing import waited

FRAMES, CLASSES = 8, 400
PEERS: dict[str, Callable[[Any, Tensor, Tensor, Tensor], Tensor]] = {
    "mask after computing": mask_after,
    "group by mask": group_by_mask,
    "one clip at a time": one_by_one,
}
TARGET = 1.15  # of time over the MAC ratio, at batch 32 on a GPU
MOST_TRAINED = 2  # clips: a dense step of an I3D-R50 keeps 1.2 GB for each


@dataclass(frozen=True)
class Setting:
    """What is measured, and how often."""

    rounds: int
    compiled: bool
    device: torch.device
    dtype: torch.dtype
    size: int | None = None


def random_masks(spec: NetworkSpec, batch: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Frame masks (B, T) and stage masks (B, K) bool with the paper's mean usage; every clip keeps a frame."""
    subject = SUBJECTS[spec.name]
    u = rng.random((batch, subject.num_frames)) < subject.frames / subject.num_frames
    u[np.arange(batch), rng.integers(subject.num_frames, size=batch)] = True
    v = rng.random((batch, spec.num_stages)) < subject.stages / spec.num_stages
    return torch.from_numpy(u), torch.from_numpy(v)


class Case:
    """One network and batch size: a masked and a dense form with the same weights and clips."""

    def __init__(self, subject: Subject, batch: int, setting: Setting, seed: int):
        generator = torch.Generator().manual_seed(seed)
        self.subject, self.batch, self.setting = subject, batch, setting
        size, frames = setting.size or subject.size, subject.num_frames
        self.network: DescribedNetwork = make_network(subject.spec, CLASSES).eval().to(setting.device)
        self.clips = torch.randn(batch, frames, 3, size, size, generator=generator).to(setting.device, setting.dtype)
        self.counter = self.network.count(size)
        self.rng = np.random.default_rng(seed)
        self.u, self.v = self.everything()

    def dense(self, fold: bool = False, last: bool = True) -> Any:
        """The dense network, and its clips, channels last or not."""
        order = torch.channels_last_3d if last else torch.contiguous_format
        network = self.subject.dense(self.network, fold=fold).to(memory_format=order)
        return network, self.clips.transpose(1, 2).contiguous(memory_format=order)

    def everything(self) -> tuple[Tensor, Tensor]:
        ones = torch.ones(self.batch, self.subject.num_frames + self.subject.spec.num_stages, dtype=torch.bool)
        return ones[:, : self.subject.num_frames], ones[:, self.subject.num_frames :]

    def draw(self) -> float:
        """New masks, on the host, for the next round; returns the share of the MACs that they keep."""
        self.u, self.v = random_masks(self.subject.spec, self.batch, self.rng)
        share = self.counter(self.u.numpy(), self.v.numpy()).sum() / (
            self.batch * self.counter.full(self.subject.num_frames)
        )
        return float(share)

    def masks(self) -> tuple[Tensor, Tensor]:
        """The masks where the dense network is."""
        return self.u.to(self.setting.device), self.v.to(self.setting.device)


def inference(case: Case, progress: Progress) -> dict[str, float]:
    """Times of forward passes, as ratios; keys as in the table."""
    setting = case.setting
    masked = inference_form(case.network, setting.dtype)
    (dense, x), (dense_last, x_last) = case.dense(fold=True, last=False), case.dense(fold=True)
    for each in (dense, dense_last):
        each.to(setting.dtype)
    everything = case.everything()
    ways: dict[str, Callable[[], object]] = {
        "dense": lambda: dense(x),
        "dense, channels last": lambda: dense_last(x_last),
        "ours, all on": lambda: masked(case.clips, *everything),
        "ours": lambda: masked(case.clips, case.u, case.v),
    }
    if setting.compiled:
        compiled: Any = torch.compile(dense_last)
        ways["dense, compiled"] = lambda: compiled(x_last)
        if setting.device.type == "cuda":
            ours_compiled = inference_form(case.network, setting.dtype)
            ours_compiled.compile_for_inference()
            ways["ours, compiled"] = lambda: ours_compiled(case.clips, case.u, case.v)
    for name, way in PEERS.items():
        ways[name] = lambda way=way: way(dense_last, x_last, *case.masks())  # type: ignore[misc]
    with torch.inference_mode():
        agree(masked(case.clips, *everything), dense_last(x_last))
        case.draw()
        expected = masked(case.clips, case.u, case.v)
        for way in PEERS.values():
            agree(expected, way(dense_last, x_last, *case.masks()))
        figures = ratios(case, ways, [name for name in ways if name.startswith("dense")], progress)
        for name in ("ours", "ours, all on", "dense, channels last"):
            figures[f"memory, {name}"] = peak_megabytes(ways[name], setting.device)
    return figures


def training(case: Case, progress: Progress) -> float:
    """Time of a training step under masks over that of the dense network, by the share of the MACs."""
    (dense, x), targets = case.dense(), torch.zeros(case.batch, dtype=torch.long, device=case.setting.device)
    half = case.setting.dtype != torch.float32

    def step(network: nn.Module, *inputs: Tensor) -> None:
        network.zero_grad(set_to_none=True)
        with torch.autocast(case.setting.device.type, case.setting.dtype if half else torch.bfloat16, half):
            loss = F.cross_entropy(network(*inputs), targets)
        loss.backward()

    ways: dict[str, Callable[[], object]] = {
        "dense": lambda: step(dense, x.float()),
        "ours": lambda: step(case.network, case.clips.float(), case.u, case.v),
    }
    return ratios(case, ways, ["dense"], progress)["ours"]


def ratios(case: Case, ways: dict[str, Callable[[], object]], dense: list[str], progress: Progress) -> dict[str, float]:
    """Median of time(way) / time(fastest dense), for masked ways also divided by the masks' share of the MACs."""

    def counted(name: str, way: Callable[[], object]) -> Callable[[], object]:
        ended = waited(way, case.setting.device)

        def turn() -> None:
            progress.doing(f"{case.subject.spec.name}, {case.batch} clips: {name}")
            ended()
            progress.add()

        return turn

    turns = {name: counted(name, way) for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    shares = []
    for round_ in range(case.setting.rounds):
        shares.append(case.draw())
        for name, times in alternate(turns, 1, warm_up=round_ == 0).items():
            seconds[name].extend(times)
    fastest = min(dense, key=lambda name: np.median(seconds[name]))
    figures = {"MAC share": float(np.mean(shares)), "seconds, fastest dense": float(np.median(seconds[fastest]))}
    for name, taken in seconds.items():
        whole = name in dense or name == "ours, all on"
        figures[name] = float(np.median(np.array(taken) / seconds[fastest] / (1 if whole else shares)))
    if "ours, all on" in seconds:
        over = np.array(seconds["ours"]) / seconds["ours, all on"]
        figures["ours over all on"] = float(np.median(over / shares))
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
    precision: Precision = "float32",
    batch: tuple[int, ...] = (1, 4, 16),
    networks: tuple[str, ...] = tuple(SUBJECTS),
    size: int | None = None,
    rounds: int = 5,
    compiled: bool = True,
    train: bool = True,
    seed: int = 0,
) -> None:
    """Times masked execution against the dense network and against other ways of masking.

    Args:
        quick: one small batch size of small clips, one round, no compiled forms, no training.
        json: where to write the figures, beside the table.
        device: where networks run.
        precision: float32, bfloat16 or float16, of ours and of the dense forms; training runs under autocast.
        batch: clips in a batch; several sizes may be given, the smaller ones for less memory.
        networks: names in `benchmarks.networks.SUBJECTS`.
        size: side of the clips, in pixels; each network's own by default.
        rounds: of measurement, each with other masks.
        compiled: `torch.compile` the dense network as one more baseline, and on a GPU ours too.
        train: time a training step, too, on small batches.
        seed: of weights, clips and masks.
    """
    if quick:
        batch, size, rounds, compiled, train = (2,), size or 112, 1, False, False
    setting = Setting(rounds, compiled, torch.device(checked_device(device)), dtype_of(precision), size)
    torch.backends.cudnn.benchmark = True  # for the dense forms, whose shapes do not change
    keep_freed_memory()
    rows: list[dict[str, Any]] = []
    cases = [(SUBJECTS[name], count) for name in networks for count in batch]
    of_inference = 4 + len(PEERS) + compiled * (1 + (setting.device.type == "cuda"))
    total = (rounds + 1) * (len(cases) * of_inference + 2 * train * len(networks))
    with Progress(total, "masked inference", "turn") as progress:
        for subject, count in cases:
            figures = inference(_case(subject, count, setting, seed), progress)
            _let_go()
            if train and count == min(batch):
                small = min(count, MOST_TRAINED)
                figures["training step"] = training(_case(subject, small, setting, seed), progress)
            rows.append({"backbone": subject.spec.name, "batch": count, **figures})
            _let_go()
    summary = summarise(rows)
    print(tabulate([{key: _short(value) for key, value in row.items()} for row in rows], "keys", tablefmt="github"))
    print("\n" + "\n".join(f"{name}: {value:.3f}" for name, value in summary.items()))
    print(
        f"\n{precision} on {_name(setting.device)}; the target of mixed_over_mac_ratio at batch 32 on a GPU: {TARGET}"
    )
    if json:
        told = {"device": _name(setting.device), "precision": precision}
        json.write_text(dumps({"summary": summary, "rows": rows, **told}, indent=1) + "\n")


def _let_go() -> None:
    """What a case has compiled and freed."""
    torch._dynamo.reset()
    gc.collect()
    give_back_freed_memory()


def _case(subject: Subject, batch: int, setting: Setting, seed: int) -> Case:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Case(subject, batch, setting, seed)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"


def summarise(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The worst figure over networks and batch sizes, and that of each batch size for masks on ours."""

    def worst(key: str, of: list[dict[str, Any]]) -> float:
        return max((float(row[key]) for row in of if key in row), default=float("nan"))

    summary = {"mixed_over_mac_ratio": worst("ours", rows), "all_on_over_dense": worst("ours, all on", rows)}
    for batch in dict.fromkeys(row["batch"] for row in rows):
        alike = [row for row in rows if row["batch"] == batch]
        summary[f"mixed_over_mac_ratio_at_{batch}"] = worst("ours", alike)
    keys = {"train_step_over_mac_share": "training step", "compiled_over_mac_ratio": "ours, compiled"}
    keys["mixed_over_all_on_over_mac_ratio"] = "ours over all on"
    keys |= {f"{name.replace(' ', '_')}_over_mac_ratio": name for name in PEERS}
    return summary | {name: worst(key, rows) for name, key in keys.items() if any(key in row for row in rows)}


def _short(value: Any) -> Any:
    return f"{value:.2f}" if isinstance(value, float) else value


if __name__ == "__main__":
    run(masked_inference)

"""Anybody's checkpoint into a masked network, with a report of what became of every tensor."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ada3d_gym.networks.checkpoints.fitting import CheckpointError, sound
from ada3d_gym.networks.checkpoints.names import FORMATS, OWN, Format, detect, is_left_out, without_pools
from ada3d_gym.networks.checkpoints.states import State, find_state
from ada3d_gym.networks.checkpoints.weights import centre_of
from ada3d_gym.networks.described import DescribedNetwork
from ada3d_gym.networks.pixels import PIXEL_MEAN, PIXEL_STD
from ada3d_gym.seeding import torch_generator


@dataclass(frozen=True)
class LoadReport:
    """What `load_checkpoint` did.

    Attributes:
        path: of the file.
        format: whose names it uses.
        loaded: names here of tensors taken as they are.
        inflated: names here of 2D kernels that became the centre tap of a longer one.
        shortened: names here of kernels of which only the centre tap was taken, of this package's weights of a network
            with more 3D stages.
        skipped: names in the file of tensors that belong to the training, such as momenta.
        replaced: names here of tensors that keep a fresh start, since the classes differ or the file has no head.
        head: in words.
        mean, std: what pixels in [0, 1] are normalised by, as the weights expect.
        where: the key in the file that the weights were under, "" for none.
        prefix: what was taken off all their names, such as "module.".
        left: other keys in the file that hold tensors, such as an optimizer's or an average of the weights.
        without: names here of batch norms that the file has none for, and that do nothing now.
    """

    path: Path
    format: str
    loaded: tuple[str, ...]
    inflated: tuple[str, ...]
    skipped: tuple[str, ...]
    replaced: tuple[str, ...]
    head: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    where: str = ""
    prefix: str = ""
    left: tuple[str, ...] = ()
    shortened: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"{self.path} ({self.format}): {len(self.loaded)} tensors loaded, {len(self.inflated)} inflated from 2D, "
            f"{len(self.skipped)} skipped",
            f"head: {self.head}",
            f"pixels: mean {_listed(self.mean)}; std {_listed(self.std)}",
        ]
        if self.where or self.prefix or self.left:
            taken = f"taken from: {self.where or 'the outermost names'}"
            taken += f", names without {self.prefix}" if self.prefix else ""
            lines.append(taken + (f"; left: {_first(self.left)}" if self.left else ""))
        if self.skipped:
            lines.append(f"skipped: {_first(self.skipped)}")
        if self.shortened:
            lines.append(f"centre taps alone, of a network with more 3D stages: {_first(self.shortened)}")
        if self.without:
            lines.append(f"without: {_first(self.without)}, which the file has none for")
        return "\n".join(lines)


def load_checkpoint(network: DescribedNetwork, path: Path | str, *, seed: int = 0) -> LoadReport:
    """Fills a network from a checkpoint of PySlowFast (.pyth, Caffe2 .pkl), pytorchvideo, MMAction2 (SlowOnly),
    torchvision (2D ResNet, inflated with zero side taps) or this package.

    Of this package's weights, those of an I3D fit SlowOnly, which is I3D with its first three stages off: it takes
    their centre taps. An I3D of PySlowFast or pytorchvideo may have been trained with a temporal pool after res2; its
    weights are those of the network without. Where the number of classes differs, the head starts afresh.

    Args:
        network: left as it was if the checkpoint is refused.
        path: of the file; it is read without running anything in it.
        seed: of a fresh head.

    Raises:
        CheckpointError: for a file that cannot be read, and for one of another architecture, naming the first key that
            does not fit.
    """
    path = Path(path)
    found = find_state(path, detect, f"a checkpoint of {', '.join(each.name for each in FORMATS)}")
    source, form = found.state, detect(found.state)
    assert form is not None
    _refuse_strided(path, form, source)
    plan = _Plan(path, network, form)
    short = without_pools(source) if form.name == "pytorchvideo" else dict.fromkeys(source)
    names = {key: form.rename(short[key] or key) for key in sorted(source)}
    for key, name in plan.with_place(names, source):
        plan.place(key, name, source[key])
    plan.check_complete()
    head = plan.fill_head(seed)
    for name, values, own in (("mean", form.mean, PIXEL_MEAN), ("std", form.std, PIXEL_STD)):
        plan.state.setdefault(f"pixels.{name}", torch.tensor(values or own))
    network.load_state_dict(plan.state)
    return LoadReport(
        path,
        form.name,
        tuple(plan.loaded),
        tuple(plan.inflated),
        tuple(plan.skipped),
        tuple(plan.replaced),
        head,
        tuple(plan.state["pixels.mean"].tolist()),
        tuple(plan.state["pixels.std"].tolist()),
        found.where,
        found.prefix,
        found.left,
        tuple(plan.shortened),
        tuple(plan.without),
    )


def _refuse_strided(path: Path, form: Format, source: State) -> None:
    stem = source.get("backbone.conv1.conv.weight")
    if form.name == "MMAction2" and stem is not None and stem.ndim == 5 and stem.shape[2] > 1:
        raise CheckpointError(
            f"{path}: an I3D of MMAction2 halves time in its stem and its pools, so its weights mean another network; "
            "of MMAction2, SlowOnly fits"
        )


@dataclass
class _Plan:
    """Where each tensor goes, before the network is touched."""

    path: Path
    network: DescribedNetwork
    form: Format
    state: State = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    inflated: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    shortened: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.expected = self.network.state_dict()
        self.keys: dict[str, str] = {}  # ours to theirs

    def with_place(self, names: dict[str, str | None], source: State) -> list[tuple[str, str]]:
        """The file's tensors that go somewhere, and where; notes those of the training and refuses all others."""
        for key, name in names.items():
            if name is not None and name in self.expected:
                if name in self.keys:
                    raise self._refusal(f"{key} has no place beside {self.keys[name]}")
                self.keys[name] = key
            elif is_left_out(key, source[key].numel()):
                self.skipped.append(key)
            else:
                raise self._refusal(f"{key} has no place")
        return [(key, name) for name, key in self.keys.items()]

    def place(self, key: str, name: str, value: Tensor) -> None:
        """Puts the file's tensor `key` where `name` is."""
        wanted = self.expected[name]
        inflates = self.form.flat and name.endswith(".conv.weight") and value.ndim == 4
        if inflates:
            value = _inflate(value, wanted.shape[2])
        elif self.form.name == OWN and (centre := centre_of(value, wanted)) is not value:
            value = centre
            self.shortened.append(name)
        is_head = name.startswith("head.")
        if wanted.ndim == 2 and value.ndim == 5:  # a linear layer as a convolution
            value = value.flatten(1)
        of_others = is_head and value.shape[1:] == wanted.shape[1:] and value.shape != wanted.shape
        if value.shape != wanted.shape and not of_others:
            raise self._refusal(f"{key} has shape {tuple(value.shape)}, expected {tuple(wanted.shape)}")
        value = sound(str(self.path), key, value, wanted)
        if of_others:
            return  # another number of classes: `fill_head` sees to it
        (self.inflated if inflates and wanted.shape[2] > 1 else self.loaded).append(name)
        self.state[name] = value

    def check_complete(self) -> None:
        """Everything but the head, the pixels, counters of batches and some norms must have come."""
        self._see_to_norms()
        for name, wanted in self.expected.items():
            if name in self.keys or name in self.state or name.startswith(("head.", "pixels.")):
                continue
            if name.endswith("num_batches_tracked"):
                self.state[name] = torch.zeros_like(wanted)
            else:
                raise self._refusal(f"nothing in it is {name}, expected with shape {tuple(wanted.shape)}")

    def _see_to_norms(self) -> None:
        """Says of each norm that may be missing whether it is there."""
        for name in self.expected:
            norm, _, key = name.rpartition(".")
            if key != "_extra_state" or name in self.keys:
                continue
            missing = not any(each.startswith(f"{norm}.") for each in self.keys)
            self.state[name] = torch.tensor(not missing)
            if missing:
                self.without.append(norm)
                fresh = nn.BatchNorm2d(len(self.expected[f"{norm}.weight"])).state_dict()
                self.state |= {f"{norm}.{each}": value for each, value in fresh.items()}

    def fill_head(self, seed: int) -> str:
        """Keeps or starts the head; says which."""
        classes = self.expected["head.bias"].shape[0]
        if "head.bias" in self.keys and "head.weight" not in self.keys:
            raise self._refusal(f"{self.keys['head.bias']} has no place without a head.weight")
        if "head.weight" in self.state and "head.bias" not in self.keys:
            self.state["head.bias"] = torch.zeros(classes)  # trained without one
        if {"head.weight", "head.bias"} <= self.state.keys():
            return f"kept, {classes} classes"
        generator = torch_generator(np.random.SeedSequence(seed))
        weight = torch.empty(self.expected["head.weight"].shape).normal_(std=0.01, generator=generator)
        self.state["head.weight"], self.state["head.bias"] = weight, torch.zeros(classes)
        self.replaced.extend(("head.weight", "head.bias"))
        if "head.weight" not in self.keys:
            return f"fresh, {classes} classes: the file has none"
        return f"fresh, {classes} classes: the file's {self.keys['head.weight']} is for another number"

    def _refusal(self, what: str) -> CheckpointError:
        name = self.network.spec.name
        return CheckpointError(
            f"{self.path} ({self.form.name}): {what}, so these are the weights of another network than {name}"
        )


def _inflate(kernel: Tensor, length: int) -> Tensor:
    """(C', C, k, k) to (C', C, t, k, k): the centre tap, and zeros beside it."""
    inflated = kernel.new_zeros(*kernel.shape[:2], length, *kernel.shape[2:])
    inflated[:, :, length // 2] = kernel
    return inflated


def _first(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)

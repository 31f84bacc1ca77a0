"""What agents that train a network to choose masks from pixels share: its making, optimizer, rates and state."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import nn

from ada3d_gym.agents.agent import Agent
from ada3d_gym.agents.costs import policy_macs
from ada3d_gym.agents.portable import Portable, whole_selection
from ada3d_gym.agents.reinforce_options import Optimizer
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_trunk
from ada3d_gym.errors import InputError
from ada3d_gym.masks import read_mask
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.selection import Aggregation, ClipTrunk, MaskLogits, SelectionNetwork
from ada3d_gym.networks.selection_file import save_selection
from ada3d_gym.networks.transfer import masks_as_arrays as as_arrays
from ada3d_gym.networks.transfer import to_device
from ada3d_gym.observers import shows_features
from ada3d_gym.precision import Precision, dtype_of
from ada3d_gym.seeding import Stream, spawn, torch_seed
from ada3d_gym.updates import Updates

__all__ = ["SelectingAgent", "as_arrays", "check_keep", "new_selection", "new_trunk"]


class TrunkOptions(Protocol):
    """Of a network on the pre-trained trunk; see `ada3d_gym.agents.ada3d.Ada3DOptions`."""

    @property
    def weights(self) -> str | None: ...
    @property
    def aggregation(self) -> Aggregation: ...


class SelectionOptions(TrunkOptions, Protocol):
    """Of the paper's selection network."""

    @property
    def keep(self) -> float: ...


def check_keep(options: SelectionOptions) -> None:
    """Raises InputError for what is no probability, or would be certain from the start."""
    if not 0 < options.keep < 1:
        raise InputError(f"keep={options.keep}: expected more than 0, less than 1")


class Rates(Protocol):
    """Learning rates at the start, of the heads and of the pre-trained trunk."""

    @property
    def lr(self) -> float: ...
    @property
    def trunk_lr(self) -> float: ...


def new_trunk(bandit: ClipBandit, options: TrunkOptions) -> ClipTrunk:
    """The trunk that fits what a bandit's policies see; its layers without weights are drawn from torch's generator.

    Of policies that are shown features of frames, the aggregation alone.
    """
    trunk = build_trunk(bandit.num_frames, bandit.source.observation_size, options.weights, options.aggregation)
    if shows_features(bandit.observer):
        trunk.drop_backbone()
    return trunk


def new_selection(
    bandit: ClipBandit, options: SelectionOptions, seed: int, begin: str | None = None
) -> SelectionNetwork:
    """The paper's selection network for a bandit, before training: the same for every agent of a seed.

    Args:
        bandit: whose clips it sees.
        options: of the agent.
        seed: of its weights.
        begin: mask that it keeps about at the start, as text; everything by default.

    Raises:
        InputError: for what is no mask of the bandit.
    """
    mask = None if begin is None else read_mask(begin, bandit.num_frames, bandit.num_stages, "begin")
    with torch_seed(spawn(seed, Stream.SELECTION_WEIGHTS)):
        return SelectionNetwork(new_trunk(bandit, options), bandit.num_stages, options.keep, mask)


class SelectingAgent(Agent):
    """Trains a network that has a `trunk` at one rate and all else at another, both on a cosine to zero.

    Args:
        selection: the network, of uint8 clips (B, T, 3, H, W), or of features (B, T, C) where the bandit shows them.
        bandit: what it learns on.
        options: of the agent, learning rates among them.
        seed, device: see `Agent`.
        optimizer: "adam", or "sgd" with momentum 0.9.
        precision: of the passes that it is trained in.
    """

    trunk_observation = "pixels"

    def __init__(
        self,
        selection: nn.Module,
        bandit: ClipBandit,
        options: Rates,
        *,
        seed: int,
        device: torch.device | str,
        optimizer: Optimizer = "adam",
        precision: Precision = "float32",
    ):
        super().__init__(bandit, options, seed=seed, device=str(device))
        self.selection = selection.to(device)
        self._on = torch.device(device)
        self._acts_in = None if bandit.precision is None else dtype_of(bandit.precision)
        self._form = CurrentForm(self.selection, self._acts_in)
        own = [(name.startswith("trunk."), p) for name, p in selection.named_parameters()]
        trunk, heads = ([p for of_trunk, p in own if of_trunk is wanted] for wanted in (True, False))
        groups = [{"params": trunk, "peak": options.trunk_lr}, {"params": heads, "peak": options.lr}]
        if optimizer == "adam":
            self.optimizer: torch.optim.Optimizer = torch.optim.Adam(groups, options.lr)
        else:
            self.optimizer = torch.optim.SGD(groups, options.lr, momentum=0.9)
        self._updates = Updates(self.selection, self.optimizer, self._on, precision)
        self._network = self._updates.network

    def _output(self, observations: NDArray[Any]) -> Any:
        """What the network says of observations (B, …), computed as it is to act, in float32."""
        shown = to_device(observations, self._on)
        if shown.is_floating_point():  # features of frames
            shown = shown.to(self._acts_in or shown.dtype)
        output = self._form.get()(shown)
        return MaskLogits(*(each.float() for each in output)) if isinstance(output, MaskLogits) else output.float()

    def _set_lr(self, progress: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * 0.5 * (1 + math.cos(math.pi * progress))

    def _count_macs(self) -> int:
        """Of the network, for one clip."""
        return policy_macs(self.bandit, self.selection, self._on)

    def state_dict(self) -> dict[str, Any]:
        """All that `learn` goes on from."""
        state = {
            "epoch": self.epoch,
            "selection": self.selection.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        scale = self._updates.state_dict()
        return state | ({"scale": scale} if scale else {})

    def load_policy_state(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]
        self.selection.load_state_dict(state["selection"])

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.load_policy_state(state)
        self.optimizer.load_state_dict(state["optimizer"])
        self._updates.load_state_dict(state.get("scale", {}))

    def portable(self) -> Portable | None:
        if not isinstance(self.selection, SelectionNetwork):
            return None
        return whole_selection(self.selection, self.bandit)

    def export(self, folder: Path) -> list[Path]:
        """`selection.safetensors`, which `load_selection` reads where it is the paper's network."""
        path = folder / "selection.safetensors"
        if isinstance(self.selection, SelectionNetwork):
            bandit = self.bandit
            save_selection(self.selection, path, bandit.classifier.stage_names, bandit.source.observation_size)
        else:
            save_weights(self.selection, path)
        return [path]

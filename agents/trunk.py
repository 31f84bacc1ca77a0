"""Pre-training the selection network's trunk as a classifier, as the paper does with its MobileNetV2 (section 4.1)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from ada3d_gym import parallel
from ada3d_gym.agents.agent import OnEpoch
from ada3d_gym.agents.figures import Meter
from ada3d_gym.agents.midway import Buffers, Draws, Midway
from ada3d_gym.agents.progress import epoch_batches
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.divergence import check_state, during
from ada3d_gym.finetuning import micro_batches
from ada3d_gym.networks.selection import ClipTrunk
from ada3d_gym.networks.transfer import to_device
from ada3d_gym.precision import Precision
from ada3d_gym.profiling import section
from ada3d_gym.seeding import Stream, spawn, torch_generator, torch_seed
from ada3d_gym.updates import Updates
from ada3d_gym.video.transforms import jitter_colours

_PHASE = "selection trunk"


class TrunkTraining:
    """SGD on the cross entropy of whole clips, as the policy sees them; several labels share the target evenly.

    Args:
        trunk: is trained in place, below a linear layer that is left behind.
        bandit: whose clips it learns.
        epochs, batch_size, seed: of the training.
        lr: of SGD with momentum 0.9 at the start; a cosine takes it to zero.
        device: where it is trained.
        jitter: shuffle and invert colours, as `ada3d pretrain` does, of clips that are not random themselves.
        micro_batch: clips in one pass, where a whole batch takes too much memory: gradients add up to the batch's.
        precision: of the passes, see `ada3d_gym.updates`.
    """

    def __init__(
        self,
        trunk: ClipTrunk,
        bandit: ClipBandit,
        epochs: int,
        batch_size: int,
        lr: float,
        seed: int,
        device: str,
        *,
        jitter: bool = False,
        micro_batch: int | None = None,
        precision: Precision = "float32",
    ):
        self.jitter, self.micro_batch = jitter, micro_batch
        self.bandit, self.epochs, self.batch_size, self.lr, self.seed = bandit, epochs, batch_size, lr, seed
        with torch_seed(spawn(seed, Stream.TRUNK_HEAD)):
            self.network = nn.Sequential(trunk, nn.Linear(trunk.features, len(bandit.source.class_names))).to(device)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr, momentum=0.9, weight_decay=1e-4, nesterov=True)
        self._updates, self._device = Updates(self.network, self.optimizer, device, precision), device
        self.epoch, self.midway = 0, Midway()

    def learn(self, until: int, on_epoch: OnEpoch) -> None:
        """Trains up to epoch `until`; `on_epoch` gets the number of epochs done and the last one's figures."""
        source = self.bandit.source
        while self.epoch < until:
            ids = self.bandit.epoch(np.random.default_rng(spawn(self.seed, Stream.TRUNK, self.epoch)))
            colours = torch_generator(spawn(self.seed, Stream.TRUNK, self.epoch, 1), self._device)
            meter = Meter()
            begun = self.midway.begin(meter=meter, colours=Draws(colours), buffers=Buffers(self.network))
            batches = epoch_batches(source, ids, self.batch_size, _PHASE, self.epoch, self.epochs, done=begun)
            self.network.train()
            for step, (done, whole, batch) in enumerate(batches, start=begun + 1):
                progress = (self.epoch + done) / self.epochs
                for group in self.optimizer.param_groups:
                    group["lr"] = self.lr * 0.5 * (1 + math.cos(math.pi * progress))
                with during(_PHASE, self.epoch + 1, step):
                    meter.add(loss=self._update(batch, whole, colours))
                self.midway.updated(step)
            self.midway.end()
            parallel.share_buffers(self.network)  # whose statistics are each process's own clips'
            with during(_PHASE, self.epoch + 1):
                check_state(self.state_dict())
            self.epoch += 1
            on_epoch(self.epoch, meter.means())

    def _update(self, ids: NDArray[np.int64], whole: int, colours: torch.Generator) -> float:
        """One step of the optimizer on this process's clips of a batch of `whole`; returns the loss before it."""
        source = self.bandit.source
        shown = source.observations(ids)
        with section("transfer"):
            clips = to_device(shown, self._device)
        clips = jitter_colours(clips, colours) if self.jitter else clips
        targets = to_device(source.targets(ids), self._device).float()
        self.optimizer.zero_grad(set_to_none=True)
        losses, weight = [], parallel.weight(whole)
        for rows, part in micro_batches(len(ids), self.micro_batch):
            wanted = targets[rows] / targets[rows].sum(1, keepdim=True)
            with section("updates", len(wanted)), self._updates.averaging(part.last):
                with self._updates.computing():
                    logits = self._updates.network(clips[rows])
                loss = F.cross_entropy(logits.float(), wanted) * part.share
                self._updates.backward(loss * weight)
            losses.append(loss.detach())
        with section("updates"):
            (value,) = self._updates.fetch("the trunk's loss", torch.stack(losses).sum())
            self._updates.step()
        return value

    def state_dict(self) -> dict[str, Any]:
        state = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        scale = self._updates.state_dict()
        own = {"scale": scale, "midway": self.midway.state_dict()}
        return {"epoch": self.epoch, **state} | {name: each for name, each in own.items() if each}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._updates.load_state_dict(state.get("scale", {}))
        self.midway.load_state_dict(state.get("midway", {}))

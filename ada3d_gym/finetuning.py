"""Training the classifier under masks (Eq. 8), the same for every agent."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from torch.nn.modules.dropout import _DropoutNd

from ada3d_gym import parallel
from ada3d_gym.divergence import finite
from ada3d_gym.errors import InputError
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.profiling import section, timed
from ada3d_gym.protocols import Classifier, ClipAnswers
from ada3d_gym.seeding import CallStreams, Stream, spawn, torch_seed


class Part(NamedTuple):
    """What a batch is of the update that its gradient goes into: all of it, or one of several batches.

    Attributes:
        share: of the update's clips.
        first, last: whether the update begins and ends with it.
    """

    share: float = 1.0
    first: bool = True
    last: bool = True


WHOLE = Part()


def parts_of_updates(count: int, size: int, accumulate: int) -> list[Part]:
    """Of the batches of `size` of `count` clips, `accumulate` of them in an update, fewer in the last."""
    parts = []
    for begin in range(0, count, size * accumulate):
        end = min(begin + size * accumulate, count)
        for start in range(begin, end, size):
            stop = min(start + size, end)
            parts.append(Part((stop - start) / (end - begin), start == begin, stop == end))
    return parts


def micro_batches(count: int, size: int | None) -> list[tuple[slice, Part]]:
    """A batch of `count` clips in passes of `size` at the most, one by default, whose gradients add up to an update."""
    parts = parts_of_updates(count, size or count, count)
    starts = range(0, count, size or count)
    return [(slice(start, start + (size or count)), part) for start, part in zip(starts, parts, strict=True)]


class ClassifierTrainer:
    """SGD on the cross entropy of masked clips.

    Args:
        classifier: the network that is trained in place; a `NetworkClassifier`.
        lr: learning rate at the start; `set_progress` takes it down a cosine.
        momentum, weight_decay: of SGD.
        freeze_batch_norm: keep batch norm as in inference. The rewards that the policy saw and the network that pays
            them stay the same function, and clips of a batch can keep different numbers of frames without moving its
            statistics. That needs statistics of this very network: those of a checkpoint from which a layer was left
            out are not, and the training may diverge on them. Otherwise batch norm is as in any training; of several
            processes, each normalises by its own clips, and the statistics are the first one's.
        dropout: probability of all dropout layers while training.
        seed: of dropout.

    Raises:
        InputError: for a classifier that cannot be trained, such as an outcome table.
    """

    def __init__(
        self,
        classifier: Classifier,
        lr: float,
        *,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        freeze_batch_norm: bool = True,
        dropout: float = 0.0,
        seed: np.random.SeedSequence | None = None,
    ):
        if not 0 <= dropout < 1:
            raise InputError(f"dropout={dropout}: expected a probability, less than 1")
        self.classifier, self.lr = _trainable(classifier), lr
        self.freeze_batch_norm, self.dropout = freeze_batch_norm, dropout
        self._draws = CallStreams(spawn(0, Stream.DROPOUT) if seed is None else seed)
        self._network = parallel.wrap(self.classifier.network)
        parameters = self.classifier.network.parameters()
        self.optimizer = torch.optim.SGD(parameters, lr, momentum=momentum, weight_decay=weight_decay, nesterov=True)

    def set_progress(self, done: float) -> None:
        """Sets the cosine schedule to a share of the training in [0, 1]."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * 0.5 * (1 + math.cos(math.pi * done))  # a float: states hold no NumPy

    @timed("classifier updates", counted=1)
    def step(
        self,
        clips: NDArray[np.uint8],
        u: NDArray[np.bool_],
        v: NDArray[np.bool_],
        targets: NDArray[np.bool_],
        part: Part = WHOLE,
    ) -> float:
        """An update, or a part of one, on clips (B, T, 3, H, W) under masks; returns the mean cross entropy.

        Several labels share the target evenly. Clips that keep no frame, or have no label, are left out. Where the
        classifier has a `micro_batch`, no more clips are in a pass, and gradients add up; batch norm that is trained
        sees those of a pass. Of several processes, each gives its own part of the batch, in one pass, and gets its own
        part's loss.

        Raises:
            DivergedError: for a loss that is no number; weights are then as before.
        """
        if part.first:
            self.optimizer.zero_grad(set_to_none=True)
        loss = self._add_gradient(clips, u, v, targets, part.share)
        parameters = (each for group in self.optimizer.param_groups for each in group["params"])
        if part.last and any(each.grad is not None for each in parameters):
            self.optimizer.step()
            self.classifier.invalidate()
        return loss

    def _add_gradient(
        self,
        clips: NDArray[np.uint8],
        u: NDArray[np.bool_],
        v: NDArray[np.bool_],
        targets: NDArray[np.bool_],
        share: float,
    ) -> float:
        kept = u.any(1) & targets.any(1)
        if parallel.total(kept.sum()) == 0:
            return 0.0
        weight = parallel.weight(kept.sum())
        if not kept.any():  # other processes wait for this one's gradients: those of any clip, for nothing
            kept, u, targets = np.arange(len(u)) == 0, np.ones_like(u), np.ones_like(targets)
        device = self.classifier.device
        self._set_mode()
        value, count = 0.0, int(kept.sum())
        for rows in self._passes(np.flatnonzero(kept)):
            with section("transfer"):
                batch, frames, stages, wanted = (torch.from_numpy(a[rows]).to(device) for a in (clips, u, v, targets))
            with torch_seed(self._draws.next(), device) if self.dropout else nullcontext():
                logits = self._network(batch, frames, stages)
            loss = F.cross_entropy(logits, wanted / wanted.sum(1, keepdim=True)) * (len(rows) / count)
            (loss * weight * share).backward()
            value += float(loss.detach())
        if not self.freeze_batch_norm:
            parallel.share_buffers(self.classifier.network)  # all pay rewards from one network
        return finite(value, "the classifier's loss", self.optimizer)

    def _passes(self, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Rows of a batch, pass by pass; processes that wait for each other's gradients take one each."""
        size = self.classifier.micro_batch if parallel.world() == 1 else None
        return np.array_split(rows, -(-len(rows) // size)) if size else [rows]

    def _set_mode(self) -> None:
        """Each time: the network may be shared, and its own modes say nothing of how it is trained."""
        network = self.classifier.network.train(not self.freeze_batch_norm)
        for module in network.modules():
            if isinstance(module, _DropoutNd):
                module.p = self.dropout
                module.train(self.dropout > 0)

    def state_dict(self) -> dict[str, Any]:
        network = self.classifier.network.state_dict()
        return {"network": network, "optimizer": self.optimizer.state_dict(), "draws": self._draws.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.classifier.network.load_state_dict(state["network"])
        self.classifier.invalidate()
        self.optimizer.load_state_dict(state["optimizer"])
        self._draws.calls = state.get("draws", 0)


def _trainable(classifier: Classifier) -> NetworkClassifier:
    if isinstance(classifier, NetworkClassifier):
        return classifier
    if isinstance(classifier, ClipAnswers):
        raise InputError(
            "a table holds what a fixed classifier answers, so nothing here can be trained: leave the classifier's "
            "training out (joint_epochs=0; JointFineTuneCallback), or use outcomes=None, which asks the network"
        )
    raise InputError(f"{type(classifier).__name__} cannot be trained: expected a NetworkClassifier")

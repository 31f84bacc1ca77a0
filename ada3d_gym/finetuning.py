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
from ada3d_gym.errors import InputError
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.transfer import to_device
from ada3d_gym.precision import Precision
from ada3d_gym.profiling import section, timed
from ada3d_gym.protocols import Classifier, ClipAnswers
from ada3d_gym.seeding import CallStreams, Stream, spawn, torch_seed
from ada3d_gym.updates import Updates


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
        precision: of its passes, see `ada3d_gym.updates`; the classifier's by default.

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
        precision: Precision | None = None,
    ):
        if not 0 <= dropout < 1:
            raise InputError(f"dropout={dropout}: expected a probability, less than 1")
        self.classifier, self.lr = _trainable(classifier), lr
        self.freeze_batch_norm, self.dropout = freeze_batch_norm, dropout
        self._draws = CallStreams(spawn(0, Stream.DROPOUT) if seed is None else seed)
        parameters = self.classifier.network.parameters()
        self.optimizer = torch.optim.SGD(parameters, lr, momentum=momentum, weight_decay=weight_decay, nesterov=True)
        own = self.classifier
        self._updates = Updates(own.network, self.optimizer, own.device, precision or own.precision)
        self._learned = False  # whether a clip of the update that is under way can be learned from

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
        sees those of a pass. Of several processes, each gives its own part of the batch, and gets its own part's loss.

        Raises:
            DivergedError: for a loss that is no number; weights are then as before.
        """
        if part.first:
            self.optimizer.zero_grad(set_to_none=True)
            self._learned = False
        loss = self._add_gradient(clips, u, v, targets, part)
        if part.last and self._learned:
            self._updates.step()
            self.classifier.invalidate()
        return loss

    def _add_gradient(
        self,
        clips: NDArray[np.uint8],
        u: NDArray[np.bool_],
        v: NDArray[np.bool_],
        targets: NDArray[np.bool_],
        part: Part,
    ) -> float:
        rows = np.flatnonzero(u.any(1) & targets.any(1))
        if not len(rows) and parallel.world() == 1:
            return 0.0
        device = self.classifier.device
        mine = torch.full((), float(len(rows)), device=device)
        total = parallel.total(mine)
        weight = mine / (total.clamp(min=1) / parallel.world())
        if not len(rows):  # other processes wait for this one's gradients: those of any clip, for nothing
            rows, u, targets = np.arange(1), np.ones_like(u), np.ones_like(targets)
        self._set_mode()
        draws = self._draws.next() if self.dropout else None
        u, v = u[rows], v[rows]
        with section("transfer"):
            wanted = to_device(targets[rows], device)
        size = self.classifier.micro_batch
        passes = np.array_split(np.arange(len(rows)), -(-len(rows) // size) if size else 1)
        losses = []
        for number, each in enumerate(passes):
            own = slice(each[0], each[-1] + 1)
            with self._updates.averaging(part.last and number == len(passes) - 1):
                clip, moment = u[own].nonzero()
                with section("transfer"):
                    frames = to_device(clips[rows[own][clip], moment], device)
                dropped = nullcontext() if draws is None else torch_seed(_of_pass(draws, number), device)
                with dropped, self._updates.computing():
                    logits = self._updates.network(frames, *(torch.from_numpy(each[own]) for each in (u, v)))
                shares = wanted[own] / wanted[own].sum(1, keepdim=True)
                loss = F.cross_entropy(logits.float(), shares) * (len(each) / len(rows))
                self._updates.backward(loss * weight * part.share)
            losses.append(loss.detach())
        if not self.freeze_batch_norm:
            parallel.share_buffers(self.classifier.network)  # all pay rewards from one network
        value, learned = self._updates.fetch("the classifier's loss", torch.stack(losses).sum(), total)
        self._learned |= learned > 0
        return value

    def _set_mode(self) -> None:
        """Each time: the network may be shared, and its own modes say nothing of how it is trained."""
        network = self.classifier.network.train(not self.freeze_batch_norm)
        for module in network.modules():
            if isinstance(module, _DropoutNd):
                module.p = self.dropout
                module.train(self.dropout > 0)

    def state_dict(self) -> dict[str, Any]:
        network, scale = self.classifier.network.state_dict(), self._updates.state_dict()
        state = {"network": network, "optimizer": self.optimizer.state_dict(), "draws": self._draws.calls}
        return state | ({"scale": scale} if scale else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.classifier.network.load_state_dict(state["network"])
        self.classifier.invalidate()
        self.optimizer.load_state_dict(state["optimizer"])
        self._updates.load_state_dict(state.get("scale", {}))
        self._draws.calls = state.get("draws", 0)


def _of_pass(draws: np.random.SeedSequence, number: int) -> np.random.SeedSequence:
    """The stream of a pass of a step: the step's own for the first, so that processes draw as often as each other."""
    return np.random.SeedSequence(draws.entropy, spawn_key=(*draws.spawn_key, number)) if number else draws


def _trainable(classifier: Classifier) -> NetworkClassifier:
    if isinstance(classifier, NetworkClassifier):
        return classifier
    if isinstance(classifier, ClipAnswers):
        raise InputError(
            "a table holds what a fixed classifier answers, so nothing here can be trained: leave the classifier's "
            "training out (joint_epochs=0; JointFineTuneCallback), or use outcomes=None, which asks the network"
        )
    raise InputError(f"{type(classifier).__name__} cannot be trained: expected a NetworkClassifier")

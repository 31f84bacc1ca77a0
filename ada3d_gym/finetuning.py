"""Training the classifier under masks (Eq. 8), the same for every agent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ada3d_gym import parallel
from ada3d_gym.networks.classifier import NetworkClassifier


class ClassifierTrainer:
    """SGD on the cross entropy of masked clips.

    Args:
        classifier: the network that is trained in place.
        lr: learning rate at the start; `set_progress` takes it down a cosine.
        momentum, weight_decay: of SGD.
        freeze_batch_norm: keep batch norm and dropout as in inference. The rewards that the policy saw and the network
            that pays them stay the same function, and clips of a batch can keep different numbers of frames without
            moving its statistics. Otherwise both are as in any training.
    """

    def __init__(
        self,
        classifier: NetworkClassifier,
        lr: float,
        *,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        freeze_batch_norm: bool = True,
    ):
        self.classifier, self.lr, self.freeze_batch_norm = classifier, lr, freeze_batch_norm
        self._network = parallel.wrap(classifier.network)
        parameters = classifier.network.parameters()
        self.optimizer = torch.optim.SGD(parameters, lr, momentum=momentum, weight_decay=weight_decay, nesterov=True)

    def set_progress(self, done: float) -> None:
        """Sets the cosine schedule to a share of the training in [0, 1]."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * 0.5 * (1 + math.cos(math.pi * done))  # a float: states hold no NumPy

    def step(
        self,
        clips: NDArray[np.uint8],
        u: NDArray[np.bool_],
        v: NDArray[np.bool_],
        targets: NDArray[np.bool_],
    ) -> float:
        """One update on clips (B, T, 3, H, W) under masks; returns the mean cross entropy.

        Several labels share the target evenly. Clips that keep no frame are left out. Of several processes, each gives
        its own part of the batch, and gets its own part's loss.
        """
        kept = u.any(1)
        if parallel.total(kept.sum()) == 0:
            return 0.0
        weight = parallel.weight(kept.sum())
        if not kept.any():  # other processes wait for this one's gradients: those of any clip, for nothing
            kept, u = np.arange(len(u)) == 0, np.ones_like(u)
        device = self.classifier.device
        batch, frames, stages, wanted = (torch.from_numpy(a[kept]).to(device) for a in (clips, u, v, targets))
        self.classifier.network.train(not self.freeze_batch_norm)
        loss = F.cross_entropy(self._network(batch, frames, stages), wanted / wanted.sum(1, keepdim=True))
        self.optimizer.zero_grad(set_to_none=True)
        (loss * weight).backward()
        self.optimizer.step()
        self.classifier.invalidate()
        return float(loss.detach())

    def state_dict(self) -> dict[str, Any]:
        return {"network": self.classifier.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.classifier.network.load_state_dict(state["network"])
        self.classifier.invalidate()
        self.optimizer.load_state_dict(state["optimizer"])

"""REINFORCE, the paper's agent: Eq. 5 to 8 and Algorithm 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.masks import join_mask
from ada3d_gym.networks.selection import MaskLogits, SelectionNetwork, greedy
from ada3d_gym.seeding import spawn, torch_generator
from agents.progress import epoch_batches

Bits = NDArray[np.bool_]
Credit = Literal["paper", "joint"]
Baseline = Literal["leave_one_out", "greedy", "none"]


@dataclass(frozen=True)
class ReinforceConfig:
    """How the selection network learns.

    Attributes:
        epochs: E1 of Algorithm 1, with the classifier fixed.
        joint_epochs: E2, with the classifier trained along.
        batch_size: clips in an update.
        samples: masks drawn for each clip of a batch, from one forward pass of the selection network.
        lr: of Adam, for the heads; a cosine takes it to zero over each of the two phases.
        trunk_lr: the same for the pre-trained trunk.
        credit: "paper" pays each head its own reward (Eq. 6); "joint" pays both the sum, the gradient of Eq. 5.
        baseline: what is taken off a reward: the mean of the clip's other samples, the greedy mask's, or nothing.
        exploration: a probability p becomes a p + (1 - a)(1 - p), so that no bit is ever certain; 1 switches this off.
        entropy, final_entropy: weight of the Bernoulli entropy of both heads, at the start and from the end of stage 1
            on. While it holds masks open, frames are judged by what they show; closed early, they freeze into one mask
            for each class.
        seed: of the clips' order and the masks.
    """

    epochs: int = 6
    joint_epochs: int = 4
    batch_size: int = 32
    samples: int = 4
    lr: float = 3e-3
    trunk_lr: float = 3e-4
    credit: Credit = "paper"
    baseline: Baseline = "leave_one_out"
    exploration: float = 0.95
    entropy: float = 0.15
    final_entropy: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("credit", get_args(Credit)), ("baseline", get_args(Baseline))):
            if getattr(self, name) not in choices:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: expected one of {', '.join(choices)}")
        if not 0.5 < self.exploration <= 1:
            raise ValueError(f"exploration={self.exploration}: expected more than 0.5, at most 1")
        if min(self.batch_size, self.samples) < 1:
            raise ValueError(f"batch_size={self.batch_size}, samples={self.samples}: expected at least 1")
        if self.baseline == "leave_one_out" and self.samples < 2:
            raise ValueError("baseline='leave_one_out' needs samples of at least 2")


class Reinforce:
    """The selection network as an agent, and its training.

    Args:
        selection: the two-head network.
        bandit: what it learns on; its classifier is trained too in the joint phase.
        config: see `ReinforceConfig`.
        trainer: of the classifier; only needed for the joint phase.
        device: of the selection network.
    """

    def __init__(
        self,
        selection: SelectionNetwork,
        bandit: ClipBandit,
        config: ReinforceConfig,
        trainer: ClassifierTrainer | None = None,
        device: torch.device | str = "cpu",
    ):
        if config.joint_epochs and trainer is None:
            raise ValueError("joint epochs train the classifier: give Reinforce a ClassifierTrainer")
        self.selection, self.bandit, self.config, self.trainer = selection.to(device), bandit, config, trainer
        self.device = torch.device(device)
        trunk = list(selection.trunk.parameters())
        heads = [p for name, p in selection.named_parameters() if not name.startswith("trunk.")]
        groups = [{"params": trunk, "peak": config.trunk_lr}, {"params": heads, "peak": config.lr}]
        self.optimizer = torch.optim.Adam(groups, config.lr)
        self.epoch = 0  # epochs done, of both phases
        self._entropy_weight = config.entropy

    @property
    def total_epochs(self) -> int:
        return self.config.epochs + self.config.joint_epochs

    @torch.inference_mode()
    def act(self, observations: NDArray[np.uint8]) -> NDArray[np.int8]:
        """The greedy masks (B, T + K) of observations (B, T, 3, H, W).

        Where no frame is likelier kept than dropped, the likeliest is kept: without any there is nothing to classify.
        """
        self.selection.eval()
        logits = self.selection(torch.from_numpy(observations).to(self.device))
        return join_mask(*_arrays(greedy(logits)))

    def learn(self, until: int, on_epoch: Callable[[int, dict[str, float]], None]) -> None:
        """Trains up to epoch `until`; `on_epoch` gets the number of epochs done and their last one's figures."""
        if until > self.total_epochs:
            raise ValueError(f"until={until} is beyond the last of {self.total_epochs} epochs")
        while self.epoch < until:
            figures = self._train_epoch()
            self.epoch += 1
            on_epoch(self.epoch, figures)

    def _train_epoch(self) -> dict[str, float]:
        config = self.config
        joint = self.epoch >= config.epochs
        phase, length = (config.epochs, config.joint_epochs) if joint else (0, config.epochs)
        stream, masks = spawn(config.seed, self.epoch).spawn(2)  # an epoch is repeated alike after a resume
        ids = self.bandit.epoch(np.random.default_rng(stream))
        generator = torch_generator(masks, self.device)
        name = "joint fine-tuning" if joint else "REINFORCE"
        source = self.bandit.source
        meter = _Meter()
        for done, batch in epoch_batches(source, ids, config.batch_size, name, self.epoch - phase, length):
            progress = (self.epoch - phase + done) / length
            self._set_lr(progress)
            held = 0.0 if joint else 1 - progress
            self._entropy_weight = config.final_entropy + held * (config.entropy - config.final_entropy)
            u, v = self._update(batch, generator, meter)
            if joint:
                assert self.trainer is not None
                self.trainer.set_progress(progress)
                # The last sample of each clip stands for the policy's masks.
                loss = self.trainer.step(source.clips(batch), u[-len(batch) :], v[-len(batch) :], source.targets(batch))
                meter.add(classifier_loss=loss)
        return meter.means()

    def _update(self, ids: NDArray[np.int64], generator: torch.Generator, meter: _Meter) -> tuple[Bits, Bits]:
        """One policy gradient step on a batch of clips; returns the masks, (samples * B, T) and (samples * B, K)."""
        config = self.config
        self.selection.eval()  # batch norm stays as pre-trained; nothing else differs between the modes
        logits: MaskLogits = self.selection(torch.from_numpy(self.bandit.source.observations(ids)).to(self.device))
        keep = [self._explore(torch.sigmoid(part)) for part in logits]  # m (B, T) and n (B, K), Eq. 1
        bits = [torch.bernoulli(p.detach().expand(config.samples, *p.shape), generator=generator) for p in keep]
        u, v = (part.flatten(0, 1).bool().cpu().numpy() for part in bits)  # (S * B, …)
        outcome = self.bandit.pull(np.tile(ids, config.samples), u, v)

        objective = torch.zeros((), device=self.device)
        for p, sample, advantage in zip(keep, bits, self._advantages(outcome, ids, logits), strict=True):
            log_prob = (sample * p.log() + (1 - sample) * (1 - p).log()).sum(2)  # (S, B), Eq. 2 and 3
            objective = objective + (advantage * log_prob).mean()  # Eq. 7
            objective = objective + self._entropy_weight * _entropy(p).sum(1).mean()
        self.optimizer.zero_grad(set_to_none=True)
        (-objective).backward()
        self.optimizer.step()

        meter.add(
            reward=outcome.reward.mean(),
            correct=outcome.correct.mean(),
            frames=outcome.frames.mean(),
            stages=outcome.stages.mean(),
            gmacs=outcome.macs.mean() / 1e9,
            entropy_frames=_entropy(keep[0]).mean().item(),
            entropy_stages=_entropy(keep[1]).mean().item(),
        )
        return u, v

    def _advantages(self, outcome: Outcome, ids: NDArray[np.int64], logits: MaskLogits) -> tuple[Tensor, Tensor]:
        """What each sample of each clip earned above its baseline, (S, B) for the frame head and the stage head."""
        config = self.config

        def heads(of: Outcome) -> NDArray[np.float64]:
            if config.credit == "joint":
                return np.stack([of.reward, of.reward])
            return np.stack([of.reward_frames, of.reward_stages])

        rewards = heads(outcome).reshape(2, config.samples, len(ids))
        if config.baseline == "leave_one_out":
            others = (rewards.sum(1, keepdims=True) - rewards) / (config.samples - 1)
            rewards = rewards - others
        elif config.baseline == "greedy":
            rewards = rewards - heads(self.bandit.pull(ids, *_arrays(greedy(logits))))[:, None]
        frames, stages = torch.from_numpy(rewards).float().to(self.device)
        return frames, stages

    def _explore(self, p: Tensor) -> Tensor:
        a = self.config.exploration
        return (a * p + (1 - a) * (1 - p)).clamp(1e-6, 1 - 1e-6)

    def _set_lr(self, progress: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * 0.5 * (1 + math.cos(math.pi * progress))

    def state_dict(self) -> dict[str, Any]:
        """All that `learn` goes on from."""
        state = {
            "epoch": self.epoch,
            "selection": self.selection.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        if self.trainer is not None:
            state["trainer"] = self.trainer.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]
        self.selection.load_state_dict(state["selection"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.trainer is not None:
            self.trainer.load_state_dict(state["trainer"])


def _arrays(masks: tuple[Tensor, Tensor]) -> tuple[Bits, Bits]:
    u, v = (mask.cpu().numpy() for mask in masks)
    return u, v


def _entropy(p: Tensor) -> Tensor:
    """Bernoulli entropy in nats, elementwise."""
    return F.binary_cross_entropy(p, p, reduction="none")


class _Meter:
    """Running means of figures by name."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, **values: float) -> None:
        for name, value in values.items():
            self._values.setdefault(name, []).append(float(value))

    def means(self) -> dict[str, float]:
        return {name: float(np.mean(values)) for name, values in self._values.items()}

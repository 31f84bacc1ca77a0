"""REINFORCE, the paper's agent: Eq. 5 to 8 and Algorithm 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym import parallel
from ada3d_gym.agents.agent import Agent, Policy
from ada3d_gym.agents.baselines import Batch, make_baseline
from ada3d_gym.agents.figures import MaskWatch, Meter
from ada3d_gym.agents.progress import epoch_batches
from ada3d_gym.agents.reference import Random
from ada3d_gym.agents.reinforce_options import ReinforceConfig
from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.divergence import during, finite
from ada3d_gym.errors import InputError
from ada3d_gym.finetuning import ClassifierTrainer, parts_of_updates
from ada3d_gym.masks import join_mask, split_mask
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.selection import MaskLogits, SelectionNetwork, greedy
from ada3d_gym.seeding import CallStreams, Stream, spawn, torch_generator

__all__ = ["Reinforce", "ReinforceConfig"]

Bits = NDArray[np.bool_]


class Reinforce(Agent):
    """The selection network as an agent, and its training.

    Args:
        selection: the two-head network.
        bandit: what it learns on; its classifier is trained too in the joint phase.
        config: see `ReinforceConfig`.
        trainer: of the classifier; only needed for the joint phase.
        device: of the selection network.
        other: what decides over the head that is not learned; only needed where `config.heads` is not "both".
    """

    data_parallel = True

    def __init__(
        self,
        selection: SelectionNetwork,
        bandit: ClipBandit,
        config: ReinforceConfig,
        trainer: ClassifierTrainer | None = None,
        device: torch.device | str = "cpu",
        other: Policy | None = None,
    ):
        if config.heads != "both" and other is None:
            raise InputError(f"heads={config.heads!r} leaves a head unlearned: give Reinforce the other policy")
        if config.joint_epochs and trainer is None:
            raise InputError("joint epochs train the classifier: give Reinforce a ClassifierTrainer")
        super().__init__(bandit, config, seed=config.seed, device=str(device))
        self.selection, self.config, self.trainer = selection.to(device), config, trainer
        self._on, self._network = torch.device(device), parallel.wrap(self.selection)
        self._form = CurrentForm(self.selection)
        trunk = list(selection.trunk.parameters())
        heads = [p for name, p in selection.named_parameters() if not name.startswith("trunk.")]
        groups = [{"params": trunk, "peak": config.trunk_lr}, {"params": heads, "peak": config.lr}]
        if config.optimizer == "adam":
            self.optimizer: torch.optim.Optimizer = torch.optim.Adam(groups, config.lr)
        else:
            self.optimizer = torch.optim.SGD(groups, config.lr, momentum=0.9)
        width = selection.trunk.features if config.baseline == "value" else 0
        self.baseline = make_baseline(config.baseline, width).to(device)
        self.other = other
        self._calls = CallStreams(spawn(config.seed, Stream.REINFORCE_ACT))
        self.total_epochs = config.epochs + config.joint_epochs
        self._anneal(0.0)

    @torch.inference_mode()
    def act(self, observations: NDArray[np.uint8], deterministic: bool = True) -> NDArray[np.int8]:
        """The greedy masks (B, T + K) of observations (B, T, 3, H, W), or ones drawn as in training.

        Where no frame is likelier kept than dropped, the likeliest is kept: without any there is nothing to classify.
        """
        logits = self._form.get()(torch.from_numpy(observations).to(self._on))
        u, v = _arrays(greedy(logits) if deterministic else self._sample(logits))
        return join_mask(*self._with_other(u, v, lambda: self._of_other(observations)))

    @classmethod
    def milestones(cls, options: ReinforceConfig) -> dict[int, str]:
        return {options.epochs: "stage 1 only"} if options.epochs and options.joint_epochs else {}

    @property
    def phase(self) -> str:
        return "REINFORCE" if self.epoch < self.config.epochs else "joint fine-tuning"

    def train_epoch(self) -> dict[str, float]:
        config = self.config
        joint = self.epoch >= config.epochs
        phase, length = (config.epochs, config.joint_epochs) if joint else (0, config.epochs)
        order, masks = (spawn(config.seed, Stream.REINFORCE, self.epoch, part) for part in range(2))
        if isinstance(self.other, Random):  # an epoch is repeated alike after a resume
            self.other.reseed(spawn(config.seed, Stream.OTHER_HEAD, self.epoch))
        ids = self.bandit.epoch(np.random.default_rng(order))
        generator = torch_generator(masks, self._on)
        source = self.bandit.source
        meter, watch = Meter(), MaskWatch(source)
        size = (joint and config.joint_batch_size) or config.batch_size
        batches = epoch_batches(source, ids, size, self.phase, self.epoch - phase, length)
        parts = parts_of_updates(len(ids), size, config.accumulate)
        for number, ((done, whole, batch), part) in enumerate(zip(batches, parts, strict=True), start=1):
            progress = (self.epoch - phase + done) / length
            self._set_lr(progress)
            self._anneal(self.epoch + done)
            if part.first:
                self.optimizer.zero_grad()
            with during(self.phase, self.epoch + 1, number):
                u, v = self._update(batch, whole, part.share, generator, meter, watch)
            if part.last:
                self.optimizer.step()
            if joint:
                assert self.trainer is not None
                self.trainer.set_progress(progress)
                u, v = u[-len(batch) :], v[-len(batch) :]  # the last sample of each clip stands for the policy's masks
                with during(self.phase, self.epoch + 1, number):
                    loss = self.trainer.step(source.clips(batch), u, v, source.targets(batch), part)
                meter.add(classifier_loss=loss)
        self._anneal(self.epoch + 1)
        return meter.means() | watch.figures()

    def _update(
        self,
        ids: NDArray[np.int64],
        whole: int,
        share: float,
        generator: torch.Generator,
        meter: Meter,
        watch: MaskWatch,
    ) -> tuple[Bits, Bits]:
        """Adds the policy gradient of clips, times the batch's share of its update, to that before.

        Of several processes, each has its own clips of a batch of `whole`; masks are drawn for the whole batch alike.
        Returns the masks (S * B, T), (S * B, K).
        """
        config = self.config
        self.selection.eval()  # batch norm stays as pre-trained; nothing else differs between the modes
        observations = self.bandit.source.observations(ids)
        with torch.autocast(self._on.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            clips = torch.from_numpy(observations).to(self._on)
            logits: MaskLogits = self._network(clips)
        logits = MaskLogits(*(part.float() for part in logits))
        keep = [self._explore(torch.sigmoid(part)) for part in logits]  # m (B, T) and n (B, K), Eq. 1
        chance = [torch.rand(config.samples, whole, p.shape[1], generator=generator, device=self._on) for p in keep]
        bits = [(each[:, parallel.rows(whole)] < p).to(p.dtype) for each, p in zip(chance, keep, strict=True)]
        u, v = (part.flatten(0, 1).bool().cpu().numpy() for part in bits)  # (S * B, …)
        u, v = self._with_other(u, v, lambda: self._drawn_by_other(observations, whole, config.samples))
        outcome = self.bandit.pull(np.tile(ids, config.samples), u, v)

        objective = torch.zeros((), device=self._on)
        advantages = self._advantages(outcome, ids, whole, logits, clips)
        for head, p, sample, advantage in zip(("frames", "stages"), keep, bits, advantages, strict=True):
            if config.heads in ("both", head):
                log_prob = (sample * p.log() + (1 - sample) * (1 - p).log()).sum(2)  # (S, B), Eq. 2 and 3
                objective = objective + (advantage * log_prob).mean()  # Eq. 7
                objective = objective + self._entropy_weight * _entropy(p).sum(1).mean()
        (-objective * parallel.weight(len(ids)) * share).backward()
        opened = [_entropy(p).mean() for p in keep]
        value, *entropies = torch.stack([objective, *opened]).tolist()  # fetched together: each fetch waits
        finite(value, "the policy's objective", self.optimizer)

        # of the head that is not learned, the masks that its policy has drawn
        watch.add(ids, *self._with_other(*_arrays(greedy(logits)), lambda: join_mask(u, v)[: len(ids)]))
        meter.add(
            reward=outcome.reward.mean(),
            correct=outcome.correct.mean(),
            frames=outcome.frames.mean(),
            stages=outcome.stages.mean(),
            gmacs=outcome.macs.mean() / 1e9,
            entropy_frames=entropies[0],
            entropy_stages=entropies[1],
        )
        if outcome.regret is not None:
            meter.add(regret=outcome.regret.mean())
        return u, v

    def _with_other(self, u: Bits, v: Bits, theirs: Callable[[], NDArray[Any]]) -> tuple[Bits, Bits]:
        """The masks with those of the `other` policy in the place of the head that is not learned."""
        if self.other is None or self.config.heads == "both":
            return u, v
        other_u, other_v = split_mask(theirs(), u.shape[1], v.shape[1])
        return (u, other_v) if self.config.heads == "frames" else (other_u, v)

    def _of_other(self, observations: NDArray[np.uint8]) -> NDArray[Any]:
        assert self.other is not None
        return self.other.act(observations)

    def _drawn_by_other(self, observations: NDArray[np.uint8], whole: int, samples: int = 1) -> NDArray[Any]:
        """Masks (S * B, T + K) to learn beside: random ones are drawn for the whole batch alike, as the learned are."""
        if isinstance(self.other, Random):
            return np.concatenate([self.other.draw(whole)[parallel.rows(whole)] for _ in range(samples)])
        return np.concatenate([self._of_other(observations) for _ in range(samples)])

    def _advantages(
        self, outcome: Outcome, ids: NDArray[np.int64], whole: int, logits: MaskLogits, clips: Tensor
    ) -> Tensor:
        """What each sample of each clip earned above its baseline, (2, S, B) for the frame head and the stage head."""

        def heads(of: Outcome) -> Tensor:
            paid = [of.reward, of.reward] if self.config.credit == "joint" else [of.reward_frames, of.reward_stages]
            return torch.from_numpy(np.stack(paid)).float().to(self._on)

        def greedy_rewards() -> Tensor:
            u, v = _arrays(greedy(logits))
            u, v = self._with_other(u, v, lambda: self._drawn_by_other(clips.cpu().numpy(), whole))
            return heads(self.bandit.pull(ids, u, v))

        def features() -> Tensor:
            shown: Tensor = self.selection.trunk(clips)
            return shown

        rewards = heads(outcome).view(2, self.config.samples, len(ids))
        with torch.no_grad():
            advantages: Tensor = self.baseline(Batch(rewards, greedy_rewards, features))
        return advantages

    def _sample(self, logits: MaskLogits) -> tuple[Tensor, Tensor]:
        keep = (self._explore(torch.sigmoid(part)) for part in logits)
        generator = torch_generator(self._calls.next(), self._on)
        frames, stages = (torch.rand(p.shape, generator=generator, device=self._on) < p for p in keep)
        return frames, stages

    def _explore(self, p: Tensor) -> Tensor:
        a = self._exploration
        return (a * p + (1 - a) * (1 - p)).clamp(1e-6, 1 - 1e-6)

    def _anneal(self, epochs: float) -> None:
        """Sets the entropy's weight and the exploration for after so many epochs."""
        config = self.config
        held = 1 - min(1.0, epochs / config.epochs) if config.epochs else 0.0
        left = 1 - epochs / self.total_epochs if self.total_epochs else 0.0
        self._entropy_weight = config.final_entropy + held * (config.entropy - config.final_entropy)
        self._exploration = config.final_exploration + left * (config.exploration - config.final_exploration)

    def _set_lr(self, progress: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * 0.5 * (1 + math.cos(math.pi * progress))

    def state_dict(self) -> dict[str, Any]:
        """All that `learn` goes on from."""
        state = {
            "epoch": self.epoch,
            "selection": self.selection.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "baseline": self.baseline.state_dict(),
        }
        if self.trainer is not None:
            state["trainer"] = self.trainer.state_dict()
        return state

    def load_policy_state(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]
        self._anneal(self.epoch)
        self.selection.load_state_dict(state["selection"])

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.load_policy_state(state)
        self.optimizer.load_state_dict(state["optimizer"])
        self.baseline.load_state_dict(state["baseline"])
        if self.trainer is not None:
            self.trainer.load_state_dict(state["trainer"])


def _arrays(masks: tuple[Tensor, Tensor]) -> tuple[Bits, Bits]:
    u, v = (mask.cpu().numpy() for mask in masks)
    return u, v


def _entropy(p: Tensor) -> Tensor:
    """Bernoulli entropy in nats, elementwise."""
    return -(p * p.log() + (1 - p) * (1 - p).log())  # p is never 0 or 1; F.binary_cross_entropy would refuse NaN

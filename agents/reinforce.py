"""REINFORCE, the paper's agent: Eq. 5 to 8 and Algorithm 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ada3d_gym import parallel
from ada3d_gym.agents.agent import Policy
from ada3d_gym.agents.baselines import Batch, make_baseline
from ada3d_gym.agents.exploration import Exploration, entropy
from ada3d_gym.agents.figures import MaskWatch, Meter
from ada3d_gym.agents.midway import Draws, Kept, Midway
from ada3d_gym.agents.portable import Portable
from ada3d_gym.agents.progress import epoch_batches
from ada3d_gym.agents.reference import Fixed, Random
from ada3d_gym.agents.reinforce_options import ReinforceConfig
from ada3d_gym.agents.selecting import SelectingAgent, as_arrays
from ada3d_gym.agents.tried import Tried
from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.divergence import during
from ada3d_gym.errors import InputError
from ada3d_gym.finetuning import ClassifierTrainer, Part, micro_batches, parts_of_updates
from ada3d_gym.masks import join_mask, split_mask
from ada3d_gym.networks.selection import MaskLogits, SelectionNetwork, greedy
from ada3d_gym.networks.transfer import to_device
from ada3d_gym.profiling import section
from ada3d_gym.seeding import Stream, spawn, torch_generator

__all__ = ["Reinforce", "ReinforceConfig"]

Bits = NDArray[np.bool_]


class Reinforce(SelectingAgent):
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
    selection: SelectionNetwork

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
        how: Any = {"optimizer": config.optimizer, "precision": config.precision}
        super().__init__(selection, bandit, config, seed=config.seed, device=device, **how)
        self.config, self.trainer = config, trainer
        width = selection.trunk.features if config.baseline == "value" else 0
        self.baseline = make_baseline(config.baseline, width).to(device)
        self.other = other
        self.total_epochs = config.epochs + config.joint_epochs
        self._exploration = Exploration(config, self.total_epochs, spawn(config.seed, Stream.REINFORCE_ACT))
        known = config.heads == "both" or isinstance(other, (Random, Fixed))
        self.midway = Midway() if known else None  # nobody knows what another policy draws

    @torch.inference_mode()
    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        """The greedy masks (B, T + K) of observations (B, T, 3, H, W), or (B, T, C), or ones drawn as in training.

        Where no frame is likelier kept than dropped, the likeliest is kept: without any there is nothing to classify.
        """
        logits: MaskLogits = self._output(observations)
        u, v = as_arrays(greedy(logits) if deterministic else self._exploration.draw(logits))
        return join_mask(*self._with_other(u, v, lambda: self._of_other(observations)))

    def portable(self) -> Portable | None:
        both = self.config.heads == "both" or self.other is None
        return super().portable() if both else None  # half of its masks are another policy's

    @classmethod
    def milestones(cls, options: ReinforceConfig) -> dict[int, str]:
        return {options.epochs: "stage 1 only"} if options.epochs and options.joint_epochs else {}

    @property
    def phase(self) -> str:
        return "REINFORCE" if self.epoch < self.config.epochs else "joint fine-tuning"

    @property
    def pulls_per_epoch(self) -> int:
        """Of each video its samples, and one more where the baseline is the greedy mask's reward."""
        source = self.bandit.source
        return len(source) // source.views * (self.config.samples + (self.config.baseline == "greedy"))

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
        kept: dict[str, Kept] = {"meter": meter, "watch": watch, "draws": Draws(generator)}
        if isinstance(self.other, Random):
            kept["other"] = self.other
        begun = self.midway.begin(**kept) if self.midway else 0
        size = (joint and config.joint_batch_size) or config.batch_size
        batches = epoch_batches(source, ids, size, self.phase, self.epoch - phase, length, done=begun)
        parts = parts_of_updates(len(ids), size, config.accumulate)[begun:]
        for number, ((done, whole, batch), part) in enumerate(zip(batches, parts, strict=True), start=begun + 1):
            progress = (self.epoch - phase + done) / length
            self._set_lr(progress)
            self._exploration.anneal(self.epoch + done)
            if part.first:
                self.optimizer.zero_grad()
            with during(self.phase, self.epoch + 1, number):
                u, v = self._update(batch, whole, part, generator, meter, watch)
            if part.last:
                with section("policy updates"):
                    self._updates.step()
            if joint:
                assert self.trainer is not None
                self.trainer.set_progress(progress)
                u, v = u[-len(batch) :], v[-len(batch) :]  # the last sample of each clip stands for the policy's masks
                with during(self.phase, self.epoch + 1, number):
                    loss = self.trainer.step(source.clips(batch), u, v, source.targets(batch), part)
                meter.add(classifier_loss=loss)
            if part.last and self.midway:
                self.midway.updated(number)
        if self.midway:
            self.midway.end()
        self._exploration.anneal(self.epoch + 1)
        return meter.means() | watch.figures(begins=self.epoch == 0)

    def _update(
        self,
        ids: NDArray[np.int64],
        whole: int,
        part: Part,
        generator: torch.Generator,
        meter: Meter,
        watch: MaskWatch,
    ) -> tuple[Bits, Bits]:
        """Adds the policy gradient of clips, times the batch's share of its update, to that before.

        Of several processes, each has its own clips of a batch of `whole`; masks are drawn for the whole batch alike.
        In several passes, masks come from passes without gradients, and each clip's logits are computed again when all
        rewards are known. Returns the masks (S * B, T), (S * B, K).
        """
        self.selection.eval()  # batch norm stays as pre-trained; nothing else differs between the modes
        observations = self.bandit.observer(ids)
        with section("transfer"):
            clips = to_device(observations, self._on)
        passes = micro_batches(len(ids), self.config.micro_batch)
        alone, weight = len(passes) == 1, parallel.weight(whole) * part.share
        with self._updates.averaging(last=part.last and alone):
            with section("selection", len(ids)), torch.set_grad_enabled(alone):
                parts = [self._logits(self._network if alone else self.selection, clips[rows]) for rows, _ in passes]
            logits = MaskLogits(*(torch.cat(each) for each in zip(*parts, strict=True))) if not alone else parts[0]
            tried = self._try(ids, observations, clips, logits, whole, generator)
            if alone:
                objective = self._ascend(logits, tried, weight)
        if not alone:
            objective = torch.zeros((), device=self._on)
            for rows, piece in passes:
                with self._updates.averaging(last=part.last and piece.last):
                    with section("selection"):
                        own = self._logits(self._network, clips[rows])
                    objective += self._ascend(own, tried.of(rows), weight * piece.share) * piece.share
        opened = [entropy(p).mean() for p in self._exploration.keep(logits)]
        _, *entropies = self._updates.fetch("the policy's objective", objective, *opened)

        # of the head that is not learned, the masks that its policy has drawn
        drawn = join_mask(tried.u, tried.v)[: len(ids)]
        watch.add(ids, *self._with_other(*tried.greedy, lambda: drawn))
        meter.add_outcome(tried.outcome)
        meter.add(entropy_frames=entropies[0], entropy_stages=entropies[1])
        return tried.u, tried.v

    def _logits(self, network: nn.Module, clips: Tensor) -> MaskLogits:
        with self._updates.computing():
            logits: MaskLogits = network(clips)
        return MaskLogits(*(part.float() for part in logits))

    def _try(
        self,
        ids: NDArray[np.int64],
        observations: NDArray[Any],
        clips: Tensor,
        logits: MaskLogits,
        whole: int,
        generator: torch.Generator,
    ) -> Tried:
        """Draws masks for clips and pulls them."""
        samples, frames = self.config.samples, logits.frames.shape[1]
        keep = self._exploration.keep(logits)  # m (B, T) and n (B, K), Eq. 1
        chance = [torch.rand(samples, whole, p.shape[1], generator=generator, device=self._on) for p in keep]
        bits = [each[:, parallel.rows(whole)] < p for each, p in zip(chance, keep, strict=True)]
        likely = torch.cat(greedy(logits), 1)
        masks = torch.cat([torch.cat(bits, 2), likely[None]]).cpu().numpy()  # fetched together: each fetch waits
        u, v = masks[:-1, :, :frames].reshape(-1, frames), masks[:-1, :, frames:].reshape(samples * len(ids), -1)
        u, v = self._with_other(u, v, lambda: self._drawn_by_other(observations, whole, samples))
        best = masks[-1, :, :frames], masks[-1, :, frames:]
        outcome = self.bandit.pull(np.tile(ids, samples), u, v)
        advantages = self._advantages(outcome, ids, whole, observations, clips, best)
        return Tried(u, v, best, outcome, [each.to(p.dtype) for each, p in zip(bits, keep, strict=True)], advantages)

    def _ascend(self, logits: MaskLogits, tried: Tried, weight: float) -> Tensor:
        """Adds the gradient of the objective of clips, times a weight, and returns that objective."""
        objective = torch.zeros((), device=self._on)
        keep = self._exploration.keep(logits)
        for head, p, sample, advantage in zip(("frames", "stages"), keep, tried.bits, tried.advantages, strict=True):
            if self.config.heads in ("both", head):
                log_prob = (sample * p.log() + (1 - sample) * (1 - p).log()).sum(2)  # (S, B), Eq. 2 and 3
                objective = objective + (advantage * log_prob).mean()  # Eq. 7
                objective = objective + self._exploration.entropy_weight * entropy(p).sum(1).mean()
        with section("policy updates", len(logits.frames)):
            self._updates.backward(-objective * weight)
        return objective.detach()

    def _with_other(self, u: Bits, v: Bits, theirs: Callable[[], NDArray[Any]]) -> tuple[Bits, Bits]:
        """The masks with those of the `other` policy in the place of the head that is not learned."""
        if self.other is None or self.config.heads == "both":
            return u, v
        other_u, other_v = split_mask(theirs(), u.shape[1], v.shape[1])
        return (u, other_v) if self.config.heads == "frames" else (other_u, v)

    def _of_other(self, observations: NDArray[Any]) -> NDArray[Any]:
        assert self.other is not None
        return self.other.act(observations)

    def _drawn_by_other(self, observations: NDArray[Any], whole: int, samples: int = 1) -> NDArray[Any]:
        """Masks (S * B, T + K) to learn beside: random ones are drawn for the whole batch alike, as the learned are."""
        if isinstance(self.other, Random):
            return np.concatenate([self.other.draw(whole)[parallel.rows(whole)] for _ in range(samples)])
        return np.concatenate([self._of_other(observations) for _ in range(samples)])

    def _advantages(
        self,
        outcome: Outcome,
        ids: NDArray[np.int64],
        whole: int,
        observations: NDArray[Any],
        clips: Tensor,
        best: tuple[Bits, Bits],
    ) -> Tensor:
        """What each sample of each clip earned above its baseline, (2, S, B) for the frame head and the stage head."""

        def heads(of: Outcome) -> Tensor:
            paid = [of.reward, of.reward] if self.config.credit == "joint" else [of.reward_frames, of.reward_stages]
            return to_device(np.stack(paid).astype(np.float32), self._on)

        def greedy_rewards() -> Tensor:
            u, v = self._with_other(*best, lambda: self._drawn_by_other(observations, whole))
            return heads(self.bandit.pull(ids, u, v))

        def features() -> Tensor:
            passes = micro_batches(len(ids), self.config.micro_batch)
            with self._updates.computing():
                return torch.cat([self.selection.trunk(clips[rows]) for rows, _ in passes]).float()

        rewards = heads(outcome).view(2, self.config.samples, len(ids))
        with torch.no_grad():
            advantages: Tensor = self.baseline(Batch(rewards, greedy_rewards, features, whole))
        return advantages

    def state_dict(self) -> dict[str, Any]:
        """All that `learn` goes on from."""
        state = super().state_dict() | {"baseline": self.baseline.state_dict()}
        if self.midway and (midway := self.midway.state_dict()):
            state["midway"] = midway
        if self.trainer is not None:
            state["trainer"] = self.trainer.state_dict()
        return state

    def load_policy_state(self, state: dict[str, Any]) -> None:
        super().load_policy_state(state)
        self._exploration.anneal(self.epoch)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.baseline.load_state_dict(state["baseline"])
        if self.midway:
            self.midway.load_state_dict(state.get("midway", {}))
        if self.trainer is not None:
            self.trainer.load_state_dict(state["trainer"])

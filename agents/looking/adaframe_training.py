"""AdaFrame's training: L_cls + λ L_utility - λ J_selection, over episodes of K looks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.agents.figures import Meter
from ada3d_gym.agents.looking import places
from ada3d_gym.agents.looking.adaframe import AdaFrame
from ada3d_gym.agents.looking.adaframe_options import AdaFrameOptions
from ada3d_gym.divergence import check_state, during, finite
from ada3d_gym.protocols import FallibleSource
from ada3d_gym.seeding import Stream, spawn, torch_generator, torch_seed
from ada3d_gym.untrimmed.protocols import VideoLooks


class AdaFrameTraining:
    """Trains an AdaFrame on looks that are computed once; each epoch sees every video once.

    Every epoch draws from a stream of its own, so a training that was resumed after an epoch ends as an unbroken one.

    Args:
        looks: the training videos.
        options: see `AdaFrameOptions`.
        seed: of weights, orders and drawn places.
        device: where the network runs.

    Attributes:
        network: what learns.
        epoch: how many are done.
    """

    def __init__(self, looks: VideoLooks, options: AdaFrameOptions, *, seed: int = 0, device: str = "cpu"):
        self.looks, self.options, self.seed, self.device, self.epoch = looks, options, seed, device, 0
        self.network = new_network(looks, options, seed).to(device)
        parameters, decay = self.network.parameters(), options.weight_decay
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.AdamW(parameters, options.lr, weight_decay=decay)
            if options.optimizer == "adam"
            else torch.optim.SGD(parameters, options.lr, momentum=0.9, weight_decay=decay)
        )

    def learn(self) -> None:
        """All epochs that are still to be done."""
        while self.epoch < self.options.epochs:
            self.train_epoch()

    def train_epoch(self) -> dict[str, float]:
        """One epoch.

        Returns:
            Means over it: `loss` and its parts, `reward` (the sum of an episode's) and `correct` (the share of videos
            that are right at the last step).

        Raises:
            DivergedError: before anything that is not finite gets into the weights.
        """
        options = self.options
        order, drawn = (spawn(self.seed, Stream.ADAFRAME, self.epoch, part) for part in range(2))
        videos = np.random.default_rng(order).permutation(len(self.looks))
        if isinstance(self.looks, FallibleSource):
            videos = self.looks.usable(videos)
        generator = torch_generator(drawn, self.device)
        meter = Meter()
        self.network.train()
        with during("AdaFrame", self.epoch + 1):
            for start in range(0, len(videos), options.batch_size):
                self._set_rate(self.epoch + start / len(videos))
                self._update(videos[start : start + options.batch_size], generator, meter)
            check_state(self.network.state_dict())
        self.network.eval()
        self.epoch += 1
        return meter.means()

    def _update(self, videos: NDArray[np.int64], generator: torch.Generator, meter: Meter) -> None:
        options, network = self.options, self.network
        memory = self._thinned(torch.from_numpy(self.looks.memory(videos)).to(self.device), generator)
        labels = torch.from_numpy(self.looks.labels(videos)).to(self.device)
        fixed = places.spread(options.steps)
        step = network.begin(memory)
        logits, utilities, log_probs = [], [step.utility], []
        seen_at = np.full((len(videos), options.steps), -1, np.int64)
        for number in range(options.steps):
            if options.where == "learned":
                drawn = (step.place + options.spread * _normal(step.place, generator)).detach()
                log_probs.append(-((drawn - step.place) ** 2) / (2 * options.spread**2))
                position = drawn.clamp(0, 1).cpu().numpy()
            else:
                position = np.full(len(videos), fixed[number])
            seen_at[:, number] = places.nearest_new(position, seen_at, self.looks.places)
            look = self.looks.at(videos, seen_at[:, number])
            seen = self._thinned(torch.from_numpy(look.features).to(self.device), generator)
            step = network(step, seen, torch.from_numpy(look.scores).to(self.device), memory)
            logits.append(step.logits)
            utilities.append(step.utility)
        margins = torch.stack([margin(each.detach().softmax(1), labels) for each in logits])
        rewards = margin_rewards(margins)  # (K, B)
        ahead = discounted(rewards, options.discount)  # (K, B): of the looks t + 1 … K, for V_t with t = 0 … K - 1
        values = torch.stack(utilities[:-1])
        told = logits if options.supervised == "all" else logits[-1:]
        classes = torch.stack([F.cross_entropy(each, labels) for each in told]).mean()
        known = slice(0 if network.first == "memory" else 1, None)  # before it, there is nothing to tell videos apart
        utility = (values[known] - ahead[known]).square().sum(0).mean()
        loss = classes + options.weight * utility
        if log_probs:
            advantages = (ahead - values).detach()
            loss = loss - options.weight * (advantages * torch.stack(log_probs))[known].sum(0).mean()
        self.optimizer.zero_grad()
        loss.backward()
        finite(loss.item(), "AdaFrame's loss", self.optimizer)
        if options.max_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), options.max_norm)
        self.optimizer.step()
        correct = (logits[-1].argmax(1) == labels).float().mean()
        meter.add(
            loss=loss.item(),
            classes=classes.item(),
            utility=utility.item(),
            reward=rewards.sum(0).mean().item(),
            correct=correct.item(),
        )

    def _thinned(self, seen: Tensor, generator: torch.Generator) -> Tensor:
        """Features, of looks or of the memory, with `dropout`, drawn from the epoch's stream."""
        share = self.options.dropout
        if not share:
            return seen
        return seen * (torch.rand(seen.shape, generator=generator, device=seen.device) >= share) / (1 - share)

    def _set_rate(self, epochs: float) -> None:
        options = self.options
        if options.drop_every:
            factor = 0.1 ** (int(epochs) // options.drop_every)
        else:
            factor = (1 + math.cos(math.pi * epochs / options.epochs)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = factor * options.lr

    def state_dict(self) -> dict[str, Any]:
        """All that a training goes on from."""
        return {
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a `state_dict` of a training with the same options, seed and videos."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.network.eval()
        self.epoch = state["epoch"]


def new_network(looks: VideoLooks, options: AdaFrameOptions, seed: int) -> AdaFrame:
    """An AdaFrame with initial weights, for looks of such sizes."""
    with torch_seed(spawn(seed, Stream.ADAFRAME_WEIGHTS)):
        return AdaFrame(
            looks.features,
            looks.memory_shape,
            len(looks.class_names),
            hidden=options.hidden,
            first=options.first,
            evidence=options.evidence,
            values=options.values,
        ).eval()


def margin(scores: Tensor, labels: Tensor) -> Tensor:
    """m (B,): by how much the label's probability exceeds the highest other one, in [-1, 1].

    Args:
        scores: (B, C) class probabilities.
        labels: (B,) int64.
    """
    own = scores.gather(1, labels[:, None])
    return (own - scores.scatter(1, labels[:, None], -1).amax(1, keepdim=True)).squeeze(1)


def margin_rewards(margins: Tensor) -> Tensor:
    """r_t = max(0, m_t - max_{t' < t} m_{t'}) for the margins (K, B) of K looks: what beats the best so far.

    What the first look has to beat is not published; here it is 0, the margin of someone who cannot tell.
    """
    best = torch.cat([torch.zeros_like(margins[:1]), margins[:-1].cummax(0).values])
    return (margins - best).clamp(min=0)


def discounted(rewards: Tensor, discount: float) -> Tensor:
    """R_t = Σ_i discount^i r_{t+i} of rewards (K, B), row by row."""
    ahead = torch.zeros_like(rewards)
    rest = torch.zeros_like(rewards[0])
    for number in reversed(range(len(rewards))):
        rest = rewards[number] + discount * rest
        ahead[number] = rest
    return ahead


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device)

"""One stretch of training a network of clips: AdamW, a rate that rises shortly and falls as a cosine, and a judge."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym import parallel
from ada3d_gym.agents.agent import OnEpoch
from ada3d_gym.divergence import check_state, during
from ada3d_gym.experiments.scratch.masks import DrawMasks
from ada3d_gym.experiments.scratch.sharing import BatchDraws, Pass, passes_of
from ada3d_gym.precision import Precision
from ada3d_gym.profiling import timed
from ada3d_gym.progress import Progress
from ada3d_gym.protocols import ClipSource, Ids, one_view_each, usable
from ada3d_gym.seeding import spawn, torch_generator
from ada3d_gym.synced_norms import synced
from ada3d_gym.updates import Updates

Change = Callable[[Tensor, Tensor, BatchDraws], tuple[Tensor, Tensor]]
"""Clips (B, T, 3, S, S) uint8 and labels, (B,) int64 or (B, C) shares, to those that are trained on."""
Judge = Callable[[], dict[str, float]]
"""Figures of the network as it is; the first is what counts, the higher the better."""

_BEGIN, _END = 25, 1e4  # as of PyTorch's OneCycleLR: of the highest rate, and of the first


@dataclass(frozen=True)
class Phase:
    """How long and how fast.

    Attributes:
        name: for messages.
        epochs: one clip of each video each.
        lr: the highest.
        draw: what the module is given beside clips.
        batch_size: clips in an update.
        weight_decay: of AdamW.
        warm_up: share of the phase in which the rate rises.
        label_smoothing: of the cross entropy.
        micro_batch: clips in one pass, forward and backward, where the whole batch takes too much memory; batch norm
            then normalises by these. Everything drawn is drawn for the whole batch.
        precision: of the passes, see `ada3d_gym.updates`.
        seconds: of training at the most; the rate falls with the time.
        judge_every: epochs between judgements.
        patience: epochs without a better judgement after which it ends; never by default.
        average: of weights over updates: what the mean keeps of itself at each, e.g. 0.99 for some hundred updates;
            the mean is judged and left behind, since weights at a high rate are good or bad by chance. 0 for none.
    """

    name: str
    epochs: int
    lr: float
    draw: DrawMasks
    batch_size: int = 64
    weight_decay: float = 0.05
    warm_up: float = 0.1
    label_smoothing: float = 0.0
    micro_batch: int | None = None
    precision: Precision = "float32"
    seconds: float | None = None
    judge_every: int = 1
    patience: int | None = None
    average: float = 0.0


class PhaseTraining:
    """Trains a module in place; `ada3d_gym.experiments.training.train_to` goes on with it after an interruption.

    Args:
        module: on its device; it takes clips and what the phase draws, and gives logits.
        phase: how.
        source: whose videos it learns, one random view of each in an epoch.
        change: of clips and labels, once they are on the device.
        seed: a seed and a stream's number.
        device: of the module.
        judge: is asked after epochs; the best weights are kept beside the last.
    """

    def __init__(
        self,
        module: nn.Module,
        phase: Phase,
        source: ClipSource,
        change: Change,
        seed: Sequence[int],
        device: torch.device | str,
        judge: Judge | None = None,
    ):
        self.module, self.phase, self.source, self.change = module, phase, source, change
        self.seed, self.device, self.judge = tuple(seed), device, judge
        videos = len(source) // source.views
        self.steps = -(-videos // phase.batch_size)
        self.optimizer = torch.optim.AdamW(module.parameters(), phase.lr, weight_decay=phase.weight_decay)
        self._passes = Updates(module, self.optimizer, device, phase.precision)
        self.epoch, self.seconds, self.updates = 0, 0.0, 0
        self.mean: dict[str, Tensor] = copy.deepcopy(module.state_dict()) if phase.average else {}
        self.best: dict[str, Any] = {}
        """Of the best judgement: its `score`, `epoch` and `module`'s state; empty before the first."""

    @property
    def finished(self) -> bool:
        """Whether it ends, early or not."""
        return self.epoch >= self.phase.epochs or bool(self._reason)

    @property
    def seconds_left(self) -> float:
        """That it may still take."""
        return math.inf if self.phase.seconds is None else max(self.phase.seconds - self.seconds, 0.0)

    @property
    def early_end(self) -> str:
        """What to say of an end before the last epoch; empty where it came to that, or goes on."""
        if self.epoch >= self.phase.epochs or not self._reason:
            return ""
        return f"stopped after {self.epoch} of {self.phase.epochs} epochs: {self._reason}"

    @property
    def _reason(self) -> str:
        if not self.seconds_left:
            return "the time is over"
        patience = self.phase.patience
        if self.best and patience is not None and self.epoch - self.best["epoch"] >= patience:
            return f"no better validation in {patience} epochs"
        return ""

    def learn(self, until: int, on_epoch: OnEpoch) -> None:
        """Trains up to epoch `until`, or as long as there is something to gain; `on_epoch` gets the number of epochs
        done and the last one's figures."""
        while self.epoch < until and not self.finished:
            begun, before = time.perf_counter(), self.seconds
            figures = {"loss": self._train_epoch(begun)}
            self.epoch += 1
            self.seconds = before + self._since(begun)
            if self.judge and (self.epoch % self.phase.judge_every == 0 or self.finished):
                figures |= self._judged(self.judge)
                self.seconds = before + self._since(begun)
            with during(self.phase.name, self.epoch):
                check_state(self.state_dict())
            on_epoch(self.epoch, figures)

    def take_best(self) -> None:
        """Puts the weights of the best judgement into the module, where there was any; else the mean, where there is
        one."""
        if best := self.best.get("module", self.mean):
            self.module.load_state_dict(best)

    def _since(self, begun: float) -> float:
        """Seconds since then; of several processes, where the rate and the end hang on them, the first one's."""
        seconds = time.perf_counter() - begun
        if self.phase.seconds is None or parallel.world() == 1:
            return seconds
        first = seconds if parallel.rank() == 0 else 0.0
        return float(parallel.total(torch.tensor(first, device=self.device)))

    def _train_epoch(self, begun: float) -> float:
        """The mean loss of its updates; of several processes, of all of theirs."""
        phase, source = self.phase, self.source
        order, draws = (spawn(*self.seed, self.epoch, part) for part in range(2))
        generator = torch_generator(draws, self.device)
        batches = np.array_split(one_view_each(source, np.random.default_rng(order)), self.steps)
        passes = [passes_of(len(batch), phase.micro_batch) for batch in batches]
        rows = [np.concatenate([each.rows for each in its]) for its in passes]
        mine = [batch[own] for batch, own in zip(batches, rows, strict=True)]
        title = f"{phase.name}, epoch {self.epoch + 1} of {phase.epochs}"
        losses: list[float] = []
        with Progress(self.steps, title, "step", quiet=parallel.rank() > 0, repeated=True) as shown:
            for step, batch in enumerate(batches):
                source.expect(np.concatenate(mine[step : step + 2]))
                since = self.seconds + self._since(begun)
                if losses and phase.seconds is not None and since >= phase.seconds:
                    break
                self._set_rate(self.epoch * self.steps + step, since)
                with during(phase.name, self.epoch + 1, step + 1):
                    drawn = BatchDraws(generator, len(batch), rows[step])
                    losses.append(self._update(*self._loaded(usable(source, mine[step])), drawn, passes[step]))
                shown.doing(f"loss {losses[-1]:.3f}")
                shown.add()
        return float(np.mean(parallel.gather(float(np.mean(losses)))))

    def _loaded(self, ids: Ids) -> tuple[Tensor, Tensor, Tensor]:
        """Clips, labels and the frames that show the class."""
        source = self.source
        arrays: tuple[NDArray[Any], ...] = source.clips(ids), labels_of(source, ids), source.visible_frames(ids)
        clips, labels, visible = (torch.from_numpy(each).to(self.device) for each in arrays)
        return clips, labels, visible

    @timed("updates", counted=1)
    def _update(
        self, clips: Tensor, labels: Tensor, visible: Tensor, draws: BatchDraws, passes: Sequence[Pass]
    ) -> float:
        """One step of the optimizer on this process's clips of a batch; returns the loss before it.

        Gradients are averaged over processes once all are there: in `synced` passes, what processes tell each other
        has one order, into which others' gradients would come at any time.
        """
        self.module.train()
        clips, labels = self.change(clips, labels, draws)
        beside = self.phase.draw(visible, draws)
        self.optimizer.zero_grad(set_to_none=True)
        losses, begin = [], 0
        for each in passes:
            rows = slice(begin, begin := begin + len(each.rows))
            with self._passes.averaging(last=False), synced(self.module, each.divided):
                with self._passes.computing():
                    logits = self._passes.network(clips[rows], *(its[rows] for its in beside)).float()
                loss = F.cross_entropy(logits, labels[rows], label_smoothing=self.phase.label_smoothing) * each.share
                self._passes.backward(loss * each.weight)
            losses.append(loss.detach())
        parallel.average_gradients(self.module)
        (value,) = self._passes.fetch("the loss", torch.stack(losses).sum())
        self._passes.step()
        self.updates += 1
        self._move_mean()
        return value

    @torch.no_grad()
    def _move_mean(self) -> None:
        """Towards the weights as they are; sooner at first, so that it does not begin where they did."""
        kept = min(self.phase.average, self.updates / (self.updates + 10))
        for name, value in self.module.state_dict().items() if self.mean else ():
            if value.is_floating_point():
                self.mean[name].lerp_(value, 1 - kept)
            else:
                self.mean[name] = value.clone()

    def _set_rate(self, step: int, seconds: float) -> None:
        total = self.phase.epochs * self.steps
        done = float(step)
        if self.phase.seconds is not None:
            done = max(done, min(1.0, seconds / self.phase.seconds) * (total - 1))
        for group in self.optimizer.param_groups:
            group["lr"] = one_cycle(self.phase.lr, done, total, self.phase.warm_up)

    def _judged(self, judge: Judge) -> dict[str, float]:
        """The figures of the mean of the weights, where there is one."""
        last = copy.deepcopy(self.module.state_dict())
        judged = copy.deepcopy(self.mean) or last
        self.module.load_state_dict(judged)
        figures = judge()
        self.module.load_state_dict(last)
        score = next(iter(figures.values()))
        if not self.best or score > self.best["score"]:
            self.best = {"score": score, "epoch": self.epoch, "module": judged}
        return figures

    def state_dict(self) -> dict[str, Any]:
        """All that `learn` goes on from: tensors and plain values."""
        module, optimizer = self.module.state_dict(), self.optimizer.state_dict()
        done: dict[str, Any] = {"epoch": self.epoch, "seconds": self.seconds, "updates": self.updates}
        scale = self._passes.state_dict()
        done |= {"scale": scale} if scale else {}
        return {"module": module, "optimizer": optimizer, "best": self.best, "mean": self.mean} | done

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.seconds, self.best = state["epoch"], state.get("seconds", 0.0), state.get("best", {})
        places = {name: value.device for name, value in self.module.state_dict().items()}
        self.mean = {name: value.to(places[name]) for name, value in state.get("mean", {}).items()}
        self.updates = state.get("updates", 0)
        self._passes.load_state_dict(state.get("scale", {}))


def labels_of(source: ClipSource, ids: Ids) -> NDArray[Any]:
    """First labels (B,) int64 of clips, or, where one has several, shares (B, C) float32 of all."""
    targets = source.targets(ids)
    if (targets.sum(1) == 1).all():
        return source.labels(ids)
    shares: NDArray[np.float32] = (targets / np.maximum(targets.sum(1, keepdims=True), 1)).astype(np.float32)
    return shares


def one_cycle(highest: float, step: float, steps: int, warm_up: float) -> float:
    """The rate of PyTorch's `OneCycleLR` at any point of its steps, between two of them too."""
    first = highest / _BEGIN
    top, end = warm_up * steps - 1, steps - 1
    if step <= top:
        return _cosine(first, highest, step / top if top else 1.0)
    return _cosine(highest, first / _END, (step - top) / (end - top))


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1)

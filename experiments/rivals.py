"""What needs no learning of masks, at what a learned policy costs or reaches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ada3d_gym.agents.reference import Random, matched_random
from ada3d_gym.agents.search import Constant, read_constants
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.judging import load_masks
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.results import Result, ResultFile
from ada3d_gym.experiments.runs import PRETRAINED, Run, tuning_of
from ada3d_gym.seeding import Stream, spawn
from ada3d_gym.shipped import shipped_table

Compose = Callable[..., Run]
"""`experiments.runs.compose` for a given environment, seed and configuration: takes an agent and its `options`."""


@dataclass(frozen=True)
class Rivals:
    """Makes runs that are to be compared with a learned one; they spend its total: classifier and selection network.

    Attributes:
        compose: makes runs of the same environment and seed.
        learned: folder of the learned run; finished before anything here is asked for.
        search: folder of a run of best-fixed; finished before a front is asked for.
    """

    compose: Compose
    learned: Path
    search: Path

    @cached_property
    def run(self) -> Run:
        return read_run(self.learned, trust=True)

    @cached_property
    def results(self) -> dict[str, Result]:
        return ResultFile(self.learned / "results.jsonl").results

    @property
    def budget(self) -> float:
        """Multiply-accumulates of a clip in all."""
        return 1e9 * self.results[self.run.agent].gmacs_total

    def made(self, agent: str, **options: Any) -> Run:
        """A run beside the same classifier, which is not trained on whole clips again."""
        run_ = self.compose(agent, options=options)
        if not run_.classifier_epochs:
            return run_
        checkpoint = str(self.learned / PRETRAINED)
        return replace(run_, classifier_epochs=0, environment=run_.environment | {"checkpoint": checkpoint})

    def best_fixed(self) -> Run:
        """The search for constants; exact, where an outcome table of the classifier and the training clips ships."""
        run_ = self.made("best-fixed")
        if run_.classifier_epochs or run_.environment.keys() - {"videos", "cost"}:
            return run_
        with suppress(InputError):
            settings = run_.settings
            shipped_table(settings["dataset"], settings["backbone"], settings["num_frames"], "train")
            return replace(run_, environment=run_.environment | {"outcomes": "table"})
        return run_

    def random(self) -> Run:
        """Random masks at the total."""
        return self.made("random", **self._usage())

    def random_ft(self) -> Run:
        """The same, with the classifier fine-tuned under them."""
        return self.made("random", **self._usage(), **self._tuning())

    def fixed_operations(self) -> Run:
        """The most accurate constant within the total."""
        return self.made("fixed", mask=most_accurate_within(read_constants(self.search), self.budget).mask)

    def fixed_ft_operations(self) -> Run:
        """The same, fine-tuned."""
        chosen = most_accurate_within(read_constants(self.search), self.budget)
        return self.made("fixed", mask=chosen.mask, **self._tuning())

    def fixed_ft_accuracy(self) -> Run:
        """The cheapest constant that falls no further below keeping everything than the learned policy does,
        fine-tuned."""
        lost = (self.results["Upper"].top1 - self.results[self.run.agent].top1) / 100
        chosen = cheapest_losing(read_constants(self.search), lost)
        return self.made("fixed", mask=chosen.mask, **self._tuning())

    def one_head(self, head: str) -> Run:
        """REINFORCE on one head ("frames" or "stages"), beside random masks of the other that, with the learned run's
        own, spend what its classifier does (the paper's Table 6)."""
        usage = self.matched()
        options = {"heads": head, "other_frames": usage.frames, "other_stages": usage.stages.tolist()}
        return self.made("reinforce", **options)

    def matched(self, more: float = 0.0) -> Random:
        """Random masks that spend the learned run's operations of the classifier, and `more` a clip."""
        macs = self.run.bandit("test", "cpu").classifier.macs
        masks = load_masks(self.learned, self.run.agent)
        return matched_random(*masks, macs, spawn(self.run.seed, Stream.RANDOM_MATCHED), more=more)  # type: ignore[arg-type]

    def _usage(self) -> dict[str, Any]:
        policy = self.matched(1e9 * self.results[self.run.agent].gmacs_selection)
        return {"frames": policy.frames, "stages": policy.stages.tolist()}

    def _tuning(self) -> dict[str, Any]:
        """As in the learned run's second stage; as in REINFORCE's, where that run has none of its kind."""
        own = self.run.options
        if "joint_batch_size" not in own:
            own = self.compose("reinforce").options
        return tuning_of(own)


def most_accurate_within(front: Sequence[Constant], macs: float) -> Constant:
    """The most accurate constant that spends no more, the cheapest of several.

    Raises:
        InputError: where all spend more.
    """
    within = [each for each in front if each.macs <= macs]
    if not within:
        raise InputError(f"no constant mask spends at most {macs / 1e6:.2f} MMACs")
    return max(within, key=lambda each: (each.accuracy, -each.macs))


def cheapest_losing(front: Sequence[Constant], share: float) -> Constant:
    """The cheapest constant whose accuracy falls no further below that of keeping everything than by a share."""
    everything = max(front, key=lambda each: each.macs)
    enough = [each for each in front if each.accuracy >= everything.accuracy - max(share, 0.0) - 1e-9]
    return min(enough, key=lambda each: each.macs)

"""Passes that fit into memory: their gradients add up, so that an update is over the configured batch whatever fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ada3d_gym.experiments.estimates.needs import Need
from ada3d_gym.experiments.runs import Run

SPARE = 0.85  # of the memory that is free, what a run may be planned to take
SURE = 0.7  # of an estimate is taken in any case


@dataclass(frozen=True)
class Fit:
    """How a run's updates are parted.

    Attributes:
        classifier: clips in a pass of the classifier's training, and of the trunk's; None where whole batches fit.
        accumulate: batches that an update of REINFORCE is parted into.
    """

    classifier: int | None
    accumulate: int

    def passes(self, need: Need) -> tuple[int, int]:
        """Clips in a pass of the selection network and of the classifier in a phase."""
        most = need.batch if self.classifier is None else min(need.batch, self.classifier)
        parted = -(-need.batch // self.accumulate) if learns(need) else most
        return parted, min(most, parted) if learns(need) else most

    def bytes(self, need: Need) -> float:
        """Of a phase at its peak."""
        return need.bytes(*self.passes(need))

    def applied(self, run: Run) -> Run:
        """The run with these passes."""
        options = run.options
        if self.accumulate > 1:
            names = [name for name in ("batch_size", "joint_batch_size") if options[name]]
            parted = {name: -(-options[name] // self.accumulate) for name in names}
            options = options | parted | {"accumulate": options["accumulate"] * self.accumulate}
        return replace(run, options=options, classifier_micro_batch=self.classifier)


def learns(need: Need) -> bool:
    """Whether REINFORCE learns in a phase: by its own batches."""
    return need.name.startswith("stage ")


def fit(run: Run, needs: Sequence[Need], free: float) -> Fit:
    """The largest passes with which each phase takes at most `SPARE` of so many free bytes, or else the smallest."""
    room = SPARE * free
    accumulate = 1
    learning = [need for need in needs if learns(need)]
    if learning:
        whole = math.gcd(*(need.batch for need in learning))
        ways = [count for count in range(1, whole + 1) if whole % count == 0]
        accumulate = next(
            (count for count in ways if all(need.bytes(need.batch // count, 0) <= room for need in learning)),
            ways[-1],
        )
    most = run.classifier_micro_batch
    for need in needs:
        each = need.classifier if learns(need) else max(need.classifier, need.selection)
        if need.batch and each:
            fits = max(1, int((room - need.held) // each))
            batch = min(-(-need.batch // accumulate) if learns(need) else need.batch, need.most)
            if fits < batch:
                most = min(most or batch, -(-batch // -(-batch // fits)))  # even passes
    return Fit(most, accumulate)

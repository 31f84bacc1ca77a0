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
        classifier, trunk: clips in a pass of the classifier's training, and of the selection network's trunk as a
            classifier; None where whole batches fit.
        accumulate: batches that an update of REINFORCE is parted into.
    """

    classifier: int | None = None
    trunk: int | None = None
    accumulate: int = 1

    def passes(self, need: Need) -> tuple[int, int]:
        """Clips in a pass of the selection network and of the classifier in a phase."""
        batch = -(-need.batch // self.accumulate) if learns(need) else need.batch
        selection = batch if learns(need) else min(batch, self.trunk or batch)
        return selection, min(batch, self.classifier or batch)

    def bytes(self, need: Need) -> float:
        """Of a phase at its peak."""
        return need.bytes(*self.passes(need))

    def of_trunk(self, run: Run) -> Run:
        """The run as the trunk is trained in it."""
        return replace(run, classifier_micro_batch=self.trunk)

    def applied(self, run: Run) -> Run:
        """The run with these passes, but for the trunk's."""
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
    networks: dict[str, int | None] = {"classifier": run.classifier_micro_batch, "trunk": run.classifier_micro_batch}
    for need in needs:
        whole = min(-(-need.batch // accumulate) if learns(need) else need.batch, need.most)
        for name, each in (("classifier", need.classifier), ("trunk", 0 if learns(need) else need.selection)):
            fits = max(1, int((room - need.held) // each)) if each else whole
            if fits < whole:
                even = -(-whole // -(-whole // fits))
                networks[name] = min(networks[name] or even, even)
    return Fit(**networks, accumulate=accumulate)

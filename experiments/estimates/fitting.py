"""Passes that fit into memory: their gradients add up, so that an update is over the configured batch whatever fits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ada3d_gym.experiments.estimates.needs import Need
from ada3d_gym.experiments.runs import Run

SPARE = 0.85  # of the memory that is free, what a run may be planned to take
SURE = 0.7  # of an estimate is taken in any case


@dataclass(frozen=True)
class Fit:
    """How a run's updates are parted.

    Attributes:
        classifier, trunk, selection: clips in a pass of the classifier's training, of the selection network's trunk as
            a classifier, and of the selection network in REINFORCE; None where whole batches fit.
        accumulate: batches that an update of REINFORCE is made of, where not even its decoded clips fit.
    """

    classifier: int | None = None
    trunk: int | None = None
    selection: int | None = None
    accumulate: int = 1

    def passes(self, need: Need) -> tuple[int, int]:
        """Clips in a pass of the selection network and of the classifier in a phase."""
        selection = self.selection if learns(need) else self.trunk
        batch = -(-need.batch // self._parts(need))
        return min(batch, selection or batch), min(batch, self.classifier or batch)

    def bytes(self, need: Need) -> float:
        """Of a phase at its peak."""
        return need.bytes(*self.passes(need), self._parts(need))

    def _parts(self, need: Need) -> int:
        return self.accumulate if learns(need) else 1

    def of_trunk(self, run: Run) -> Run:
        """The run as the trunk is trained in it."""
        return replace(run, classifier_micro_batch=self.trunk)

    def applied(self, run: Run) -> Run:
        """The run with these passes, but for the trunk's."""
        options = run.options | ({"micro_batch": self.selection} if "micro_batch" in run.options else {})
        if self.accumulate > 1:
            names = [name for name in ("batch_size", "joint_batch_size") if options[name]]
            parted = {name: -(-options[name] // self.accumulate) for name in names}
            options |= parted | {"accumulate": options["accumulate"] * self.accumulate}
        return replace(run, options=options, classifier_micro_batch=self.classifier)

    def smallest(self, others: Sequence[Fit]) -> Fit:
        """The passes that fit all of several processes."""
        every = (self, *others)

        def least(sizes: Iterable[int | None]) -> int | None:
            return min((size for size in sizes if size is not None), default=None)

        classifier, trunk, selection = (
            least(getattr(each, name) for each in every) for name in ("classifier", "trunk", "selection")
        )
        return Fit(classifier, trunk, selection, max(each.accumulate for each in every))


def unfitted(run: Run) -> Fit:
    """The passes that a run asks for."""
    return Fit(run.classifier_micro_batch, run.classifier_micro_batch, run.options.get("micro_batch"))


def learns(need: Need) -> bool:
    """Whether REINFORCE learns in a phase: by its own batches."""
    return need.name.startswith("stage ")


def fit(run: Run, needs: Sequence[Need], free: float) -> Fit:
    """The largest passes with which each phase takes at most `SPARE` of so many free bytes, or else the smallest."""
    room, asked = SPARE * free, unfitted(run)
    passes: dict[str, int | None] = {name: getattr(asked, name) for name in ("classifier", "trunk", "selection")}
    learning = [need for need in needs if learns(need)]
    common = math.gcd(*(need.batch for need in learning)) if learning else 1
    ways = [count for count in range(1, common + 1) if common % count == 0]
    parts = next((count for count in ways if all(need.bytes(1, 1, count) <= room for need in learning)), ways[-1])
    for need in needs:
        own = parts if learns(need) else 1
        whole = min(-(-need.batch // own), need.most)
        left = room - need.bytes(0, 0, own)
        selection = "selection" if learns(need) else "trunk"
        for name, each in (("classifier", need.classifier), (selection, need.selection)):
            fits = max(1, int(left // each)) if each else whole
            if fits < whole:
                even = -(-whole // -(-whole // fits))
                passes[name] = min(passes[name] or even, even)
    return Fit(**passes, accumulate=parts)

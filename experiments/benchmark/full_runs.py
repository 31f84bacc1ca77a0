"""The list of runs of a task of the full track, and the rows of its table."""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial
from pathlib import Path
from typing import Literal

from ada3d_gym.experiments.benchmark.labels import agent_name
from ada3d_gym.experiments.plan import Row, Task
from ada3d_gym.experiments.rivals import Compose, Rivals
from ada3d_gym.experiments.runs import Run

Against = Literal["none", "first", "all"]
Rows = dict[str, dict[int, Row]]
"""Of each method, the run's line by seed."""


class TaskRuns:
    """The runs of a task.

    Args:
        at: the path of a method's record, by name and seed; its run's folder lies beside it.

    Attributes:
        tasks: all runs by their folders.
        rows: of the table.
    """

    def __init__(self, at: Callable[[str, int], Path]):
        self._record = at
        self.tasks: dict[Path, Task] = {}
        self.rows: Rows = {}
        self._begun_from: tuple[Path, ...] = ()

    def add(
        self,
        seed: int,
        composed: Compose,
        beside: Compose,
        agents: tuple[str, ...],
        against: Against,
        begun_from: Task | None = None,
    ) -> None:
        """The runs of a seed; the first agent's judges Upper for all.

        Args:
            seed: of all.
            composed: makes an agent's run by its label.
            beside: makes runs that an agent is compared with.
            agents: labels.
            against: whose rivals are added.
            begun_from: the run that all others begin from, where there is one.
        """
        self._begun_from = () if begun_from is None else (begun_from.folder,)
        if begun_from is not None:
            self.tasks[begun_from.folder] = begun_from
        first = self._at(agents[0], seed)
        self.rows.setdefault("Upper", {})[seed] = Row(first, "Upper")
        for label in agents:
            self._add(label, seed, partial(composed, label), agent_name(label), first)
        for label in {"none": (), "first": agents[:1], "all": agents}[against]:
            learned, search = self._at(label, seed), self._at("Fixed", seed)
            made, own = Rivals(beside, learned, search), composed(label)
            self._add("Fixed", seed, made.best_fixed, "best-fixed", first, (learned,) if own.classifier_epochs else ())
            self._add(f"Random as {label}", seed, made.random, "random", first, (learned,))
            if own.options.get("joint_epochs"):
                both = (learned, search)
                self._add(f"Random FT as {label}", seed, made.random_ft, "random", first, (learned,))
                name = f"Fixed FT at same operations as {label}"
                self._add(name, seed, made.fixed_ft_operations, "fixed", first, both)
                self._add(f"Fixed FT at same accuracy as {label}", seed, made.fixed_ft_accuracy, "fixed", first, both)

    def done(self, finished: Container[Path]) -> Rows:
        """The rows of finished runs."""
        found = {
            method: {seed: row for seed, row in members.items() if row.folder in finished}
            for method, members in self.rows.items()
        }
        return {method: members for method, members in found.items() if members}

    def _at(self, method: str, seed: int) -> Path:
        return self._record(method, seed).with_suffix("")

    def _add(
        self,
        method: str,
        seed: int,
        make: Callable[[], Run],
        line: str,
        first: Path,
        needs: tuple[Path, ...] = (),
    ) -> None:
        folder = self._at(method, seed)
        needs = (*self._begun_from, *needs)
        self.tasks.setdefault(folder, Task(folder, make, needs, None if folder == first else first))
        self.rows.setdefault(method, {}).setdefault(seed, Row(folder, line))

"""What needs no run of a task, exactly: the best mask of each clip, constants, everything kept, chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.fronts import hypervolume, non_dominated
from ada3d_gym.experiments.benchmark.games import standing, task_game
from ada3d_gym.experiments.benchmark.record import Standing
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask
from ada3d_gym.experiments.regret import masks_of_groups
from ada3d_gym.outcomes.optima import constant_accuracy
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.outcomes.values import Game

ORACLE = "oracle: best mask of each clip"
CONSTANT = "best constant"
FAMILY = "best constant of each family"
CLASS = "best constant of each class"
UPPER = "upper: everything kept"
CHANCE = "each bit kept with probability 1/2"

TOLD = {
    ORACLE: "all outcomes of each test clip",
    FAMILY: "the family of each test clip",
    CLASS: "the class of each test clip",
}
"""What a reference is told that agents are not."""


@dataclass(frozen=True)
class Reference:
    """Attributes:
    name: as above.
    test: what it earns. Constants are chosen on the training clips, the oracle's masks on the test clips themselves.
    train: the same on the training clips; None of chance, which learns nothing from them.
    """

    name: str
    test: Standing
    train: Standing | None


@dataclass(frozen=True)
class ConstantFront:
    """Constant masks that no other one beats in accuracy and cost on the training clips, by rising cost.

    Attributes:
        macs: (P,) of a clip.
        accuracy: (P,) on the test clips, in [0, 1].
    """

    macs: NDArray[np.float64]
    accuracy: NDArray[np.float64]


class TaskReferences:
    """The references of a task.

    Args:
        task: of a suite.

    Raises:
        InputError: where there are no tables, or where nothing is better than the best constant.
    """

    def __init__(self, task: BenchmarkTask):
        self.task = task
        self.train, self.test = task_game(task, "train"), task_game(task, "test")
        if not self.oracle > self.constant:
            raise InputError(
                f"task {task.name}: the best constant mask earns as much as the best mask of each clip "
                f"({self.constant:.4g}), so no score tells agents apart: leave the task out of the suite"
            )

    def score(self, reward: float) -> float:
        """Of a mean reward on the test clips: 0 for the best constant's, 1 for the oracle's."""
        return (reward - self.constant) / (self.oracle - self.constant)

    @cached_property
    def oracle(self) -> float:
        """What the best mask of each test clip earns on average."""
        return self.test.oracle().mean

    @cached_property
    def constant(self) -> float:
        """What the mask that is best for the training clips earns on the test clips."""
        return self.test.value(self.train.best_constant().mask)

    @cached_property
    def rows(self) -> dict[str, Reference]:
        """By name; those that are told families or classes only where clips have several."""
        constant = self.train.best_constant()
        chosen: dict[str, Callable[[Game], NDArray[np.int8]]] = {
            ORACLE: lambda game: game.oracle().masks,
            CONSTANT: lambda game: constant.mask,
            UPPER: lambda game: np.ones_like(constant.mask),
        }
        if len(set(self.train.families.tolist())) > 1:
            families = self.train.best_by(self.train.families)
            chosen[FAMILY] = lambda game: masks_of_groups(families, constant, game.families)
        if len(set(self.train.labels.tolist())) > 1:
            classes = self.train.best_by(self.train.labels)
            chosen[CLASS] = lambda game: masks_of_groups(classes, constant, game.labels)
        found = {
            name: Reference(name, *(standing(game, masks(game)) for game in (self.test, self.train)))
            for name, masks in chosen.items()
        }
        return found | {CHANCE: Reference(CHANCE, _by_chance(self.test), None)}

    @cached_property
    def front(self) -> ConstantFront:
        """Whatever the task's gamma and cost are."""
        macs = self.test.table.macs.astype(np.float64)
        best = non_dominated(macs, _accuracy(self.train.table))
        return ConstantFront(macs[best], _accuracy(self.test.table)[best])

    @cached_property
    def worst(self) -> tuple[float, float]:
        """The reference point of hypervolumes: what keeping everything costs, and how often random masks are right."""
        return float(self.test.table.macs[-1]), float(_accuracy(self.test.table).mean())

    def hypervolume(self, macs: NDArray[np.float64], accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of points (..., P), as a share (...) of all that is cheaper and more accurate than the reference point."""
        most, least = self.worst
        share: NDArray[np.float64] = hypervolume(macs, accuracy, most, least) / (most * (1 - least))
        return share


def _by_chance(game: Game) -> Standing:
    """Of masks of which each bit is kept with probability 1/2: all masks alike."""
    reward = game.value(np.full(game.table.num_frames + game.table.num_stages, 0.5))
    return Standing(
        reward=reward,
        accuracy=float(_accuracy(game.table).mean()),
        macs=float(game.table.macs.mean()),
        masks=game.table.num_masks,
        regret=game.oracle().mean - reward,
    )


@lru_cache(maxsize=16)
def _accuracy(table: OutcomeTable) -> NDArray[np.float64]:
    """`constant_accuracy`, once for all tasks of a table."""
    return constant_accuracy(table)

"""Counts what an agent tries while it learns, and asks at stated counts what its policy is worth."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.agents.agent import Agent
from ada3d_gym.divergence import check_state
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.record import Point, Standing

Judge = Callable[[Agent], tuple[Standing, NDArray[np.int8]]]
SHARES = (0.0, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of the budget, at which a policy is judged: finely while little has been tried."""


class BudgetSpent(BaseException):
    """The agent asks for more pulls than it may have. It is no error, and ends the training past what agents catch."""


class PullMeter:
    """Watches the pulls of an agent on its bandit.

    A policy is judged before the pull that goes past a stated count: what it learned from that many pulls, and no more,
    is what counts.

    Args:
        agent: whose bandit's `on_pull` it takes.
        budget: pulls that are allowed; None for no limit.
        judge: says what the greedy policy of the agent is worth, and gives its masks.

    Attributes:
        pulls: so far.
        curve: judgements so far.
        masks: of the last judgement.
        judging: seconds that judgements took.
    """

    def __init__(self, agent: Agent, budget: int | None, judge: Judge, shares: Sequence[float] = SHARES):
        self.pulls, self.curve, self.judging = 0, list[Point](), 0.0
        self.masks: NDArray[np.int8] | None = None
        self._budget, self._judge = budget, judge
        self._judging = False
        self._ahead = [] if budget is None else sorted({round(share * budget) for share in shares})
        self._agent = agent
        agent.bandit.on_pull = self._note

    @property
    def attached(self) -> bool:
        """Whether it still sees every pull."""
        return self._agent.bandit.on_pull == self._note

    def _note(self, ids: NDArray[np.int64], u: NDArray[Any], v: NDArray[Any]) -> None:
        if self._judging:
            raise InputError(
                f"{type(self._agent).__name__}.act() pulls masks: an agent may try them only while it learns"
            )
        after = self.pulls + len(ids)
        while self._ahead and self._ahead[0] < after:
            self.judge(self._ahead.pop(0))
        if self._budget is not None and after > self._budget:
            raise BudgetSpent
        self.pulls = after

    def judge(self, pulls: int) -> Standing:
        """Judges the agent as it is, and notes it at a number of pulls.

        Raises:
            DivergedError: where its state is no longer finite; the last judgement stays.
            InputError: for an agent that pulls masks to act.
        """
        check_state(self._agent.state_dict())
        start = time.perf_counter()
        self._judging = True
        try:
            standing, self.masks = self._judge(self._agent)
        finally:
            self._judging = False
        self.curve.append(Point(pulls, standing))
        self.judging += time.perf_counter() - start
        return standing

    def finish(self) -> None:
        """Judges the agent for the last time: what it is worth at its budget, which it need not have used up."""
        if self._budget is None:
            self.judge(self.pulls)
            return
        final = self.judge(self._budget)
        earlier = [point for point in self.curve[:-1] if point.pulls < self._budget]
        self.curve = earlier + [Point(pulls, final) for pulls in dict.fromkeys([*self._ahead, self._budget])]

"""Budgets of pulls: what an agent may try, and when it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from ada3d_gym.agents.agent import Agent
from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark import learning
from ada3d_gym.experiments.benchmark.learning import learn
from ada3d_gym.experiments.benchmark.meter import SHARES, BudgetSpent, PullMeter
from ada3d_gym.experiments.benchmark.record import Standing
from ada3d_gym.experiments.benchmark.suite import Suite
from tests.experiments.benchmark.runs import OWN, spec
from tests.synthetic import TableClips, table_bandit

BUDGET = 840


@dataclass
class Counting:
    """An agent that knows how much it has learned from; its judge is told that much."""

    bandit: ClipBandit
    learned: int = 0
    judged: list[int] = field(default_factory=list)

    def pull(self, count: int) -> None:
        masks = (np.ones((count, n), np.bool_) for n in (self.bandit.num_frames, self.bandit.num_stages))
        self.bandit.pull(self.bandit.draw(count), *masks)
        self.learned += count

    def state_dict(self) -> dict[str, int]:
        return {"learned": self.learned}

    def judge(self, agent: Agent) -> tuple[Standing, NDArray[np.int8]]:
        self.judged.append(self.learned)
        return Standing(float(self.learned), 1.0, 1.0, 1), np.zeros((1, 3), np.int8)


@pytest.fixture
def agent() -> Counting:
    clips = TableClips([(0,), (1,)], 2, num_frames=2)
    return Counting(table_bandit(clips, lambda clip, u, v: (1.0, 0.0), num_stages=1))


def meter_of(agent: Counting, budget: int | None, shares: tuple[float, ...] = SHARES) -> PullMeter:
    return PullMeter(cast(Agent, agent), budget, agent.judge, shares)


def test_the_budget_ends_the_training_before_it_is_passed(agent: Counting):
    meter = meter_of(agent, 100)
    with pytest.raises(BudgetSpent):
        for _ in range(100):
            agent.pull(7)
    assert agent.learned == meter.pulls == 98
    with pytest.raises(BudgetSpent):  # whoever goes on all the same
        agent.pull(7)
    agent.pull(2)
    assert meter.pulls == 100


def test_a_policy_is_judged_by_what_it_learned_from_so_many_pulls_and_no_more(agent: Counting):
    meter = meter_of(agent, 100, (0.0, 0.1, 0.11, 0.5, 1.0))
    with pytest.raises(BudgetSpent):
        while True:
            agent.pull(7)
    meter.finish()
    assert [point.pulls for point in meter.curve] == [0, 10, 11, 50, 100]
    assert [point.test.reward for point in meter.curve] == [0, 7, 7, 49, 98]


def test_a_batch_that_ends_at_a_stated_number_counts(agent: Counting):
    meter = meter_of(agent, 100, (0.0, 0.5, 1.0))
    for _ in range(2):
        agent.pull(50)
    meter.finish()
    assert [(point.pulls, point.test.reward) for point in meter.curve] == [(0, 0), (50, 50), (100, 100)]


def test_one_batch_may_pass_several_stated_numbers(agent: Counting):
    meter = meter_of(agent, 100, (0.0, 0.25, 0.5, 1.0))
    agent.pull(80)
    meter.finish()
    assert [(point.pulls, point.test.reward) for point in meter.curve] == [(0, 0), (25, 0), (50, 0), (100, 80)]


def test_an_agent_that_stops_early_stays_what_it_is(agent: Counting):
    meter = meter_of(agent, 100, (0.0, 0.25, 0.5, 0.75, 1.0))
    agent.pull(30)
    meter.finish()
    assert meter.pulls == 30
    assert [(point.pulls, point.test.reward) for point in meter.curve] == [
        (0, 0),
        (25, 0),
        (50, 30),
        (75, 30),
        (100, 30),
    ]


def test_without_a_budget_it_is_judged_at_its_end(agent: Counting):
    meter = meter_of(agent, None)
    agent.pull(1000)
    meter.finish()
    assert [(point.pulls, point.test.reward) for point in meter.curve] == [(1000, 1000)]


@pytest.mark.parametrize("name", ["reinforce", "ppo", "dqn"])
def test_agents_pull_what_their_records_say(suite: Suite, name: str, monkeypatch: pytest.MonkeyPatch):
    counts: list[int] = []
    pull = ClipBandit.pull

    def counted(bandit: ClipBandit, ids: NDArray[np.int64], *masks: Any) -> Outcome:
        outcome = pull(bandit, ids, *masks)
        counts.append(len(ids))
        return outcome

    monkeypatch.setattr(ClipBandit, "pull", counted)
    record = learn(spec(suite, name))
    assert 0.8 * BUDGET <= record.pulls == sum(counts) <= BUDGET
    assert [point.pulls for point in record.curve] == [0, 26, 52, 105, 210, 420, 840]
    assert record.curve[-1].test == record.test
    assert record.curve[0].test != record.test


@pytest.mark.parametrize("name", ["reinforce", "ppo"])
def test_being_judged_changes_nothing_in_what_is_learned(suite: Suite, name: str, monkeypatch: pytest.MonkeyPatch):
    often = learn(spec(suite, name))

    class Once(PullMeter):
        def __init__(self, *given: Any):
            super().__init__(*given, shares=())

    monkeypatch.setattr(learning, "PullMeter", Once)
    once = learn(spec(suite, name))
    assert len(once.curve) == 1
    assert (once.masks, once.pulls, once.test, once.train) == (often.masks, often.pulls, often.test, often.train)


def test_an_agent_that_learns_nothing_pulls_nothing(suite: Suite):
    record = learn(spec(suite, f"{OWN}Everything"))
    assert (record.feedback, record.pulls, [point.pulls for point in record.curve]) == ("none", 0, [0])
    assert record.test.masks == 1
    assert record.mask_array().all()


def test_a_training_that_diverges_is_worth_its_last_finite_policy(suite: Suite):
    record = learn(spec(suite, f"{OWN}Diverging"))
    assert "nan" in record.diverged
    assert record.pulls == 100
    assert record.train is None
    assert record.test == record.curve[-1].test


def test_tables_of_other_videos_than_the_environments_are_refused(suite: Suite):
    wrong = replace(spec(suite, "random"), task=replace(suite.tasks[0], environment={"videos": 14}))
    with pytest.raises(InputError, match=r"train.safetensors is of 28 videos, and its environment has 14"):
        learn(wrong)

"""The policy gradient that is followed on average is the exact one, computed by going through all masks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ada3d_gym.agents.reinforce import Reinforce, ReinforceConfig
from ada3d_gym.bandit import ClipBandit
from tests.agents.toy import LogitTable
from tests.synthetic import TableClips, needs, table_bandit

CLIPS = 2
EXPLORATION = 0.9


def tiny_bandit() -> ClipBandit:
    source = TableClips([(0,), (1,)], 2, num_frames=3)
    return table_bandit(source, needs([([0], [0]), ([1, 2], [])], [0, 1], 2), num_stages=2, gamma=1.5)


def exact_gradient(policy: LogitTable, bandit: ClipBandit, credit: str) -> Tensor:
    """Of Eq. 6 (each head's own reward) or of Eq. 5 (the expected sum), averaged over clips: (clips, T + K)."""
    probabilities = [
        EXPLORATION * p + (1 - EXPLORATION) * (1 - p) for p in (policy.frames.sigmoid(), policy.stages.sigmoid())
    ]
    objective = torch.zeros(())
    for clip, u, v in itertools.product(range(CLIPS), all_bits(3), all_bits(2)):
        outcome = bandit.pull(np.array([clip]), u[None], v[None])
        logs = [
            torch.where(torch.from_numpy(mask), p[clip], 1 - p[clip]).log().sum()
            for p, mask in zip(probabilities, (u, v), strict=True)
        ]
        chance = (logs[0] + logs[1]).exp()
        if credit == "joint":
            objective = objective + chance * outcome.reward[0]
        else:
            paid = outcome.reward_frames[0] * logs[0] + outcome.reward_stages[0] * logs[1]
            objective = objective + chance.detach() * paid
    (objective / CLIPS).backward()
    return torch.cat([policy.frames.grad, policy.stages.grad], 1)


def all_bits(length: int) -> list[np.ndarray]:
    return [np.array(bits) for bits in itertools.product([False, True], repeat=length)]


@pytest.mark.parametrize("credit", ["paper", "joint"])
@pytest.mark.parametrize(
    ("baseline", "samples"),
    [("leave_one_out", 2), pytest.param("leave_one_out", 5, marks=pytest.mark.slow), ("greedy", 1), ("none", 1)],
)
def test_the_mean_gradient_is_exact(credit: Any, baseline: Any, samples: int):
    bandit = tiny_bandit()
    expected = exact_gradient(LogitTable(bandit), bandit, credit)

    many = 2000
    bandit.source.records = bandit.source.records * (many // CLIPS)
    bandit.source.clips = lambda ids: TableClips.clips(bandit.source, ids % CLIPS)
    policy = LogitTable(tiny_bandit())
    config = ReinforceConfig(
        epochs=12,
        joint_epochs=0,
        batch_size=many,
        samples=samples,
        lr=0.0,
        credit=credit,
        baseline=baseline,
        exploration=EXPLORATION,
        final_exploration=EXPLORATION,
        entropy=0.0,
        final_entropy=0.0,
    )
    followed: list[Tensor] = []
    Reinforce(policy, bandit, config).learn(
        12, lambda epoch, figures: followed.append(-torch.cat([policy.frames.grad, policy.stages.grad], 1))
    )
    gradients = torch.stack(followed)
    error = gradients.std(0).norm() / len(gradients) ** 0.5
    assert error < 0.05 * expected.norm()
    assert (gradients.mean(0) - expected).norm() < 3 * error


def test_the_baseline_lowers_the_variance():
    def spread(baseline: Any) -> float:
        bandit = tiny_bandit()
        policy = LogitTable(bandit)
        config = ReinforceConfig(epochs=150, joint_epochs=0, samples=8, lr=0.0, baseline=baseline)
        seen: list[Tensor] = []
        Reinforce(policy, bandit, config).learn(150, lambda epoch, figures: seen.append(policy.frames.grad.clone()))
        return float(torch.stack(seen).var(0).sum())

    assert spread("leave_one_out") < 0.8 * spread("none")

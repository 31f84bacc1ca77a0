"""The search for constant masks finds them among all, and a front of them by operations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.agents.registry import make_agent
from ada3d_gym.agents.search import BestFixed, read_constants, regular_frames
from ada3d_gym.building import build_bandit
from ada3d_gym.envs.codings import spread
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.rivals import cheapest_losing, most_accurate_within
from ada3d_gym.outcomes.classifier import TableClassifier
from ada3d_gym.outcomes.values import Game


@pytest.fixture(scope="module")
def found() -> BestFixed:
    """A finished search among the 1,020 masks of a network with two stages."""
    bandit = build_bandit(split="val", videos=14, backbone="slowonly_tiny", gamma=2.0)
    agent = make_agent("best-fixed", bandit, {"clips": 2})
    assert isinstance(agent, BestFixed)
    agent.learn(agent.total_epochs, lambda epoch, figures: None)
    return agent


def test_candidates_are_all_masks_with_a_frame(found: BestFixed):
    frames, stages = found.bandit.num_frames, found.bandit.num_stages
    assert len(np.unique(found.masks, axis=0)) == len(found.masks) == (2**frames - 1) * 2**stages
    assert found.masks[:, :frames].any(1).all()
    longer = make_agent("best-fixed", build_bandit(split="val", videos=14, num_frames=16))
    assert isinstance(longer, BestFixed)
    assert len(np.unique(longer.masks, axis=0)) == len(longer.masks) == len(regular_frames(16)) * 2**5


def test_long_clips_are_tried_with_bursts_and_with_spread_frames():
    masks = {"".join(map(str, row)) for row in regular_frames(6).tolist()}
    assert {"001110", "101010", "100001", "000010", "111111"} <= masks
    assert {"110100", "111011"}.isdisjoint(masks - spread_ones(6))
    assert spread_ones(6) <= masks
    assert all("1" in mask for mask in masks)


def spread_ones(length: int) -> set[str]:
    """Evenly spread frames, of every number, as text."""
    found = [np.isin(np.arange(length), spread(length, kept)).astype(int) for kept in range(1, length + 1)]
    return {"".join(map(str, row)) for row in found}


def test_the_mask_found_is_among_the_best_of_all(found: BestFixed):
    bandit = build_bandit(split="val", videos=14, backbone="slowonly_tiny", gamma=2.0, outcomes="table")
    clips = bandit.epoch(np.random.default_rng(0))
    u, v = found.masks[:, : bandit.num_frames] == 1, found.masks[:, bandit.num_frames :] == 1
    paid = np.mean([bandit.pull(np.full(len(u), clip), u, v).reward for clip in clips], axis=0)  # to all masks
    (mine,) = np.flatnonzero((found.masks == found.mask).all(1))
    assert (paid > paid[mine]).sum() < 0.05 * len(paid)


def test_the_front_rises_from_cheap_to_everything(found: BestFixed, tmp_path: Path):
    (path,) = found.export(tmp_path)
    front = read_constants(tmp_path)
    assert front == found.front
    assert [each.macs for each in front] == sorted({each.macs for each in front})
    assert front[-1].mask == "1" * 10
    assert 10 < len(front) <= 25
    assert all(0 <= each.accuracy <= 1 and each.clips == found.judged_on for each in front)
    best = json.loads(path.read_text())["best"]
    assert best["mask"] == "".join(map(str, found.mask))
    assert best["reward"] >= max(each.reward for each in front)
    with pytest.raises(InputError, match=r"constants\.json: no front of constant masks .*: delete .*elsewhere"):
        read_constants(tmp_path / "elsewhere")


def test_constants_are_chosen_by_operations_and_by_accuracy(found: BestFixed):
    front = found.front
    everything = front[-1]
    for limit in (0.2, 0.5, 1.0):
        chosen = most_accurate_within(front, limit * everything.macs)
        assert chosen.macs <= limit * everything.macs
        assert chosen.accuracy == max(each.accuracy for each in front if each.macs <= limit * everything.macs)
    with pytest.raises(InputError, match="no constant mask spends at most"):
        most_accurate_within(front, 1)
    for lost in (0.0, 0.1, 1.0):
        chosen = cheapest_losing(front, lost)
        assert chosen.accuracy >= everything.accuracy - lost - 1e-9
        assert all(each.accuracy < everything.accuracy - lost for each in front if each.macs < chosen.macs)
    assert cheapest_losing(front, -0.5) == cheapest_losing(front, 0.0)  # a policy above Upper


def test_on_an_outcome_table_the_search_is_exact():
    bandit = build_bandit(split="train", videos=56, outcomes="table", observation="index", gamma=6.0)
    assert isinstance(bandit.classifier, TableClassifier)
    table = bandit.classifier.table
    agent = make_agent("best-fixed", bandit)
    agent.learn(4, lambda *_: None)
    assert isinstance(agent, BestFixed)
    best = Game(table, bandit.reward, np.arange(56)).best_constant()
    assert (agent.mask == best.mask).all()
    right = table.all_correct(np.arange(56)).mean(0)
    for constant in agent.front:
        number = int(constant.mask, 2)
        assert constant.clips == 56
        assert constant.accuracy == pytest.approx(right[number], abs=1e-4)
        assert constant.macs == table.macs[number]

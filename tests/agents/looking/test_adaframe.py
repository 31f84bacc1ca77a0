"""AdaFrame's network and training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from ada3d_gym.agents.looking.adaframe import AdaFrame, positional_encoding
from ada3d_gym.agents.looking.adaframe_options import PRESETS, AdaFrameOptions
from ada3d_gym.agents.looking.adaframe_policy import AdaFramePolicy
from ada3d_gym.agents.looking.adaframe_training import AdaFrameTraining, discounted, margin, margin_rewards
from ada3d_gym.agents.looking.judging import judge
from ada3d_gym.agents.looking.references import Uniform
from ada3d_gym.agents.looking.stopping import Patience
from ada3d_gym.agents.states import load_state, save_state
from ada3d_gym.errors import InputError

from .synthetic import CLIP_MACS, MEMORY_MACS, hidden_class

SMALL = replace(PRESETS["fast"], steps=2, hidden=16, epochs=3)


def network(**settings: Any) -> AdaFrame:
    torch.manual_seed(0)
    return AdaFrame(6, (16, 8), 4, **{"hidden": 12, **settings})


def test_margin_by_hand() -> None:
    scores = torch.tensor([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])
    assert_close(margin(scores, torch.tensor([0, 2])), torch.tensor([0.3, -0.5]))


def test_margin_reward_by_hand() -> None:
    margins = torch.tensor([[-0.5, 0.2], [-0.2, 0.1], [0.3, 0.6], [0.1, 0.7]])  # of two videos, four looks
    expected = torch.tensor([[0.0, 0.2], [0.3, 0.0], [0.5, 0.4], [0.0, 0.1]])
    assert_close(margin_rewards(margins), expected)


def test_discounted_by_hand() -> None:
    rewards = torch.tensor([[1.0], [0.0], [2.0]])
    assert_close(discounted(rewards, 0.9), torch.tensor([[1 + 0.81 * 2], [1.8], [2.0]]))


def test_shapes_and_ranges() -> None:
    net = network()
    step = net.begin(torch.randn(5, 16, 8))
    step = net(step, torch.randn(5, 6), torch.rand(5, 4), torch.randn(5, 16, 8))
    assert (step.hidden.shape, step.cell.shape, step.logits.shape) == ((5, 12), (5, 12), (5, 4))
    assert step.place.shape == step.utility.shape == (5,)
    assert ((step.place >= 0) & (step.place <= 1)).all()


@pytest.mark.parametrize("values", ["encoded", "plain"])
def test_attention_is_a_softmax_over_encoded_frames(values: Any) -> None:
    net = network(values=values)
    memory, hidden = torch.randn(3, 16, 8), torch.randn(3, 12)
    answer, weights = net.ask(hidden, memory)
    keys = memory + positional_encoding(16, 8)
    expected = torch.einsum("bme,be->bm", keys, net.query(hidden)).softmax(1)
    assert_close(weights, expected)
    assert_close(answer, torch.einsum("bm,bme->be", expected, keys if values == "encoded" else memory))


def test_positions_differ_and_odd_widths_work() -> None:
    code = positional_encoding(16, 7)
    assert_close(code[0], torch.tensor([0.0, 1, 0, 1, 0, 1, 0]))
    assert torch.cdist(code, code).fill_diagonal_(1).min() > 0.1


def test_first_place() -> None:
    memory = torch.randn(3, 16, 8)
    assert_close(network(first="middle").begin(memory).place, torch.full((3,), 0.5))
    first = network(first="memory").begin(memory).place
    assert len(first.unique()) == 3  # it depends on the memory
    with pytest.raises(InputError, match="unknown first 'end': expected one of memory, middle"):
        network(first="end")


def test_macs_of_a_step() -> None:
    attention = 12 * 8 + 2 * 16 * 8
    assert network().macs() == attention + 4 * 12 * (6 + 8 + 12) + 12 * (4 + 1 + 1)


def test_scores_as_evidence() -> None:
    net = network(evidence="scores")
    assert net.macs() == network().macs() + 4 * 12 * 4
    for parameter in net.predict.parameters():
        torch.nn.init.zeros_(parameter)
    memory, scores = torch.randn(3, 16, 8), torch.rand(2, 3, 4).softmax(2)
    step = net.begin(memory)
    for each in scores:
        step = net(step, torch.randn(3, 6), each, memory)
    assert_close(step.logits.softmax(1), scores.mean(0))  # where it starts from: the mean of the looks


def test_a_policy_pays_for_memory_looks_and_itself() -> None:
    looks, net = hidden_class(8, 0), network()
    looked = AdaFramePolicy(net, 3).look(looks, np.arange(8))
    assert (looked.counts == 3).all()
    assert_close(looked.macs, MEMORY_MACS + 4 * net.macs() + 3 * CLIP_MACS + looked.places.sum(1))
    assert_close(looked.scores.sum(1), np.ones(8, np.float32))


def test_stopping_early_keeps_what_was_known_then() -> None:
    looks, net = hidden_class(30, 0), network(hidden=32)
    whole = AdaFramePolicy(net, 4).look(looks, np.arange(30))
    early = AdaFramePolicy(net, 4, Patience(0.0, 1)).look(looks, np.arange(30))
    assert set(early.counts) > {2}
    for count in np.unique(early.counts):
        rows = early.counts == count
        same = AdaFramePolicy(net, int(count)).look(looks, np.flatnonzero(rows))
        assert_close(early.scores[rows], same.scores)
        assert_close(early.macs[rows], same.macs)
        assert (early.places[rows, :count] == whole.places[rows, :count]).all()
        assert (early.places[rows, count:] == -1).all()


def test_learns_to_look_where_the_class_shows() -> None:
    train, test = hidden_class(512, 0), hidden_class(256, 1)
    options = replace(PRESETS["fast"], steps=2, hidden=48, epochs=50, dropout=0.0, evidence="features")
    training = AdaFrameTraining(train, options, seed=0)
    training.learn()
    found, uniform = judge(AdaFramePolicy(training.network, 2), test), judge(Uniform(2), test)
    assert found.clips == uniform.clips == 2
    assert found.top1 > 90 > 70 > uniform.top1


def test_uniform_places_are_its_own_rival() -> None:
    train = hidden_class(64, 0)
    training = AdaFrameTraining(train, replace(SMALL, where="uniform"), seed=0)
    before = training.network.select.weight.clone()
    training.learn()
    assert_close(training.network.select.weight / before, torch.full_like(before, 1.0), atol=1e-3, rtol=0)  # but decay
    looked = AdaFramePolicy(training.network, 2, where="uniform").look(train, np.arange(5))
    assert (looked.places == looked.places[0]).all()


def test_resumed_ends_as_unbroken(tmp_path: Path) -> None:
    looks = hidden_class(100, 0)
    unbroken = AdaFrameTraining(looks, replace(SMALL, dropout=0.2), seed=3)
    unbroken.learn()
    first = AdaFrameTraining(looks, unbroken.options, seed=3)
    first.train_epoch()
    save_state(tmp_path / "state.pt", first.state_dict())
    second = AdaFrameTraining(looks, unbroken.options, seed=3)
    state = load_state(tmp_path / "state.pt")
    assert state is not None
    second.load_state_dict(state)
    second.learn()
    for name, tensor in unbroken.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name]), name


def test_seeds_decide() -> None:
    looks = hidden_class(64, 0)

    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(np.random.default_rng().integers(1000))  # global state has no part in it
        training = AdaFrameTraining(looks, SMALL, seed=seed)
        training.train_epoch()
        return training.network.predict.weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_the_papers_schedule() -> None:
    training = AdaFrameTraining(hidden_class(8, 0), replace(PRESETS["paper"], hidden=8, steps=2))
    (group,) = training.optimizer.param_groups
    assert (group["momentum"], group["weight_decay"]) == (0.9, 1e-4)
    training._set_rate(39.9)
    assert group["lr"] == 1e-3
    training._set_rate(80.0)
    assert group["lr"] == pytest.approx(1e-5)


def test_wrong_options_and_videos_are_named() -> None:
    with pytest.raises(InputError, match="steps=0: expected at least 1"):
        AdaFrameOptions(steps=0)
    with pytest.raises(InputError, match="unknown where 'there': expected one of learned, uniform"):
        AdaFrameOptions(where="there")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="train one on videos of the same set"):
        AdaFramePolicy(network(), 2).look(hidden_class(4, 0, classes=5), np.arange(2))

"""Every registered agent: made by name, trained, interrupted, saved, judged; options that are wrong are named."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym import parallel
from ada3d_gym.agents.agent import Agent, NoOptions
from ada3d_gym.agents.costs import backbone_macs
from ada3d_gym.agents.fixed import Upper
from ada3d_gym.agents.registry import AGENTS, agent_class, agent_options, make_agent
from ada3d_gym.agents.sb3 import SB3Agent
from ada3d_gym.agents.states import load_state
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.evaluation import evaluate
from ada3d_gym.masks import split_mask
from ada3d_gym.networks.checkpoints.weights import CheckpointError
from tests.agents.known import known_bandit

OFF_POLICY = {"epochs": 2, "num_envs": 4, "buffer_size": 64, "learning_starts": 8, "batch_size": 8, "net_arch": [16]}
ON_POLICY = {"epochs": 1, "joint_epochs": 1, "num_envs": 4, "classifier_batch": 8}
SMALL: dict[str, dict[str, Any]] = {
    "reinforce": {"epochs": 1, "joint_epochs": 1, "batch_size": 8, "samples": 2},
    "exact": {"epochs": 2, "batch_size": 8},
    "supervised": {"epochs": 2, "batch_size": 8},
    "ppo": {**ON_POLICY, "n_steps": 4, "batch_size": 8, "n_epochs": 2},
    "a2c": {**ON_POLICY, "n_steps": 2},
    "trpo": {**ON_POLICY, "n_steps": 4, "batch_size": 8},
    "dqn": OFF_POLICY,
    "qrdqn": OFF_POLICY,
    "sac": OFF_POLICY,
    "thompson": {"epochs": 2, "batch_size": 8},
    "ucb": {"epochs": 2, "batch_size": 8, "model": "neural"},
    "epsilon-greedy": {"epochs": 2, "batch_size": 8, "model": "neural"},
    "best-fixed": {"clips": 1, "joint_epochs": 1, "joint_batch_size": 8},
    "fixed": {"mask": "1010101000011", "joint_epochs": 2, "joint_batch_size": 8},
    "random": {"joint_epochs": 2, "joint_batch_size": 8},
}


def bandit_for(name: str) -> ClipBandit:
    if name in ("exact", "supervised"):  # which need a table
        return known_bandit(videos=14)
    # a network of fewer stages has fewer masks to try
    backbone = "slowonly_tiny" if name == "best-fixed" else "i3d_tiny"
    return build_bandit(split="val", videos=14, backbone=backbone, observation=agent_class(name).observation)


def small_agent(name: str, seed: int = 3) -> Agent:
    return make_agent(name, bandit_for(name), SMALL.get(name, {}), seed=seed)


def learn(agent: Agent, until: int) -> dict[int, dict[str, float]]:
    figures: dict[int, dict[str, float]] = {}
    agent.learn(until, figures.__setitem__)
    return figures


# Two of Stable-Baselines3's algorithms, one of each kind, and one learner on features stand for those that are alike.
ALIKE = ("a2c", "trpo", "qrdqn", "sac", "ucb")


def some(names: Iterable[str]) -> list[Any]:
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in ALIKE)) for name in names]


@pytest.mark.parametrize("name", some(AGENTS))
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_an_agent_trains_acts_and_goes_on_after_an_interruption(name: str, tmp_path: Path):
    agent = small_agent(name)
    total = agent.total_epochs
    figures = learn(agent, total)
    assert list(figures) == list(range(1, total + 1))
    assert all(np.isfinite(value) for each in figures.values() for value in each.values())
    if isinstance(agent, SB3Agent):
        assert agent.macs > 0
        assert any(key.startswith("train/") and key.endswith("loss") for key in figures[total])
        assert ("classifier/loss" in figures[total]) == (agent.trainer is not None)

    resumed = small_agent(name)
    half = total // 2
    again = learn(resumed, half)
    resumed.save(tmp_path / "agent.pt")
    resumed = small_agent(name)
    resumed.load(tmp_path / "agent.pt")
    again |= learn(resumed, total)
    # on some processors a clip's features are rounded by which clips were looked at with it, and a resumed training
    # looks at others together
    rounded = agent.observation == "features"
    assert again == (
        {epoch: pytest.approx(each, 1e-3, 1e-5) for epoch, each in figures.items()} if rounded else figures
    )
    resumed.save(tmp_path / "resumed.pt")
    agent.save(tmp_path / "unbroken.pt")
    assert_same(load_state(tmp_path / "resumed.pt"), load_state(tmp_path / "unbroken.pt"), rounded)

    shown = agent.bandit.observer(np.arange(5))
    for deterministic in (True, False):
        u, v = split_mask(agent.act(shown, deterministic), agent.bandit.num_frames, agent.bandit.num_stages)
        assert u.shape == (5, 8)
        assert v.shape == (5, agent.bandit.num_stages)
    assert 0 < evaluate(agent.bandit, agent.act).usage.frames <= 8
    for path in agent.export(tmp_path):
        assert path.stat().st_size > 0


def test_an_epoch_takes_no_memory_for_each_view_of_each_video(make: Callable[..., Any]):
    bandit = make("Ada3D-FCVID-v0", split="train", views=10**6, observation="features").unwrapped.bandit
    agent = make_agent("ppo", bandit, {"epochs": 1, "num_envs": 4, "n_steps": 2, "batch_size": 8})
    tracemalloc.start()
    agent.train_epoch()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * len(bandit.source)


def test_one_rollout_is_learned_from_where_it_is_a_whole_epoch():
    agent = make_agent(
        "ppo", build_bandit(split="val", videos=14, observation="features"), {"epochs": 0, "joint_epochs": 1}
    )
    figures = learn(agent, 1)[1]
    assert figures["train/learning_rate"] == pytest.approx(agent.options.lr)
    assert figures["classifier/learning_rate"] == pytest.approx(agent.options.classifier_lr)


def assert_same(one: Any, other: Any, rounded: bool = False) -> None:
    """Equal to the bit, all the way down; or but for rounding."""
    if isinstance(one, torch.Tensor):
        if rounded and one.is_floating_point():
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
        else:
            assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key], rounded)
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair, rounded)
    else:
        assert one == other


@pytest.mark.parametrize(("frames", "stages"), [(3.5, 0.25), ([1.0, 0.0] * 4, [1.0, 0.0, 0.5, 0.5, 0.0])])
def test_random_masks_have_the_usage_asked_for(bandit: ClipBandit, frames: Any, stages: Any):
    agent = make_agent("random", bandit, {"frames": frames, "stages": stages}, seed=1)
    u, v = split_mask(agent.act(np.zeros((4000, 1))), 8, 5)
    np.testing.assert_allclose(u.sum(1).mean(), np.sum(frames), atol=0.1)
    np.testing.assert_allclose(v.mean(0), np.broadcast_to(stages, 5), atol=0.04)


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("reinforce", {"epoch": 3}, "unknown option of reinforce: epoch; expected some of epochs"),
        ("reinforce", {"epochs": "many"}, "option of reinforce: epochs: .*integer.*'many'"),
        ("reinforce", {"credit": "card"}, "option of reinforce: credit: .*'paper' or 'joint'"),
        ("reinforce", {"aggregation": "sum"}, "option of reinforce: aggregation: .*'concat', 'mean' or 'uniform'"),
        ("reinforce", {"keep": 1.0}, "keep=1.0: expected more than 0, less than 1"),
        ("ppo", {"num_envs": 0}, "num_envs=0: expected at least 1"),
        ("ppo", {"n_steps": 2.5}, "option of ppo: n_steps"),
        ("ppo", {"epochs": -1}, "option of ppo: epochs=-1: expected 0 or more"),
        ("reinforce", {"trunk_lr": -0.1}, "option of reinforce: trunk_lr=-0.1: expected 0 or more"),
        ("sac", {"lr": float("inf")}, "option of sac: lr=inf: expected a finite number"),
        ("reinforce", {"entropy": float("nan")}, "option of reinforce: entropy=nan: expected a finite number"),
        ("agents.agent:Agent", {}, "agent 'agents.agent:Agent' does not define act"),
        ("fixed", {"mask": "1112"}, "mask='1112': expected zeros and ones"),
        ("random", {"joint_epochs": -1}, "option of random: joint_epochs=-1: expected 0 or more"),
        ("best-fixed", {"joint_batch_size": 0}, "joint_batch_size=0: expected at least 1"),
        ("nobody", {}, "unknown agent 'nobody': expected one of reinforce, ppo"),
        ("agents.reference:Missing", {}, "cannot be imported"),
        ("agents.reference:Fixed", {}, "expected a subclass of ada3d_gym.agents.Agent"),
    ],
)
def test_wrong_names_and_options_are_named(name: str, options: dict[str, Any], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        agent_options(name, options)


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("uniform", {"frames": 9}, "frames=9: expected 1 to 8"),
        ("uniform", {"stages": [5]}, r"stages=\[5\]: expected numbers from 0 to 4"),
        ("random", {"stages": 1.5}, "stages=1.5: expected a probability, or 5 of them"),
        ("random", {"frames": [0.5]}, "frames=.*expected a mean, or 8 probabilities"),
        ("fixed", {"mask": "0000000011111"}, "mask='0000000011111': expected 8 frame bits, not all of them 0"),
        ("fixed", {"mask": "111"}, "mask='111': expected 8 frame bits.*, then 5 stage bits"),
    ],
)
def test_what_does_not_fit_the_bandit_is_named(bandit: ClipBandit, name: str, options: dict[str, Any], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        make_agent(name, bandit, options)


def test_training_stops_at_the_last_epoch(bandit: ClipBandit):
    with pytest.raises(ValueError, match="until=1 is beyond the last of 0 epochs"):
        make_agent("upper", bandit).learn(1, lambda epoch, figures: None)


def test_a_learner_without_train_epoch_is_named(bandit: ClipBandit):
    class Lazy(Upper):
        total_epochs = 1

    with pytest.raises(NotImplementedError, match=r"Lazy has 1 epochs and no train_epoch\(\)"):
        Lazy(bandit, NoOptions()).learn(1, lambda epoch, figures: None)


def test_who_is_shown_features_does_not_appear_to_choose_for_nothing():
    class Forgetful(Upper):
        observation = "features"

    pixels, features = (build_bandit(split="test", videos=2, observation=shown) for shown in ("pixels", "features"))
    assert Forgetful(features, NoOptions()).macs == backbone_macs(features) > 500_000
    assert Upper(pixels, NoOptions()).macs == Upper(features, NoOptions()).macs == 0


def test_what_a_learner_gives_that_cannot_be_used_is_named(bandit: ClipBandit, tmp_path: Path):
    class Silent(Upper):
        total_epochs = 1

        def train_epoch(self) -> Any:
            return None

        def state_dict(self) -> dict[str, Any]:
            return {"epoch": self.epoch, "weights": [np.zeros(2)]}

    agent = Silent(bandit, NoOptions())
    with pytest.raises(InputError, match=r"Silent\.train_epoch\(\) gave NoneType"):
        agent.learn(1, lambda epoch, figures: None)
    with pytest.raises(InputError, match=r"state_dict\(\)\['weights'\]\[0\] is ndarray: .* torch\.from_numpy"):
        agent.save(tmp_path / "agent.pt")
    assert not [*tmp_path.iterdir()]


def test_a_learner_that_would_not_be_saved_is_named(bandit: ClipBandit):
    class Forgetful(Upper):
        total_epochs = 1

        def train_epoch(self) -> dict[str, float]:
            return {}

    with pytest.raises(ValueError, match=r"Forgetful learns, and has no state_dict\(\)"):
        Forgetful(bandit, NoOptions()).learn(1, lambda epoch, figures: None)


def test_a_seed_among_the_options_is_refused(bandit: ClipBandit):
    with pytest.raises(ValueError, match="seed=5 among the options beside seed=3"):
        make_agent("reinforce", bandit, {"seed": 5}, seed=3)


def test_a_missing_file_is_named(bandit: ClipBandit, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"none\.pt: no such file"):
        make_agent("upper", bandit).load(tmp_path / "none.pt")


@pytest.mark.parametrize(
    "name",
    [
        *some(["reinforce", "ppo", "a2c", "trpo", "dqn", "qrdqn", "sac", "fixed"]),
        pytest.param("best-fixed", marks=pytest.mark.slow),  # a mask, as that of "fixed" is, after a longer search
    ],
)
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_a_policy_is_loaded_without_the_classifier_it_was_trained_with(name: str, tmp_path: Path):
    trained = small_agent(name)
    learn(trained, trained.total_epochs)
    trained.save(tmp_path / "agent.pt")
    judged = small_agent(name, seed=4)
    before = {key: value.clone() for key, value in network(judged).state_dict().items()}
    judged.load_policy(tmp_path / "agent.pt")
    assert_same(before, network(judged).state_dict())
    shown = trained.bandit.observer(np.arange(20))
    assert np.array_equal(judged.act(shown), trained.act(shown))
    if getattr(trained, "trainer", None) is not None:
        assert not torch.equal(network(trained).head.weight, network(judged).head.weight)
        judged.load(tmp_path / "agent.pt")
        assert_same(network(trained).state_dict(), network(judged).state_dict())


def network(agent: Agent) -> Any:
    return agent.bandit.classifier.network


@pytest.mark.parametrize("load", ["load", "load_policy"])
def test_the_state_of_another_agent_is_named(load: str, tmp_path: Path):
    small_agent("ppo").save(tmp_path / "agent.pt")
    with pytest.raises(CheckpointError, match=r"agent\.pt: the state of another agent"):
        getattr(small_agent("reinforce"), load)(tmp_path / "agent.pt")


@pytest.mark.parametrize("frames", [4.0, [0.5] * 8], ids=["mean", "each"])
def test_processes_that_judge_together_draw_what_one_would(
    bandit: ClipBandit, monkeypatch: pytest.MonkeyPatch, frames: Any
):
    def drawn(rank: int, world: int, calls: int) -> list[np.ndarray]:
        monkeypatch.setattr(parallel, "world", lambda: world)
        monkeypatch.setattr(parallel, "rank", lambda: rank)
        agent = make_agent("random", bandit, {"frames": frames}, seed=2)
        return [agent.act(np.zeros((5, 1))) for _ in range(calls)]

    one = np.array(drawn(0, 1, 4))
    assert not np.array_equal(one[0], one[1])
    assert np.array_equal(one[0::2], drawn(0, 2, 2))
    assert np.array_equal(one[1::2], drawn(1, 2, 2))

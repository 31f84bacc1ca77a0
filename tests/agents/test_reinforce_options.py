"""The settings of REINFORCE beside its defaults, and the guard against collapse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym import parallel
from ada3d_gym.agents.figures import CollapseWarning
from ada3d_gym.agents.reference import Fixed
from ada3d_gym.agents.registry import make_agent
from ada3d_gym.agents.reinforce import Reinforce, ReinforceConfig
from ada3d_gym.building import build_bandit
from ada3d_gym.masks import split_mask
from tests.agents.test_reinforce import best_masks, greedy_masks, known_bandit
from tests.agents.toy import LogitTable


def trained(epochs: int = 150, other: Fixed | None = None, copies: int = 1, **options: Any) -> Reinforce:
    bandit = known_bandit(copies)
    settings = {"lr": 0.1, "samples": 64, "exploration": 0.9, **options}
    agent = Reinforce(LogitTable(bandit), bandit, ReinforceConfig(epochs, 0, **settings), other=other)
    agent.learn(epochs, lambda epoch, figures: None)
    return agent


@pytest.mark.parametrize("options", [{"optimizer": "sgd", "lr": 2.0}, {"precision": "bfloat16"}], ids=str)
def test_other_optimizers_and_precisions_find_the_best_masks_too(options: dict[str, Any]):
    agent = trained(**options)
    assert np.array_equal(greedy_masks(agent), best_masks(agent.bandit))


def test_gradients_of_several_batches_make_one_step():
    bandit = known_bandit(copies=2)  # 6 clips
    config = ReinforceConfig(1, 0, batch_size=2, accumulate=2)
    agent = Reinforce(LogitTable(bandit), bandit, config)
    steps: list[int] = []
    step = agent.optimizer.step
    agent.optimizer.step = lambda *given: steps.append(1) or step(*given)  # type: ignore[method-assign]
    agent.learn(1, lambda epoch, figures: None)
    assert len(steps) == 2  # batches 1 and 2, and the last one by itself


def test_an_incomplete_update_counts_as_what_it_is():
    def gradients(accumulate: int) -> list[torch.Tensor]:
        bandit = known_bandit(copies=2)  # 6 clips
        agent = Reinforce(
            LogitTable(bandit), bandit, ReinforceConfig(1, 0, batch_size=2, accumulate=accumulate, lr=0.0)
        )
        seen: list[torch.Tensor] = []
        agent.optimizer.step = lambda: seen.append(agent.selection.frames.grad.clone())  # type: ignore[method-assign]
        agent.learn(1, lambda epoch, figures: None)
        return seen

    first, second, third = gradients(1)
    both, last = gradients(2)
    torch.testing.assert_close(both, (first + second) / 2)
    assert torch.equal(last, third)


def test_the_classifier_is_updated_as_often_as_the_policy():
    options = {"epochs": 0, "joint_epochs": 1, "batch_size": 4, "samples": 2, "accumulate": 2}
    agent = make_agent("reinforce", build_bandit(split="val", videos=14), options)
    steps = {"policy": 0, "classifier": 0}

    def counted(name: str, step: Any) -> Any:
        def count() -> None:
            steps[name] += 1
            step()

        return count

    agent.optimizer.step = counted("policy", agent.optimizer.step)
    agent.trainer.optimizer.step = counted("classifier", agent.trainer.optimizer.step)
    agent.learn(1, lambda epoch, figures: None)
    assert steps == {"policy": 2, "classifier": 2}  # of four batches


@pytest.mark.parametrize(
    ("heads", "other"), [("frames", {"other_stages": [1, 0, 1, 0, 0]}), ("stages", {"other_frames": 8})]
)
def test_one_head_by_options_alone(heads: str, other: dict[str, Any]):
    options = {"epochs": 1, "joint_epochs": 0, "batch_size": 8, "samples": 2, "heads": heads, **other}
    agent = make_agent("reinforce", build_bandit(split="val", videos=14), options)
    agent.learn(1, lambda epoch, figures: None)
    u, v = split_mask(agent.act(agent.bandit.observer(np.arange(6))), 8, 5)
    if heads == "frames":
        assert v.tolist() == [[True, False, True, False, False]] * 6
    else:
        assert u.all()


def test_random_masks_beside_a_head_are_drawn_for_the_whole_batch(monkeypatch: pytest.MonkeyPatch):
    options = {"heads": "frames", "samples": 2}

    def drawn(agent: Any, rank: int, world: int) -> np.ndarray:
        monkeypatch.setattr(parallel, "world", lambda: world)
        monkeypatch.setattr(parallel, "rank", lambda: rank)
        rows = parallel.rows(7)
        return agent._drawn_by_other(np.zeros((len(rows), 1)), 7, 2).reshape(2, len(rows), -1)

    bandit = build_bandit(split="val", videos=14)
    agents = [make_agent("reinforce", bandit, options) for _ in range(3)]
    whole, zero, one = (drawn(agent, *place) for agent, place in zip(agents, [(0, 1), (0, 2), (1, 2)], strict=True))
    assert np.array_equal(whole[:, 0::2], zero)
    assert np.array_equal(whole[:, 1::2], one)


@pytest.mark.parametrize("heads", ["frames", pytest.param("stages", marks=pytest.mark.slow)])
def test_one_head_learns_beside_anothers_masks(heads: Any):
    everything = Fixed.upper(4, 2)
    agent = trained(heads=heads, other=everything)
    start = LogitTable(agent.bandit)
    masks, best = greedy_masks(agent), best_masks(agent.bandit)
    learned, given = (slice(0, 4), slice(4, 6)) if heads == "frames" else (slice(4, 6), slice(0, 4))
    assert np.array_equal(masks[:, learned], best[:, learned])
    assert masks[:, given].all()
    unlearned = "stages" if heads == "frames" else "frames"
    assert torch.equal(getattr(agent.selection, unlearned), getattr(start, unlearned))


def test_a_head_that_is_not_learned_needs_another_policy():
    bandit = known_bandit(copies=1)
    with pytest.raises(ValueError, match="heads='frames'"):
        Reinforce(LogitTable(bandit), bandit, ReinforceConfig(1, 0, heads="frames"))


def test_a_collapsed_policy_is_named_and_others_are_not(recwarn: pytest.WarningsRecorder):
    bandit = known_bandit(copies=1)
    policy = LogitTable(bandit)
    figures: list[dict[str, float]] = []
    config = ReinforceConfig(2, 0, lr=0.0)
    Reinforce(policy, bandit, config).learn(2, lambda epoch, last: figures.append(last))
    with torch.no_grad():
        policy.frames.fill_(2)
        policy.stages.fill_(-2)
    agent = Reinforce(policy, bandit, config)
    agent.learn(1, lambda epoch, last: figures.append(last))  # where it begins, it is no collapse
    assert not [warning for warning in recwarn if warning.category is CollapseWarning]
    with pytest.warns(CollapseWarning, match="all 3 clips of this epoch get the same mask"):
        agent.learn(2, lambda epoch, last: None)
    assert figures[0]["distinct_masks"] > 1
    assert figures[-1]["distinct_masks"] == 1
    assert (figures[-1]["keep_frames"], figures[-1]["keep_stages"]) == (1, 0)


def test_masks_can_be_drawn_instead_of_chosen():
    agent = trained(epochs=1)
    shown = agent.bandit.source.observations(np.zeros(200, np.int64))
    drawn = agent.act(shown, deterministic=False)
    assert len(np.unique(drawn, axis=0)) > 3
    assert len(np.unique(agent.act(shown), axis=0)) == 1


@pytest.mark.parametrize(
    "options", [{"optimizer": "lbfgs"}, {"precision": "int4"}, {"heads": "none"}, {"accumulate": 0}], ids=str
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]):
    with pytest.raises(ValueError, match=next(iter(options))):
        ReinforceConfig(**options)


def test_an_epoch_reports_the_masks_that_are_used_of_a_head_that_is_not_learned():
    bandit = build_bandit(split="val", videos=14)
    agent = make_agent("reinforce", bandit, {"heads": "frames", "other_stages": 0.0, "epochs": 1, "joint_epochs": 0})
    figures = agent.train_epoch()
    assert (figures["keep_stages"], figures["stages"]) == (0.0, 0.0)

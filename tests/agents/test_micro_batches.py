"""A REINFORCE update in several passes is the one in a single pass: the same masks, the same gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym.agents.registry import make_agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit

BATCH = 7


def one_update(**options: Any) -> tuple[list[np.ndarray], dict[str, torch.Tensor], dict[str, float], list[int]]:
    """Masks pulled, gradients, figures and the clips in each pass of the selection network that has a gradient."""
    bandit = build_bandit(split="val", videos=BATCH)
    own = {"epochs": 1, "joint_epochs": 0, "batch_size": BATCH, "samples": 2, "lr": 0.0, "trunk_lr": 0.0}
    agent = make_agent("reinforce", bandit, own | options)
    pulled: list[np.ndarray] = []
    bandit.on_pull = lambda ids, u, v: pulled.append(np.concatenate([u, v], 1))
    sizes: list[int] = []
    agent.selection.register_forward_hook(
        lambda module, shown, out: sizes.append(len(shown[0])) if torch.is_grad_enabled() else None
    )
    found: dict[str, float] = {}
    agent.learn(1, lambda epoch, figures: found.update(figures))
    gradients = {name: each.grad for name, each in agent.selection.named_parameters() if each.grad is not None}
    return pulled, gradients, found, sizes


@pytest.mark.parametrize("baseline", ["value", "greedy"])
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_passes_draw_the_same_masks_and_give_the_same_gradient(baseline: str):
    masks, expected, figures, whole = one_update(baseline=baseline)
    others, gradients, same, sizes = one_update(baseline=baseline, micro_batch=3)
    assert (whole, sizes) == ([7], [3, 3, 1])
    assert all(np.array_equal(*pair) for pair in zip(masks, others, strict=True))
    assert gradients.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(gradients[name], value, rtol=1e-4, atol=1e-6)
    assert same == pytest.approx(figures, rel=1e-5)


@pytest.mark.parametrize("micro_batch", [7, 100])
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_a_batch_that_is_one_pass_is_the_same_to_the_bit(micro_batch: int):
    (masks, expected, figures, _), (others, gradients, same, _) = one_update(), one_update(micro_batch=micro_batch)
    assert all(np.array_equal(*pair) for pair in zip(masks, others, strict=True))
    assert all(torch.equal(value, gradients[name]) for name, value in expected.items())
    assert same == figures


@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_passes_of_accumulated_batches_are_those_of_whole_ones():
    options = {"batch_size": 4, "accumulate": 2}
    (_, expected, _, whole), (_, gradients, _, sizes) = one_update(**options), one_update(**options, micro_batch=3)
    assert (whole, sizes) == ([4, 3], [3, 1, 3])
    for name, value in expected.items():
        torch.testing.assert_close(gradients[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_mixed_precision_gives_nearly_the_same_gradient(precision: str):
    expected = one_update(samples=16)[1]
    gradients = one_update(samples=16, precision=precision, micro_batch=4)[1]
    one, other = (torch.cat([each[name].flatten() for name in expected]) for each in (expected, gradients))
    other = other / (2.0**16 if precision == "float16" else 1)  # the scale, which the step has not taken off at rate 0
    assert torch.nn.functional.cosine_similarity(one, other, 0) > 0.9


@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_the_host_waits_for_masks_and_for_figures(monkeypatch: pytest.MonkeyPatch):
    bandit: ClipBandit = build_bandit(split="val", videos=BATCH)
    agent = make_agent(
        "reinforce", bandit, {"epochs": 1, "joint_epochs": 0, "batch_size": BATCH, "micro_batch": 2, "samples": 2}
    )
    outcome = bandit.pull(np.zeros(2 * BATCH, np.int64), np.ones((14, 8), np.bool_), np.ones((14, 5), np.bool_))
    monkeypatch.setattr(bandit, "pull", lambda ids, u, v: outcome)  # the classifier's own are not counted here
    waits: list[str] = []
    for name in ("tolist", "item", "__float__", "__bool__", "cpu"):
        real = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda self, real=real, name=name: waits.append(name) or real(self))
    steps: list[int] = []
    monkeypatch.setattr(agent.optimizer, "step", lambda: steps.append(len(waits)))
    agent.train_epoch()
    assert waits[: steps[0]] == ["cpu", "tolist"]

"""Exact values are what going through all masks one by one gives."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.masks import all_masks
from ada3d_gym.outcomes.description import Description
from ada3d_gym.outcomes.expectation import ExpectedReward, mask_probabilities
from ada3d_gym.outcomes.storage import TableError
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.outcomes.values import Game
from ada3d_gym.rewards import MaskReward
from tests.synthetic import LookupClassifier, TableClips

T, K, CLIPS = 3, 2, 12
REWARDS = [
    MaskReward(gamma, cost, reward)  # type: ignore[arg-type]
    for gamma, cost, reward in product((0.7, 3.0), ("usage", "macs"), ("accuracy", "confidence", "margin"))
]


def random_bandit(reward: MaskReward) -> ClipBandit:
    """Each clip and mask has a probability of its class that half precision holds."""
    rng = np.random.default_rng(0)
    sure = rng.integers(1, 1024, (CLIPS, 2**T, 2**K)) / 1024
    families = ["texture", "shape", "motion"] * (CLIPS // 3)
    source = TableClips([(i % 2,) for i in range(CLIPS)], 2, num_frames=T, families=families)

    def score(clip: int, u: NDArray[np.bool_], v: NDArray[np.bool_]) -> list[float]:
        p = sure[clip, u @ [4, 2, 1], v @ [2, 1]]
        return [1 - p, p] if clip % 2 else [p, 1 - p]

    return ClipBandit(source, LookupClassifier(source, score, K), reward)


def paid_by(bandit: ClipBandit) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What every clip is paid under every mask for each head, (CLIPS, M) each, by pulling all."""
    masks = all_masks(T, K).astype(np.bool_)
    ids = np.repeat(np.arange(CLIPS), len(masks))
    outcome = bandit.pull(ids, *np.split(np.tile(masks, (CLIPS, 1)), [T], axis=1))
    return outcome.reward_frames.reshape(CLIPS, -1), outcome.reward_stages.reshape(CLIPS, -1)


def table_of(bandit: ClipBandit, *parts: str) -> OutcomeTable:
    masks = all_masks(T, K).astype(np.bool_)
    u, v = masks[:, :T], masks[:, T:]
    ids = np.repeat(np.arange(CLIPS), len(masks))
    outcome = bandit.pull(ids, *np.split(np.tile(masks, (CLIPS, 1)), [T], axis=1))
    own = outcome.scores[np.arange(len(ids)), outcome.label].reshape(CLIPS, -1)
    families = ("texture", "shape", "motion")
    about = Description(
        dataset="synthetic",
        split="test",
        sampling={"num_frames": T, "views": 1},
        videos=CLIPS,
        network="lookup",
        stage_names=bandit.classifier.stage_names,
        class_names=bandit.source.class_names,
        families=families,
        dtype="float32",
        classifier_sha256="",
        clips_sha256="",
    )
    arrays = {
        "correct": np.packbits(outcome.correct.reshape(CLIPS, -1), axis=1),
        "macs": bandit.classifier.macs(u, v),
        "clip": np.arange(CLIPS),
        "label": bandit.source.labels(np.arange(CLIPS)).astype(np.int32),
        "label_start": np.arange(CLIPS + 1),
        "family": np.array([families.index(bandit.source.record(i).family) for i in range(CLIPS)], np.uint8),
    }
    cells = {"label": own, "label_margin": 2 * own - 1}  # of two classes
    return OutcomeTable(about, arrays, None, {name: cells[name].astype(np.float16) for name in parts})


def random_game(reward: MaskReward) -> tuple[Game, NDArray[np.float64], NDArray[np.float64]]:
    bandit = random_bandit(reward)
    return Game(table_of(bandit, "label", "label_margin"), reward), *paid_by(bandit)


def chances_of(keep: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of all masks (M,), for a probability of each bit, one by one."""
    return np.array([np.prod(np.where(mask, keep, 1 - keep)) for mask in all_masks(T, K)])


@pytest.mark.parametrize("reward", REWARDS, ids=str)
def test_values_are_sums_over_all_masks(reward: MaskReward):
    game, frames, stages = random_game(reward)
    paid = frames + stages
    keep = np.random.default_rng(1).random((CLIPS, T + K))
    keep[0, :3] = 0, 1, 0.5  # certain bits
    expected = np.array([chances_of(each) @ own for each, own in zip(keep, paid, strict=True)])
    np.testing.assert_allclose(game.values(keep), expected, rtol=0, atol=1e-12)
    assert game.value(keep) == pytest.approx(expected.mean(), abs=1e-12)
    np.testing.assert_allclose(game.values(keep[1]), paid @ chances_of(keep[1]), rtol=0, atol=1e-12)

    for number, mask in enumerate(all_masks(T, K)):
        np.testing.assert_array_equal(game.values(mask), paid[:, number])
        np.testing.assert_allclose(game.values(mask.astype(np.float64)), paid[:, number], rtol=0, atol=1e-12)
    drawn = np.random.default_rng(2).integers(len(all_masks(T, K)), size=CLIPS)
    np.testing.assert_array_equal(game.values(all_masks(T, K)[drawn] == 1), paid[np.arange(CLIPS), drawn])


@pytest.mark.parametrize("reward", REWARDS, ids=str)
def test_the_best_masks_are_the_best_of_all(reward: MaskReward):
    game, frames, stages = random_game(reward)
    paid, masks = frames + stages, all_masks(T, K)
    oracle = game.oracle()
    np.testing.assert_allclose(oracle.values, paid.max(1), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(oracle.masks, masks[paid.argmax(1)])
    assert game.regret(oracle.masks) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(game.regrets(masks[5]), paid.max(1) - paid[:, 5], rtol=0, atol=1e-12)

    constant = game.best_constant()
    assert constant.value == pytest.approx(paid.mean(0).max(), abs=1e-12)
    assert game.value(constant.mask) == pytest.approx(constant.value, abs=1e-12)

    by_family = game.best_by(game.families)
    for family, own in by_family.constants.items():
        assert own.value == pytest.approx(paid[game.families == family].mean(0).max(), abs=1e-12)
    assert by_family.value == pytest.approx(game.value(by_family.masks(game.families)), abs=1e-12)
    assert constant.value <= by_family.value <= oracle.mean
    assert game.best_by(np.arange(CLIPS)).value == pytest.approx(oracle.mean, abs=1e-12)
    assert set(game.best_by(game.labels).constants) == {0, 1}


@pytest.mark.parametrize("reward", REWARDS, ids=str)
def test_each_head_has_its_own_expected_reward_and_gradient(reward: MaskReward):
    game, *paid = random_game(reward)
    rows = np.array([3, 0, 3])  # in any order, and more than once
    generator = torch.Generator().manual_seed(0)
    frames, stages = (torch.rand(3, n, generator=generator, dtype=torch.float64, requires_grad=True) for n in (T, K))
    expected = game.expected_rewards(frames, stages, rows)
    chances = (mask_probabilities(frames)[:, :, None] * mask_probabilities(stages)[:, None]).flatten(1)
    by_head = torch.stack([(chances * torch.from_numpy(own[rows])).sum(1) for own in paid])
    torch.testing.assert_close(expected, by_head, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(lambda u, v: game.expected_rewards(u, v, rows), (frames, stages))
    assert torch.autograd.gradgradcheck(lambda u, v: game.expected_rewards(u, v, rows), (frames, stages))

    own = game.expected_rewards(frames, stages, rows, own_gradient=True)
    torch.testing.assert_close(own, expected, rtol=0, atol=0)
    got = torch.autograd.grad(own.sum(), (frames, stages))
    wanted = [
        torch.autograd.grad(e.sum(), p, retain_graph=True)[0] for e, p in zip(by_head, (frames, stages), strict=True)
    ]
    torch.testing.assert_close(got, tuple(wanted), rtol=0, atol=1e-12)

    rough = game.expected_rewards(frames.detach().float(), stages.detach().float(), rows)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough.double(), expected, rtol=0, atol=1e-5)


def test_a_game_of_some_clips():
    whole, *_ = random_game(MaskReward(2.0))
    some = Game(whole.table, whole.reward, rows=[7, 2])
    keep = np.full(T + K, 0.6)
    np.testing.assert_array_equal(some.values(keep), whole.values(keep)[[7, 2]])
    assert some.families.tolist() == ["shape", "motion"] and some.labels.tolist() == [1, 0]
    assert some.oracle().mean == whole.oracle().values[[7, 2]].mean()


def test_more_cells_than_fit_at_once(monkeypatch: pytest.MonkeyPatch):
    game, *_ = random_game(MaskReward(2.0, "macs"))
    keep = np.random.default_rng(0).random((CLIPS, T + K))
    expected = game.values(keep), game.best_constant()
    monkeypatch.setattr("ada3d_gym.outcomes.values.CELLS", 5 * 2 ** (T + K))
    np.testing.assert_array_equal(game.values(keep), expected[0])
    assert game.best_constant().value == pytest.approx(expected[1].value, abs=1e-12)


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        (np.zeros((CLIPS, T)), r"shape \(12, 3\): expected \(12, 5\), or \(5,\)"),
        (np.zeros((CLIPS - 1, T + K)), "shape"),
        (np.full(T + K, np.nan), r"outside \[0, 1\]"),
        (np.full(T + K, 1.5), r"outside \[0, 1\]"),
        (np.full(T + K, 2), "action holds 2"),
        (np.full(T + K, "a"), "dtype"),
    ],
)
def test_what_is_no_policy_is_refused(policy: NDArray[Any], complaint: str):
    game, *_ = random_game(MaskReward())
    with pytest.raises(InputError, match=complaint):
        game.values(policy)


def test_what_the_table_does_not_know_is_refused():
    reward = MaskReward()
    table = table_of(random_bandit(reward))
    for shaping, part in (("confidence", "'label'"), ("margin", "'label_margin'")):
        with pytest.raises(TableError, match=part):
            ExpectedReward(table, MaskReward(reward=shaping))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected MaskReward"):
        Game(table, lambda answers: (answers.u.mean(1), answers.v.mean(1)))
    with pytest.raises(InputError, match="expected one for each of 12 clips"):
        Game(table, reward).best_by(["a", "b"])
    with pytest.raises(InputError, match="no constant for sound"):
        Game(table, reward).best_by(Game(table, reward).families).masks(["sound"])

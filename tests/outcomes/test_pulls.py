"""A table in the place of the network: the same outcomes, infos and trainings, and nothing is decoded."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.evaluation import evaluate
from ada3d_gym.masks import all_masks, split_mask
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.outcomes.classifier import TableClassifier
from ada3d_gym.outcomes.oracle import best_values
from ada3d_gym.outcomes.storage import TableError
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.rewards import Answers, MaskReward
from ada3d_gym.sb3 import Ada3DVecEnv
from ada3d_gym.seeding import torch_seed
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.records import VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from tests.outcomes.brute import brute_table
from tests.video.damage import encode, overwrite

Bandits = Callable[..., ClipBandit]
ID = "Ada3D-MotionShapes-SlowOnly-v1"
EXACT = ("reward", "reward_frames", "reward_stages", "correct", "label", "macs", "frames", "stages", "no_frames")


def cells(table: OutcomeTable, count: int = 600) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Clip ids and masks, some of them without frames, away from near-ties."""
    rng = np.random.default_rng(0)
    rows, numbers = rng.integers(6, size=count), rng.integers(1024, size=count)
    numbers[:20] = rng.integers(4, size=20)
    sure = ~table.is_near_tie(rows, numbers)
    return rows[sure], *split_mask(all_masks(8, 2)[numbers[sure]], 8, 2)


def nothing_decoded(bandit: ClipBandit, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("a clip was decoded or its pixels looked at")

    for name in ("clips", "observations", "expect", "_decoded"):
        monkeypatch.setattr(bandit.source, name, refuse)
    monkeypatch.setattr(bandit.source._ahead, "_decode", refuse)


@pytest.mark.parametrize("cost", ["usage", "macs"])
@pytest.mark.parametrize("gamma", [0.5, 3.0])
def test_a_pull_is_a_live_one_bit_for_bit(
    gamma: float, cost: str, table: OutcomeTable, on_table: Bandits, on_network: Bandits
):
    pulled = cells(table)
    told, live = (make(gamma=gamma, cost=cost).pull(*pulled) for make in (on_table, on_network))
    for name in (*EXACT, "prediction"):
        one, other = getattr(told, name), getattr(live, name)
        assert one.dtype == other.dtype, name
        assert np.array_equal(one, other), name
    assert told.confidence.dtype == live.confidence.dtype
    assert told.confidence == pytest.approx(live.confidence, abs=1e-3)
    assert live.regret is None


@pytest.mark.parametrize("reward", ["confidence", "margin"])
def test_other_rewards_come_from_parts_at_half_precision(
    reward: str, table: OutcomeTable, on_table: Bandits, on_network: Bandits
):
    told, live = (make(reward=reward).pull(*cells(table)) for make in (on_table, on_network))
    assert told.reward.dtype == live.reward.dtype
    assert told.reward == pytest.approx(live.reward, abs=5e-3)
    assert (told.regret >= 0).all()
    assert np.array_equal(told.no_frames, live.no_frames)


def test_what_is_not_stored_is_an_error_that_names_the_file(table: OutcomeTable, on_table: Bandits, bare_path: Path):
    pulled = cells(table, 40)
    bare = on_table(outcomes=bare_path).pull(*pulled)
    for name, part in (("prediction", "prediction"), ("confidence", "confidence")):
        with pytest.raises(
            TableError, match=rf"bare\.safetensors does not hold '{part}'.*bare\.{part}\.safetensors would"
        ):
            getattr(bare, name)
    for reward, part in (("confidence", "label"), ("margin", "label_margin")):
        with pytest.raises(TableError, match=rf"bare\.{part}\.safetensors would"):
            on_table(outcomes=bare_path, reward=reward).pull(*pulled)
    with pytest.raises(TableError, match="holds no scores of all classes: use outcomes=None"):
        assert on_table().pull(*pulled).scores is None
    with pytest.raises(TableError, match="cannot classify pixels"):
        on_table().classifier.scores(np.zeros((1, 8, 3, 64, 64), np.uint8), *(mask[:1] for mask in pulled[1:]))
    assert "reward" in repr(bare)
    assert pickle.loads(pickle.dumps(bare)).reward.tolist() == bare.reward.tolist()


def budgeted(answers: Answers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A reward of one's own."""
    paid = answers.correct * answers.targets.any(1) - 0.3 * answers.macs_share
    return paid - 0.01 * answers.u.sum(1), np.where(answers.prediction == 3, 0.5, 0.0) - 0.1 * answers.v.sum(1)


def test_rewards_of_ones_own_work_as_far_as_what_they_ask_for_is_stored(
    table: OutcomeTable, on_table: Bandits, on_network: Bandits, bare_path: Path
):
    pulled = cells(table, 100)
    bandits = [on_table(), on_network(), on_table(outcomes=bare_path)]
    for bandit in bandits:
        bandit.reward = budgeted
    told, live = (bandit.pull(*pulled) for bandit in bandits[:2])
    assert np.array_equal(told.reward, live.reward)
    everything = [bandits[0].pull(np.full(1024, clip), *split_mask(all_masks(8, 2), 8, 2)).reward for clip in range(6)]
    assert np.array_equal(told.regret, np.max(everything, 1)[pulled[0]] - told.reward)
    with pytest.raises(TableError, match=r"bare\.prediction\.safetensors would"):
        bandits[2].pull(*pulled)
    bandits[0].reward = lambda answers: (answers.scores[:, 0], answers.scores[:, 1])
    with pytest.raises(TableError, match="holds no scores"):
        bandits[0].pull(*pulled)


@pytest.mark.parametrize("gamma", [0.0, 1.0])
@pytest.mark.parametrize("cost", ["usage", "macs"])
@pytest.mark.parametrize("reward", ["accuracy", "confidence", "margin"])
def test_the_best_mask_is_that_of_all_pulls(reward: str, cost: str, gamma: float, on_table: Bandits):
    bandit = on_table(reward=reward, cost=cost, gamma=gamma)
    u, v = split_mask(all_masks(8, 2), 8, 2)
    outcomes = [bandit.pull(np.full(1024, clip), u, v) for clip in range(6)]
    paid = np.stack([outcome.reward for outcome in outcomes])
    values, numbers = best_values(bandit.classifier.table, MaskReward(gamma, cost, reward))
    assert np.array_equal(values, paid.max(1))
    assert np.array_equal(numbers, paid.argmax(1))
    assert np.array_equal([outcome.regret for outcome in outcomes], values[:, None] - paid)
    some = best_values(bandit.classifier.table, MaskReward(gamma, cost, reward), np.array([4, 1]))
    assert np.array_equal(some[0], values[[4, 1]])
    assert np.array_equal(some[1], numbers[[4, 1]])


def test_a_clip_that_no_mask_gets_right_has_no_regret(table: OutcomeTable):
    correct = table.arrays["correct"].copy()
    correct[2] = 0
    values, numbers = best_values(OutcomeTable(table.about, table.arrays | {"correct": correct}), MaskReward(1.5))
    assert (values[2], numbers[2]) == (-3, 0)
    assert (values[[0, 1, 3, 4, 5]] > -3).any()


def test_nothing_is_decoded_for_numbers(on_table: Bandits, monkeypatch: pytest.MonkeyPatch):
    bandit = on_table(observation="index")
    nothing_decoded(bandit, monkeypatch)
    env = Ada3DVecEnv(32, bandit)
    env.reset()
    for _ in range(3):
        env.step(np.ones((32, 10), np.int8))
    result = evaluate(bandit, lambda shown: np.ones((len(shown), 10), np.int8), batch_size=4)
    assert result.regret >= 0


@pytest.fixture
def one_damaged(tmp_path: Path) -> Iterator[list[VideoClips]]:
    """Twice the same clips of four videos, of which one lost a twentieth of its bytes to noise."""
    for number in range(4):
        (tmp_path / f"{number}.mp4").write_bytes(encode(count=100, gop=10))
    overwrite(tmp_path / "2.mp4")
    records = [VideoRecord(tmp_path / f"{number}.mp4", (number % 2,)) for number in range(4)]
    sampler = ClipSampler(4, 5, 12, 32)
    sources = [VideoClips(records, ["a", "b"], sampler, observation_size=32, max_bad_share=0.5) for _ in range(2)]
    yield sources
    for each in sources:
        each.close()


def test_clips_that_cannot_be_decoded_have_the_stand_ins_that_they_have_live(
    one_damaged: list[VideoClips], monkeypatch: pytest.MonkeyPatch
):
    with torch_seed(np.random.SeedSequence(0)):
        network = NetworkClassifier(MaskedResNet3d(SPECS["slowonly_tiny"], 2), 32)
    first, second = one_damaged
    live = ClipBandit(first, network, MaskReward())
    table = brute_table(live, "slowonly_tiny", "train", "videos")
    assert 0 < len(table) < 48
    told, decoded = ClipBandit(second, TableClassifier(table, second), MaskReward()), list[int]()
    real = second._decoded
    monkeypatch.setattr(second, "_decoded", lambda ids: (decoded.extend(ids), real(ids))[1])
    assert np.array_equal(told.usable(np.arange(48)), live.usable(np.arange(48)))
    assert np.isin(told.usable(np.arange(48)), table.arrays["clip"]).all()
    assert not np.isin(decoded, table.arrays["clip"]).any()  # nobody needed to find out about these


def test_evaluation_says_what_a_table_knows(on_table: Bandits, on_network: Bandits):
    def act(shown: NDArray[Any]) -> NDArray[np.int8]:
        return np.tile(np.array([1, 0, 1, 0, 1, 0, 1, 0, 1, 1], np.int8), (len(shown), 1))

    told, live = evaluate(on_table(), act, batch_size=4), evaluate(on_network(), act, batch_size=4)
    assert told.usage == live.usage
    assert (told.top1, told.reward) == (live.top1, live.reward)
    assert told.by_family == live.by_family
    assert np.isnan(told.map)
    assert live.regret is None
    best = best_values(on_table().classifier.table, MaskReward())[0]
    assert told.regret == pytest.approx(best.mean() - told.reward)


def test_the_table_says_how_many_views_there_are(table_path: Path):
    assert build_bandit(split="test", backbone="slowonly_tiny", videos=3, outcomes=table_path).source.views == 1

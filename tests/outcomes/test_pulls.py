"""A table in the place of the network: the same outcomes, infos and trainings, and nothing is decoded."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray
from stable_baselines3.common.env_checker import check_env as check_sb3

from ada3d_gym.agents.registry import make_agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.envs.wrappers import CodedAction, HeadRewards, VectorCodedAction, VectorHeadRewards
from ada3d_gym.errors import InputError
from ada3d_gym.evaluation import evaluate
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.masks import all_masks, split_mask
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.outcomes.classifier import TableClassifier
from ada3d_gym.outcomes.oracle import best_values
from ada3d_gym.outcomes.storage import TableError
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.rewards import Answers, MaskReward
from ada3d_gym.sb3 import Ada3DVecEnv, JointFineTuneCallback, make_vec
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

    for name in ("clips", "observations", "expect", "_decode", "_decoded", "_open"):
        monkeypatch.setattr(bandit.source, name, refuse)


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


def make_env(table_path: Path, **options: Any) -> gym.Env[Any, Any]:
    return gym.make(ID, **{"split": "test", "videos": 6, "outcomes": str(table_path), **options})


@pytest.mark.parametrize("observation", ["pixels", "features", "index"])
def test_all_faces_say_what_they_say_live(observation: str, table_path: Path, table: OutcomeTable):
    options = {"split": "test", "videos": 6, "observation": observation, "views": 1}
    masks = np.random.default_rng(0).integers(0, 2, (6, 10)).astype(np.int8)
    told, live = (gym.make_vec(ID, 6, **options, **more) for more in ({"outcomes": str(table_path)}, {}))
    for env in (told, live):
        env.action_space.seed(0)
    assert told.observation_space == live.observation_space
    shown, also = told.reset(seed=3), live.reset(seed=3)
    assert np.array_equal(shown[0], also[0])
    for _ in range(3):
        (seen, reward, *_, infos), (other, paid, *_, expected) = told.step(masks), live.step(masks)
        final, wanted = infos["final_info"], expected["final_info"]
        sure = ~table.is_near_tie(table.rows(final["clip"]), masks @ (1 << np.arange(9, -1, -1)))
        assert np.array_equal(seen, other)
        assert np.array_equal(reward[sure], paid[sure])
        assert final.keys() - wanted.keys() == {"regret", "_regret"}
        assert (final["regret"] >= 0).all()
        for key in wanted.keys() - {"confidence"}:
            assert final[key].dtype == wanted[key].dtype
            assert np.array_equal(final[key][sure], wanted[key][sure]), key
    single = make_env(table_path, observation=observation)
    many = make_vec(ID, 1, split="test", videos=6, outcomes=table_path, observation=observation)
    many.seed(3)
    observations = many.reset()
    observation_of_one, info = single.reset(seed=3)
    assert np.array_equal(observations[0], observation_of_one)
    assert many.reset_infos[0] == info
    *_, info = single.step(masks[0])
    assert many.step(masks[:1])[3][0] == info
    assert {type(info[key]) for key in ("regret", "confidence")} == {float}


def test_infos_lack_what_parts_would_have_and_say_so(bare_path: Path):
    env = make_env(bare_path)
    env.reset(seed=0)
    *_, info = env.step(np.ones(10, np.int8))
    with pytest.raises(KeyError, match=r"bare\.prediction\.safetensors would"):
        info["prediction"]
    with pytest.raises(KeyError, match="no such"):
        info["no such"]
    assert "confidence" not in info
    assert info.get("confidence") is None
    assert pickle.loads(pickle.dumps(info)) == info
    envs = gym.make_vec(ID, 3, split="test", videos=6, outcomes=str(bare_path))
    envs.reset(seed=0)
    *_, infos = envs.step(np.ones((3, 10), np.int8))
    with pytest.raises(KeyError, match=r"bare\.confidence\.safetensors would"):
        infos["final_info"]["confidence"]
    venv = make_vec(ID, 2, split="test", videos=6, outcomes=bare_path)
    venv.reset()
    with pytest.raises(KeyError, match=r"bare\.confidence\.safetensors would"):
        venv.step(np.ones((2, 10), np.int8))[3][1]["confidence"]


@pytest.mark.parametrize("observation", ["pixels", "index"])
def test_both_checkers_pass(observation: str, table_path: Path, bare_path: Path):
    for path in (table_path, bare_path):
        env = make_env(path, observation=observation, render_mode="rgb_array").unwrapped
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "Your observation  has an unconventional shape", UserWarning)
            check_env(env)
            check_sb3(env)


def test_wrappers_run_unchanged(table_path: Path, on_table: Bandits):
    env = HeadRewards(CodedAction(make_env(table_path), "discrete"))
    env.reset(seed=0)
    _, reward, *_, info = env.step(1019)
    assert reward.tolist() == [info["reward_frames"], info["reward_stages"]]
    envs = gym.make_vec(ID, 4, split="test", videos=6, outcomes=str(table_path))
    wrapped = VectorHeadRewards(VectorCodedAction(envs, "box"))
    wrapped.reset(seed=0)
    _, rewards, *_, infos = wrapped.step(np.ones((4, 10)))
    assert np.array_equal(rewards[:, 0], infos["final_info"]["reward_frames"])
    spec = gym.envs.registration.EnvSpec.from_json(make_env(table_path).spec.to_json())
    assert gym.make(spec).unwrapped.bandit.classifier.table.name == str(table_path)


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


def test_what_trains_the_classifier_says_that_a_table_is_fixed(on_table: Bandits):
    bandit = on_table(observation="features")
    for name in ("reinforce", "best-fixed", "random"):
        with pytest.raises(InputError, match=r"fixed classifier answers.*joint_epochs=0.*outcomes=None"):
            make_agent(name, bandit, {"joint_epochs": 1})
    with pytest.raises(InputError, match="fixed classifier answers"):
        make_agent("ppo", bandit, {"joint_epochs": 1, "num_envs": 2, "n_steps": 4, "batch_size": 4})
    with pytest.raises(InputError, match="fixed classifier answers"):
        ClassifierTrainer(bandit.classifier, 0.1)
    model = make_agent("ppo", bandit, {"joint_epochs": 0, "num_envs": 2, "n_steps": 4, "batch_size": 4}).model
    with pytest.raises(InputError, match="fixed classifier answers"):
        model.learn(8, JointFineTuneCallback())


def test_reinforce_learns_on_a_table_what_it_learns_on_the_network(on_table: Bandits, on_network: Bandits):
    def learned(bandit: ClipBandit) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
        options = {"epochs": 2, "joint_epochs": 0, "batch_size": 4, "samples": 2, "baseline": "greedy"}
        agent, figures = make_agent("reinforce", bandit, options), dict[int, dict[str, float]]()
        agent.learn(2, figures.__setitem__)
        return agent.selection.state_dict(), figures[2]

    (told, figures), (live, expected) = learned(on_table()), learned(on_network())
    assert all(torch.equal(told[key], value) for key, value in live.items())
    assert figures.pop("regret") > 0
    assert figures == expected


def test_stable_baselines_learns_on_a_table_and_logs_regret(on_table: Bandits, on_network: Bandits):
    def learned(bandit: ClipBandit) -> tuple[dict[str, Any], dict[str, float]]:
        options = {"epochs": 1, "joint_epochs": 0, "num_envs": 2, "n_steps": 4, "batch_size": 4}
        agent, figures = make_agent("ppo", bandit, options), dict[int, dict[str, float]]()
        agent.learn(1, figures.__setitem__)
        return agent.model.policy.state_dict(), figures[1]

    (told, figures), (live, expected) = (learned(make(observation="features")) for make in (on_table, on_network))
    assert all(torch.equal(told[key], value) for key, value in live.items())
    assert figures.pop("regret") >= 0
    assert figures == expected


@pytest.mark.parametrize("parts", [True, False])
def test_the_best_fixed_mask_is_found_on_a_table(parts: bool, on_table: Bandits, on_network: Bandits, bare_path: Path):
    def searched(bandit: ClipBandit) -> NDArray[np.int8]:
        agent = make_agent("best-fixed", bandit, {"joint_epochs": 0, "clips": 2})
        agent.learn(2, lambda *_: None)
        return agent.mask

    table = on_table() if parts else on_table(outcomes=bare_path)
    assert np.array_equal(searched(table), searched(on_network()))


def test_pictures_say_what_is_known(table_path: Path, bare_path: Path):
    pictures = []
    for path in (table_path, bare_path):
        env = make_env(path, render_mode="rgb_array")
        env.reset(seed=0)
        env.step(np.ones(10, np.int8))
        pictures.append(env.render())
    assert pictures[0].shape == pictures[1].shape
    assert not np.array_equal(*pictures)


def test_the_table_says_how_many_views_there_are(table_path: Path):
    assert build_bandit(split="test", backbone="slowonly_tiny", videos=3, outcomes=table_path).source.views == 1

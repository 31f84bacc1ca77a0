"""Wrapped environments pay what bare ones pay for the same masks, whatever the space of the actions."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.codings import MaskMenu, Thresholded
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.envs.wrappers import CodedAction, HeadRewards, VectorCodedAction, VectorHeadRewards
from ada3d_gym.masks import ActionError

ID = "Ada3D-MotionShapes-v1"
WRAPPINGS: dict[str, dict[str, Any]] = {
    "discrete": {"coding": "discrete"},
    "spread": {"coding": "discrete", "masks": "spread"},
    "multi_discrete": {"coding": "multi_discrete"},
    "box": {"coding": "box"},
    "frame_budget": {"coding": "frame_budget", "at_least": 2, "at_most": 4},
}
MASKS = np.array(
    [
        [0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0],
        [0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 1, 0, 1, 0, 1] + [1] * 5,
    ],
    np.int8,
)


def made(maker: Callable[..., Any] = gym.make, **options: Any) -> Any:
    """The registered environment of the embedded videos, few of them."""
    return maker(ID, split="test", videos=14, **options)


@pytest.fixture(params=WRAPPINGS)
def wrapping(request: pytest.FixtureRequest) -> dict[str, Any]:
    return WRAPPINGS[request.param]


def codable(coding: Any) -> np.ndarray:
    """Those of MASKS that the coding has actions for."""
    found = []
    for mask in MASKS:
        try:
            coding.encode(mask)
            found.append(mask)
        except ActionError:
            continue
    return np.array(found)


def sync(bandit: ClipBandit, mode: AutoresetMode, count: int = 2) -> SyncVectorEnv:
    """Environments that share one bandit, so that they share its order of clips."""
    return SyncVectorEnv([lambda: Ada3DEnv(bandit)] * count, autoreset_mode=mode)


def test_gymnasiums_checker_finds_only_that_it_is_wrapped(wrapping: dict[str, Any]):
    env = CodedAction(made(disable_env_checker=True), **wrapping)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*is different from the unwrapped version", UserWarning)
        check_env(env, skip_render_check=True)


def test_the_same_mask_is_paid_the_same(wrapping: dict[str, Any], bandit: ClipBandit):
    bare = Ada3DEnv(bandit)
    env = CodedAction(Ada3DEnv(bandit), **wrapping)
    masks = codable(env.coding)
    assert len(masks) >= 2
    for seed, mask in enumerate(masks):
        first, told = bare.reset(seed=seed)
        expected = bare.step(mask)
        observation, info = env.reset(seed=seed)
        assert np.array_equal(observation, first)
        assert info == told
        action = env.coding.encode(mask)
        assert action in env.action_space
        assert env.step(action)[1:] == expected[1:]


def test_the_spec_goes_through_json_and_makes_the_same(wrapping: dict[str, Any]):
    env = CodedAction(made(), **wrapping)
    spec = gym.envs.registration.EnvSpec.from_json(env.spec.to_json())
    assert json.loads(env.spec.to_json())["additional_wrappers"][0]["kwargs"] == wrapping
    again = gym.make(spec)
    assert again.action_space == env.action_space
    mask = codable(env.coding)[0]
    played = []
    for each in (env, again):
        each.reset(seed=3)
        played.append(each.step(env.coding.encode(mask))[1:])
    assert played[0] == played[1]


def test_make_vec_takes_it_among_its_wrappers(wrapping: dict[str, Any]):
    maker = partial(gym.make_vec, vectorization_mode="sync", wrappers=[partial(CodedAction, **wrapping)])
    envs = made(maker=maker, num_envs=2)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    for _ in range(3):
        _, rewards, *_ = envs.step(envs.action_space.sample())
        assert rewards.shape == (2,)
    envs.close()


def test_a_vector_is_paid_the_same_too(wrapping: dict[str, Any], bandit: ClipBandit):
    bare = sync(bandit, AutoresetMode.SAME_STEP)
    envs = VectorCodedAction(sync(bandit, AutoresetMode.SAME_STEP), **wrapping)
    assert envs.action_space == gym.vector.utils.batch_space(envs.coding.space, 2)
    masks = codable(envs.coding)[:2]
    played = []
    for each, actions in ((bare, masks), (envs, envs.coding.encode(masks))):
        each.reset(seed=5)
        assert actions in each.action_space
        steps = [each.step(actions) for _ in range(3)]
        played.append([(step[1].tolist(), step[4]["clip"].tolist()) for step in steps])
    assert played[0] == played[1]
    assert envs.action_space.sample() in envs.action_space
    envs.step(envs.action_space.sample())


def test_the_native_vector_environment_is_wrapped_alike(wrapping: dict[str, Any]):
    envs = made(maker=gym.make_vec, num_envs=3, vectorization_mode="vector_entry_point")
    coded = VectorCodedAction(envs, **wrapping)
    masks = np.resize(codable(coded.coding), (3, MASKS.shape[1]))
    envs.reset(seed=1)
    expected = envs.step(masks)[1]
    coded.reset(seed=1)
    assert np.array_equal(coded.step(coded.coding.encode(masks))[1], expected)
    heads = VectorHeadRewards(coded)
    heads.reset(seed=1)
    assert np.allclose(heads.step(coded.coding.encode(masks))[1].sum(1), expected)


def test_a_budget_and_another_coding_stack(bandit: ClipBandit):
    env = CodedAction(CodedAction(Ada3DEnv(bandit), "frame_budget", at_least=1, at_most=2), "box")
    env.reset(seed=0)
    *_, info = env.step(-np.ones(13, np.float32))
    assert (info["frames"], info["stages"], info["no_frames"]) == (1, 0, False)
    env.reset()
    assert env.step(np.ones(13, np.float32))[-1]["frames"] == 2


def test_a_coding_of_ones_own_is_shared_as_it_is(bandit: ClipBandit):
    menu = MaskMenu(8, 5, MASKS)
    env, envs = CodedAction(Ada3DEnv(bandit), menu), VectorCodedAction(sync(bandit, AutoresetMode.SAME_STEP), menu)
    assert env.coding is envs.coding is menu
    assert env.action_space == gym.spaces.Discrete(3)
    env.reset(seed=0)
    assert env.step(2)[-1]["frames"] == 4


@pytest.mark.parametrize("action", [np.float32("nan"), None, "text", 8160, -1, [0, 1], np.zeros(13), {}])
def test_a_bad_action_leaves_the_episode_open(bandit: ClipBandit, action: Any):
    env = CodedAction(Ada3DEnv(bandit), "discrete")
    env.reset(seed=0)
    with pytest.raises(ActionError, match="expected an integer from 0 to 8159"):
        env.step(action)
    assert env.step(0)[2]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_vector_wants_an_action_for_each(bandit: ClipBandit, count: int):
    envs = VectorCodedAction(sync(bandit, AutoresetMode.SAME_STEP), "discrete")
    envs.reset(seed=0)
    with pytest.raises(ActionError, match=r"expected an integer from 0 to 8159, for each of 2 environments"):
        envs.step(np.zeros(count, np.int64))
    envs.step(np.zeros(2, np.int64))


@pytest.mark.parametrize(
    ("coding", "options", "error", "told"),
    [
        ("continuous", {}, ValueError, "'continuous': expected one of discrete, multi_discrete, box, frame_budget"),
        ("box", {"at_most": 3}, TypeError, "at_most"),
        ("frame_budget", {"at_most": 9}, ValueError, "at_most=9"),
        (Thresholded(8, 5), {"at_most": 3}, TypeError, "at_most would be ignored beside a ready coding"),
        (Thresholded(16, 5), {}, ValueError, r"Thresholded of 16 frames and 5 stages .*expected MultiBinary\(21\)"),
    ],
)
def test_codings_that_do_not_fit_are_refused(
    bandit: ClipBandit, coding: Any, options: dict[str, Any], error: type[Exception], told: str
):
    with pytest.raises(error, match=told):
        CodedAction(Ada3DEnv(bandit), coding, **options)
    with pytest.raises(error, match=told):
        VectorCodedAction(sync(bandit, AutoresetMode.SAME_STEP), coding, **options)


def test_actions_that_are_no_masks_cannot_be_coded(bandit: ClipBandit):
    with pytest.raises(ValueError, match=r"Discrete\(2\) are no masks to code"):
        CodedAction(gym.make("CartPole-v1"), "box")
    with pytest.raises(ValueError, match=r"Discrete\(8160\) are no masks"):
        CodedAction(CodedAction(Ada3DEnv(bandit), "discrete"), "box")


def test_head_rewards_are_those_of_info_and_add_up(bandit: ClipBandit):
    env, bare = HeadRewards(Ada3DEnv(bandit)), Ada3DEnv(bandit)
    assert env.unwrapped.reward_space == env.reward_space == gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    undone = gym.wrappers.TransformReward(env, np.sum)
    seen = set()
    for seed, mask in enumerate([*MASKS, np.zeros(13), np.ones(13)]):
        bare.reset(seed=seed)
        scalar = bare.step(mask)[1]
        env.reset(seed=seed)
        _, reward, *_, info = env.step(mask)
        assert reward in env.reward_space
        assert reward.tolist() == [info["reward_frames"], info["reward_stages"]]
        undone.reset(seed=seed)
        assert undone.step(mask)[1] == scalar
        seen.add(scalar)
    assert len(seen) > 2


def test_head_rewards_have_a_spec():
    env = HeadRewards(made())
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    again.reset(seed=0)
    assert again.step(MASKS[0])[1].shape == (2,)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_head_rewards_of_a_vector_in_each_autoreset_mode(bandit: ClipBandit, mode: AutoresetMode):
    envs, bare = VectorHeadRewards(sync(bandit, mode)), sync(bandit, mode)
    played: list[list[np.ndarray]] = []
    for each in (envs, bare):
        each.reset(seed=2)
        played.append([each.step(MASKS[:2])[1] for _ in range(4)])
    for heads, scalars in zip(*played, strict=True):
        assert heads in envs.reward_space
        assert np.array_equal(heads.sum(1), scalars)
    zeros = [not heads.any() for heads in played[0]]
    assert zeros == ([False] * 4 if mode is AutoresetMode.SAME_STEP else [False, True] * 2)


def test_head_rewards_that_infos_do_not_tell_are_missed(bandit: ClipBandit):
    class Silent(gym.vector.VectorWrapper):
        def step(self, actions: Any) -> Any:
            return *self.env.step(actions)[:4], {}

    envs: VectorEnv = VectorHeadRewards(Silent(sync(bandit, AutoresetMode.SAME_STEP)))
    envs.reset(seed=0)
    with pytest.raises(KeyError, match="reward_frames"):
        envs.step(MASKS[:2])


def test_the_wrappers_need_no_stable_baselines():
    code = "import sys, ada3d_gym.envs.wrappers; sys.exit('stable_baselines3' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

"""The faces of clip selection: checked by both libraries, alike, and as Gymnasium's own vector environments."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.env_checker import check_env as check_env_sb3

from ada3d_gym.envs.infos import each
from ada3d_gym.masks import ActionError
from ada3d_gym.untrimmed.core import LookingCore
from ada3d_gym.untrimmed.env import LookingEnv
from ada3d_gym.untrimmed.looks import ClipLooks
from ada3d_gym.untrimmed.sb3 import LookingVecEnv
from ada3d_gym.untrimmed.vector_env import LookingVectorEnv
from tests.orders import in_one_order
from tests.test_autoreset import MODES, same_infos
from tests.untrimmed.known import KnownLooks

N, STEPS = 4, 9
SHAPES = [{}, {"flat": True}, {"memory": False}, {"actions": "symmetric", "reward": "outcome"}]


def actions(seed: int = 0) -> np.ndarray:
    """Of N environments; about a third stops."""
    drawn = np.random.default_rng(seed).random((STEPS, N, 2), np.float32)
    drawn[..., 1] *= 0.75
    return drawn


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    return np.asarray(one).dtype == np.asarray(other).dtype and np.array_equal(one, other)


@pytest.mark.parametrize("options", SHAPES)
def test_both_checkers_are_content(options: dict[str, Any], looks: ClipLooks):
    env = gym.make("Ada3D-MotionShapesUntrimmed-v0", looks=looks, render_mode="rgb_array", **options).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*Box observation space m..imum value is")
        warnings.filterwarnings("ignore", "Your observation memory has an unconventional shape")
        warnings.filterwarnings("ignore", "We recommend you to use a symmetric")
        check_env(env)
        check_env_sb3(LookingEnv(LookingCore(looks, **options)))


def play(envs: VectorEnv[Any, Any, Any], seed: Any) -> list[Any]:
    played: list[Any] = [envs.reset(seed=seed)]
    for number, batch in enumerate(actions()):
        played.append(envs.step(batch))
        over = played[-1][2]
        if number == 2:
            played.append(envs.reset(options={"reset_mask": np.array([True, False, True, False])}))
            over = over & np.array([False, True, False, True])
        if envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED and over.any():
            played.append(envs.reset(options={"reset_mask": over.copy()}))
    return played


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_every_step_is_that_of_gymnasiums_own(mode: str, flat: bool, looks: ClipLooks):
    cores = [LookingCore(looks, flat=flat, steps=3) for _ in range(2)]
    singles = SyncVectorEnv(in_one_order(LookingEnv, cores[0], N), autoreset_mode=MODES[mode])
    own = play(singles, [7, *[None] * (N - 1)])
    ours = play(LookingVectorEnv(N, cores[1], autoreset_mode=mode), 7)
    ended = 0
    for expected, got in zip(own, ours, strict=True):
        assert equal(expected[0], got[0])
        for one, other in zip(expected[1:-1], got[1:-1], strict=True):
            assert one.dtype == other.dtype
            assert one == pytest.approx(other, abs=1e-6)
        infos = [dict(each[-1]) for each in (expected, got)]
        finals = [info.pop("final_obs", None) for info in infos]
        if finals[0] is not None:
            ended += 1
            for one, other in zip(*finals, strict=True):
                assert (one is None and other is None) or equal(one, other)
        same_infos(*(rounded(info) for info in infos))
    assert mode != "same_step" or ended


def rounded(infos: dict[str, Any]) -> dict[str, Any]:
    """Sums of another batch differ in their last bits."""
    return {
        key: rounded(value) if isinstance(value, dict) else value.round(5) if value.dtype == float else value
        for key, value in infos.items()
    }


def test_the_sb3_face_is_the_single_one(looks: ClipLooks):
    env, envs = (kind(core=LookingCore(looks, steps=3)) for kind in (LookingEnv, LookingVecEnv))
    envs.seed(3)
    shown = envs.reset()
    observation, info = env.reset(seed=3)
    assert info == envs.reset_infos[0]
    ends = 0
    for action in actions()[:, :1]:
        assert equal({name: values[0] for name, values in shown.items()}, observation)
        shown, rewards, dones, infos = envs.step(action)
        observation, reward, terminated, truncated, info = env.step(action[0])
        assert rewards[0] == pytest.approx(reward)
        assert (bool(dones[0]), truncated) == (terminated, False)
        if terminated:
            ends += 1
            assert equal(infos[0].pop("terminal_observation"), observation)
            observation, _ = env.reset()
        assert infos[0] == info
    assert ends


def test_infos_are_plain_values(looks: ClipLooks):
    env = LookingEnv(LookingCore(looks))
    _, info = env.reset(seed=0)
    assert {name: type(value) for name, value in info.items()} == {"video": int}
    _, info = LookingEnv(LookingCore(looks), label_at_reset=True).reset(seed=0)
    assert info["path"].endswith(".mp4")
    assert info["label_name"] == looks.class_names[info["label"]]
    *_, info = env.step(np.array([1, 0], np.float32))
    kinds = {"correct": bool, "prediction": int, "place": int, "looks": int, "macs": int, "margin": float}
    assert {name: type(info[name]) for name in kinds} == kinds
    look = looks.at(np.array([info["video"]]), np.array([looks.places - 1]))
    assert info["macs"] == looks.memory_macs + look.macs[0]
    assert (info["place"], info["looks"]) == (looks.places - 1, 1)


@pytest.mark.parametrize(
    ("algorithm", "policy", "options"),
    [
        (PPO, "MultiInputPolicy", {}),
        (PPO, "MlpPolicy", {"flat": True}),
        (RecurrentPPO, "MultiInputLstmPolicy", {"actions": "symmetric"}),
    ],
)
def test_algorithms_train_and_act(algorithm: Any, policy: str, options: dict[str, Any], looks: ClipLooks):
    envs = LookingVecEnv(N, LookingCore(looks, **options))
    model = algorithm(policy, envs, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu")
    before = {key: value.clone() for key, value in model.policy.state_dict().items()}
    model.learn(64)
    assert any((value != before[key]).any() for key, value in model.policy.state_dict().items())
    assert 1 <= np.mean([episode["l"] for episode in model.ep_info_buffer] or [1]) <= 5
    assert envs.action_space.contains(model.predict(envs.reset())[0][0])


def test_an_off_policy_algorithm_trains(known: KnownLooks):
    model = SAC("MlpPolicy", LookingVecEnv(N, LookingCore(known, flat=True)), learning_starts=16, batch_size=8, seed=0)
    model.learn(64)
    assert model.replay_buffer.dones[:16].any()


def test_a_strip_marks_where_was_looked(looks: ClipLooks):
    env = LookingEnv(LookingCore(looks), render_mode="rgb_array")
    with pytest.raises(gym.error.ResetNeeded):
        env.render()
    env.reset(seed=0)
    before = env.render()
    env.step(np.array([0, 0], np.float32))
    first = env.render()
    env.step(np.array([1, 0], np.float32))
    second = env.render()
    assert before.dtype == np.uint8
    assert before.shape == first.shape == second.shape
    below = slice(-60, None)
    changed = [np.flatnonzero((one != other)[below].any((0, 2))) for one, other in ((before, first), (first, second))]
    middle = before.shape[1] / 2
    assert changed[0].max() < middle < changed[1].min()
    assert len(LookingVectorEnv(2, env.core).render() or ()) == 0
    assert LookingEnv(LookingCore(KnownLooks())).render() is None


def test_what_comes_too_early_or_too_late(looks: ClipLooks):
    action = np.array([0.5, 0], np.float32)
    env, envs, sb3 = (kind(core=LookingCore(looks, steps=1)) for kind in (LookingEnv, LookingVectorEnv, LookingVecEnv))
    for face in (env, envs, sb3):
        with pytest.raises(gym.error.ResetNeeded):
            face.step(action if face is env else action[None])
        face.reset()
        with pytest.raises(ActionError):
            face.step(np.array([2.0, 0]) if face is env else np.array([[2.0, 0]]))
    env.step(action)
    with pytest.raises(gym.error.ResetNeeded, match="over"):
        env.step(action)
    disabled = LookingVectorEnv(2, LookingCore(looks, steps=1), autoreset_mode="disabled")
    disabled.reset()
    disabled.step(np.tile(action, (2, 1)))
    with pytest.raises(gym.error.ResetNeeded, match=r"environments \[0, 1\] are over.*reset_mask"):
        disabled.step(np.tile(action, (2, 1)))
    for face in (env, envs, sb3):
        face.close()
        with pytest.raises(gym.error.ClosedEnvironmentError):
            face.reset()
    assert len(looks.at(np.array([0]), np.array([0])).macs) == 1  # others may share them


def test_actions_of_uneven_length(known: KnownLooks):
    for env, uneven in (
        (LookingEnv(LookingCore(known)), [[0.5], [0.5, 0.5]]),
        (LookingVectorEnv(2, LookingCore(known)), [[0.5, 0.5], [0.5]]),
        (LookingVectorEnv(2, LookingCore(known), autoreset_mode="next_step"), [[0.5, 0.5], [0.5]]),
    ):
        env.reset(seed=0)
        with pytest.raises(ActionError, match="uneven length"):
            env.step(uneven)  # type: ignore[arg-type]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_by_itself(copied: Callable[[LookingEnv], LookingEnv], known: KnownLooks):
    def drawn(env: LookingEnv) -> list[int]:
        return [env.reset()[1]["video"] for _ in range(20)]

    env = LookingEnv(LookingCore(known))
    env.reset(seed=0)
    other = copied(env)
    assert drawn(other) == drawn(env)


def test_infos_of_a_batch_split_into_plain_ones(known: KnownLooks):
    envs = LookingVectorEnv(2, LookingCore(known), label_at_reset=True)
    _, infos = envs.reset(seed=0)
    rows = each({key: value for key, value in infos.items() if not key.startswith("_")})
    assert [row["path"] for row in rows] == ["", ""]

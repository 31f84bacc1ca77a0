"""Does the environment cost more than the network in it?

    python -m benchmarks.env_throughput            # 64 environments on MotionShapes
    python -m benchmarks.env_throughput --quick    # fewer rounds

All ways see MotionShapes' test clips and the same random masks, in turn, in one process, one thread. Ratios are of each
way's fastest round, the one that other work on the machine disturbed least: steps a second of the vector face over
those of a `SyncVectorEnv` of as many single environments; time of a vector step over that of the bare classifier on the
same clips and masks; and the share of PPO's time that is spent in the environment but not in its network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3 import PPO
from tabulate import tabulate

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.envs.vector_env import Ada3DVectorEnv
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.timing import alternate
from ada3d_gym.masks import split_mask
from ada3d_gym.progress import Progress
from ada3d_gym.sb3 import Ada3DVecEnv, SelectionPolicy, selection_kwargs


class Stopwatch:
    """Seconds spent inside a callable that it wraps."""

    def __init__(self, call: Callable[..., Any]):
        self.call, self.seconds = call, 0.0

    def __call__(self, *args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return self.call(*args, **options)
        finally:
            self.seconds += time.perf_counter() - start


def step_ratios(bandit: ClipBandit, count: int, rounds: int) -> dict[str, float]:
    """`vector_over_sync` and `step_over_forward`."""
    vector = Ada3DVectorEnv(count, bandit)
    sync = SyncVectorEnv([lambda: Ada3DEnv(bandit)] * count, autoreset_mode=AutoresetMode.SAME_STEP)
    bits = np.random.default_rng(0).integers(0, 2, (count, bandit.num_frames + bandit.num_stages))
    masks = bits.astype(np.int8)
    u, v = split_mask(masks, bandit.num_frames, bandit.num_stages)
    vector.reset(seed=0)
    sync.reset(seed=0)
    clips = bandit.source.clips(bandit.draw(count))  # as many other ones: what clips show costs nothing

    def forward() -> object:
        return bandit.classifier.scores(clips, u, v)

    def step() -> object:
        return vector.step(masks)

    # A forward pass takes milliseconds, so that many rounds cost little and the fastest ones are undisturbed.
    close = alternate({"forward": forward, "vector": step}, 10 * rounds)
    far = alternate({"vector": step, "sync": lambda: sync.step(masks)}, rounds)
    return {
        "vector_over_sync": float(far["sync"].min() / far["vector"].min()),
        "step_over_forward": float(close["vector"].min() / close["forward"].min()),
    }


def ppo_share(observation: str, count: int, updates: int, videos: int) -> float:
    """The part of PPO's time spent in the environment, its network left out."""
    bandit = build_bandit(split="test", videos=videos, observation=observation)  # type: ignore[arg-type]
    env = Ada3DVecEnv(count, bandit)
    model = PPO(
        SelectionPolicy,
        env,
        n_steps=8,
        batch_size=128,
        policy_kwargs=selection_kwargs(bandit),
        seed=0,
        device="cpu",
    )
    bandit.observer(np.arange(len(bandit.source)))  # features are computed once, and then looked up
    model.learn(8 * count)
    stepping, scoring = Stopwatch(env.step_wait), Stopwatch(bandit.classifier.scores)
    env.step_wait, bandit.classifier.scores = stepping, scoring  # type: ignore[method-assign]
    start = time.perf_counter()
    model.learn(updates * 8 * count, reset_num_timesteps=False)
    return (stepping.seconds - scoring.seconds) / (time.perf_counter() - start)


def rollout_megabytes(steps: int = 4096, count: int = 64) -> float:
    """What PPO's buffer of so many steps holds, with "index" observations at T = 8."""
    env = Ada3DVecEnv(count, build_bandit(split="test", videos=14, observation="index"))
    model = PPO("MlpPolicy", env, n_steps=steps // count, batch_size=count, device="cpu")
    arrays = [value for value in vars(model.rollout_buffer).values() if isinstance(value, np.ndarray)]
    return sum(array.nbytes for array in arrays) / 2**20


def env_throughput(quick: bool = False, num_envs: int = 64, json: Path | None = None) -> None:
    """Measures and prints.

    Args:
        quick: fewer rounds and updates.
        num_envs: N.
        json: file for all figures.
    """
    torch.set_num_threads(1)
    videos = 140 if quick else 700
    bandit = build_bandit(split="test", videos=videos)
    with Progress(4, "measuring environments", "part") as shown:
        shown.doing("decoding")
        bandit.source.clips(np.arange(len(bandit.source)))  # decoded before anything is timed
        shown.add()
        shown.doing("steps")
        ratios = step_ratios(bandit, num_envs, 5 if quick else 20)
        shown.add()
        shares = dict[str, float]()
        for kind in ("index", "features"):
            shown.doing(f"PPO on {kind}")
            shares[kind] = ppo_share(kind, num_envs, 2 if quick else 8, videos)
            shown.add()
    summary = ratios | {
        "ppo_env_python_share": max(shares.values()),
        "ppo_env_python_share_index": shares["index"],
        "ppo_env_python_share_features": shares["features"],
        "rollout_megabytes_index": rollout_megabytes(),
    }
    print(tabulate(summary.items(), ["figure", "value"], floatfmt=".3f"))
    if json is not None:
        json.write_text(dumps({"summary": summary, "num_envs": num_envs, "gymnasium": gym.__version__}, indent=2))


if __name__ == "__main__":
    run(env_throughput)

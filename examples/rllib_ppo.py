"""PPO of RLlib, which has no MultiBinary: the bits of a mask as MultiDiscrete.

pip install "ray[rllib]"    # an installation of its own; it pins its version of Gymnasium
python -m examples.rllib_ppo
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import tyro
from gymnasium.wrappers.vector import FlattenObservation
from numpy.typing import NDArray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env

from ada3d_gym.building import build_bandit
from ada3d_gym.envs.vector_env import Ada3DVectorEnv
from ada3d_gym.envs.wrappers import VectorCodedAction
from ada3d_gym.evaluation import evaluate


def make(config: Any) -> VectorCodedAction:
    """All environments of a runner as one batch; RLlib adds their number to the configuration."""
    shown = {"observation": "features", "gamma": config["gamma"], "videos": config["videos"]}
    envs = Ada3DVectorEnv(config["num_envs"], split="train", autoreset_mode="next_step", **shown)
    return VectorCodedAction(FlattenObservation(envs), "multi_discrete")  # its own networks take no tables of features


def main(iterations: int = 20, num_envs: int = 32, gamma: float = 6.0, videos: int | None = None) -> float:
    """Trains for some rollouts of 512 pulls and judges; returns top-1 on the test videos."""
    register_env("ada3d", make)
    config = (
        PPOConfig()
        .environment("ada3d", env_config={"gamma": gamma, "videos": videos})
        .env_runners(
            num_env_runners=0,
            num_envs_per_env_runner=num_envs,
            gym_env_vectorize_mode="vector_entry_point",  # which expects that resets take a step of their own
        )
        .training(train_batch_size=512, minibatch_size=128, num_epochs=4, lr=1e-3, entropy_coeff=0.01)
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[128]))
        .debugging(seed=0)
    )
    algorithm = config.build_algo()
    for iteration in range(iterations):
        result = algorithm.train()
        print(f"{iteration}: reward {result['env_runners']['episode_return_mean']:.2f}")
    module = algorithm.get_module()
    assert module is not None

    @torch.no_grad()
    def act(shown: NDArray[np.float32]) -> NDArray[np.int64]:
        flat = torch.from_numpy(shown.reshape(len(shown), -1))
        logits = module.forward_inference({"obs": flat})["action_dist_inputs"]  # of dropping and keeping each bit
        keep: NDArray[np.int64] = logits.unflatten(1, (-1, 2)).argmax(2).numpy()
        return keep

    judged = evaluate(build_bandit(split="test", observation="features", gamma=gamma, videos=videos), act)
    print(f"test: top-1 {judged.top1:.1%} at {judged.usage.macs / 1e6:.1f} MMACs, {judged.usage.frames:.1f} frames")
    algorithm.stop()
    return judged.top1


if __name__ == "__main__":
    tyro.cli(main)

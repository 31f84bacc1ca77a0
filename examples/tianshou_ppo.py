"""PPO of Tianshou, which acts in masks as they are.

pip install tianshou
python -m examples.tianshou_ppo
"""

from __future__ import annotations

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, CollectStats, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OnPolicyTrainerParams
from tianshou.utils.net.common import Net
from torch.distributions import Bernoulli, Distribution, Independent

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.evaluation import evaluate


def bits(logits: torch.Tensor) -> Distribution:
    return Independent(Bernoulli(logits=logits), 1)


def main(updates: int = 20, num_envs: int = 32, gamma: float = 6.0, videos: int | None = None, seed: int = 0) -> float:
    """Trains for some rollouts of 512 steps and judges; returns top-1 on the test videos."""
    np.random.seed(seed)  # noqa: NPY002 (Tianshou draws from the global generators)
    torch.manual_seed(seed)

    def core(split: str) -> ClipBandit:
        return build_bandit(split=split, gamma=gamma, videos=videos, observation="features")

    bandit = core("train")  # one for all environments: they share network and order of clips
    env = Ada3DEnv(bandit)
    shape, count = env.observation_space.shape, bandit.num_frames + bandit.num_stages
    actor = Net(state_shape=shape, action_shape=count, hidden_sizes=[128])
    policy = ProbabilisticActorPolicy(
        actor=actor,
        dist_fn=bits,
        deterministic_eval=True,
        action_space=env.action_space,
        action_scaling=False,
        action_bound_method=None,
    )
    critic = Critic(Net(state_shape=shape, action_shape=1, hidden_sizes=[128]))
    algorithm = PPO(policy=policy, critic=critic, optim=AdamOptimizerFactory(lr=1e-3), max_grad_norm=0.5)
    envs = DummyVectorEnv([lambda: Ada3DEnv(bandit)] * num_envs)
    collector = Collector[CollectStats](algorithm, envs, VectorReplayBuffer(512, num_envs))
    algorithm.run_training(
        OnPolicyTrainerParams(
            training_collector=collector,
            max_epochs=1,
            epoch_num_steps=512 * updates,
            collection_step_num_env_steps=512,
            update_step_num_repetitions=4,
            batch_size=128,
        )
    )

    @torch.no_grad()
    def act(shown: NDArray[np.float32]) -> NDArray[np.bool_]:
        keep: NDArray[np.bool_] = (actor(shown)[0] > 0).numpy()
        return keep

    judged = evaluate(core("test"), act)
    print(f"test: top-1 {judged.top1:.1%} at {judged.usage.macs / 1e6:.1f} MMACs, {judged.usage.frames:.1f} frames")
    return judged.top1


class Critic(torch.nn.Module):
    """A value for each observation."""

    def __init__(self, net: Net):
        super().__init__()
        self.net = net

    def forward(self, obs: NDArray[np.float32], **_: object) -> torch.Tensor:
        values: torch.Tensor = self.net(obs)[0]
        return values


if __name__ == "__main__":
    tyro.cli(main)

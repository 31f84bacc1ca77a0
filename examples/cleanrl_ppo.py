"""PPO in one file, in CleanRL's manner, on the vector face: features of frames in, Bernoulli masks out.

python -m examples.cleanrl_ppo
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from numpy.typing import NDArray
from torch import nn

import ada3d_gym  # noqa: F401 (registers the environments)
from ada3d_gym.evaluation import evaluate


@dataclass
class Args:
    env_id: str = "Ada3D-MotionShapes-v1"
    num_envs: int = 64
    num_steps: int = 8  # of each environment in a rollout
    updates: int = 50
    epochs: int = 4
    minibatch: int = 128
    lr: float = 1e-3
    clip: float = 0.2
    entropy: float = 0.01
    gamma: float = 6.0  # the penalty of a wrong answer; nothing is discounted in one step
    videos: int | None = None  # only the first so many, of each split
    seed: int = 0


class ActorCritic(nn.Module):
    def __init__(self, inputs: int, bits: int):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 128), nn.ReLU())
        self.actor, self.critic = nn.Linear(128, bits), nn.Linear(128, 1)
        nn.init.constant_(self.actor.bias, 1.4)  # begins with masks that mostly work: every bit kept with 0.8

    def forward(self, shown: torch.Tensor) -> tuple[torch.distributions.Independent[Any], torch.Tensor]:
        hidden = self.body(shown)
        bits = torch.distributions.Bernoulli(logits=self.actor(hidden))
        return torch.distributions.Independent(bits, 1), self.critic(hidden).squeeze(1)


def main(args: Args) -> list[float]:
    """Trains; returns the mean reward of each rollout."""
    torch.manual_seed(args.seed)
    options: dict[str, Any] = {"observation": "features", "gamma": args.gamma, "videos": args.videos}
    envs = RecordEpisodeStatistics(gym.make_vec(args.env_id, num_envs=args.num_envs, **options))
    observation, action = envs.single_observation_space.shape, envs.single_action_space.shape
    assert observation is not None and action is not None
    agent = ActorCritic(int(np.prod(observation)), action[0])
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.lr, eps=1e-5)
    rng = np.random.default_rng(args.seed)
    shown, _ = envs.reset(seed=args.seed)
    history = []
    for update in range(args.updates):
        rollout = []
        for _ in range(args.num_steps):
            with torch.no_grad():
                policy, value = agent(torch.from_numpy(shown))
                masks = policy.sample()
            following, reward, _, _, infos = envs.step(masks.numpy())
            rollout.append((torch.from_numpy(shown), masks, policy.log_prob(masks), value, torch.from_numpy(reward)))
            shown = following  # every step ends all episodes, and shows new clips
        clips, masks, old, values, rewards = (torch.cat(parts) for parts in zip(*rollout, strict=True))
        rewards = rewards.float()
        advantages = rewards - values  # what an episode of one step is worth is its reward
        for _ in range(args.epochs):
            for rows in np.split(rng.permutation(len(clips)), range(args.minibatch, len(clips), args.minibatch)):
                policy, value = agent(clips[rows])
                ratio = (policy.log_prob(masks[rows]) - old[rows]).exp()
                advantage = (advantages[rows] - advantages[rows].mean()) / (advantages[rows].std() + 1e-8)
                gain = torch.min(advantage * ratio, advantage * ratio.clamp(1 - args.clip, 1 + args.clip)).mean()
                loss = -gain + 0.5 * (value - rewards[rows]).pow(2).mean() - args.entropy * policy.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
        history.append(rewards.mean().item())
        correct, frames = (infos["final_info"][key].mean() for key in ("correct", "frames"))
        print(f"{update}: reward {history[-1]:.2f}, correct {correct:.2f}, {frames:.1f} frames")
    envs.close()

    test = gym.make(args.env_id, split="test", **options).unwrapped

    @torch.no_grad()
    def act(shown: NDArray[np.float32]) -> NDArray[np.bool_]:
        keep: NDArray[np.bool_] = agent(torch.from_numpy(shown))[0].mean.numpy() > 0.5
        return keep

    result = evaluate(test.bandit, act)  # type: ignore[attr-defined]
    print(f"test: top-1 {result.top1:.1%} at {result.usage.macs / 1e6:.1f} MMACs, {result.usage.frames:.1f} frames")
    return history


if __name__ == "__main__":
    main(tyro.cli(Args))

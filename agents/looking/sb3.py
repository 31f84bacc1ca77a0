"""PPO and sb3-contrib's RecurrentPPO on the environment of clip selection, as rivals of AdaFrame.

They predict by the mean of the looked-at clips' class probabilities, as the environment does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from ada3d_gym.errors import InputError
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.progress import Progress
from ada3d_gym.seeding import Stream, spawn
from ada3d_gym.untrimmed.core import LookingCore
from ada3d_gym.untrimmed.protocols import Looked, VideoLooks
from ada3d_gym.untrimmed.sb3 import LookingVecEnv

Algorithm = Literal["ppo", "recurrent-ppo"]


@dataclass(frozen=True)
class LookingSB3Options:
    """How they learn.

    Attributes:
        algorithm: "ppo", or "recurrent-ppo", whose LSTM remembers earlier looks.
        steps: K, the most looks in an episode.
        looks: steps of all environments together, up to a whole rollout.
        price: of a look, see `LookingEnv`.
        num_envs: episodes side by side.
        rollout: steps of each in a rollout.
        lr: of Adam; a cosine takes it to zero.
        hidden: units of each hidden layer, and of the LSTM.
    """

    algorithm: Algorithm = "ppo"
    steps: int = 5
    looks: int = 200_000
    price: float = 0.02
    num_envs: int = 256
    rollout: int = 12
    lr: float = 1e-3
    hidden: int = 128

    def __post_init__(self) -> None:
        if self.algorithm not in get_args(Algorithm):
            raise InputError(f"unknown algorithm {self.algorithm!r}: expected one of {', '.join(get_args(Algorithm))}")
        for name in ("steps", "looks", "num_envs", "rollout", "hidden"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected at least 1")


def train_sb3(looks: VideoLooks, options: LookingSB3Options, *, seed: int = 0, device: str = "cpu") -> SB3Policy:
    """Trains one on the margin reward.

    Args:
        looks: the training videos.
        options: how.
        seed: of weights, videos and draws; those of torch's and NumPy's global generators too, as SB3 draws from them.
        device: where the networks run.
    """
    core = LookingCore(looks, steps=options.steps, price=options.price, flat=True)
    env = LookingVecEnv(options.num_envs, core)
    recurrent = options.algorithm == "recurrent-ppo"
    networks: dict[str, Any] = {"net_arch": [options.hidden], "log_std_init": -1.2}
    if recurrent:
        networks |= {"lstm_hidden_size": options.hidden, "enable_critic_lstm": False, "shared_lstm": True}
    number = int(spawn(seed, Stream.LOOKING_SB3).generate_state(1)[0]) >> 1  # SB3 wants 31 bits
    model: OnPolicyAlgorithm = (RecurrentPPO if recurrent else PPO)(
        "MlpLstmPolicy" if recurrent else "MlpPolicy",
        env,
        learning_rate=lambda left: options.lr * 0.5 * (1 - math.cos(math.pi * left)),
        n_steps=options.rollout,
        batch_size=min(512, options.num_envs * options.rollout),
        n_epochs=4,
        gamma=1.0,  # episodes end, and each look has a price
        ent_coef=0.001,
        policy_kwargs=networks,
        seed=number,
        device=device,
    )
    with torch.no_grad():  # the space's middle, and looking on: an untrained policy's zeros are a corner
        policy: Any = model.policy
        policy.action_net.bias.copy_(torch.tensor([0.5, 0.2]))
    with Progress(options.looks, options.algorithm, "look") as shown:

        def count(*_: dict[str, Any]) -> bool:
            shown.add(options.num_envs)
            return True

        model.learn(options.looks, count)
    return SB3Policy(model, options.steps)


class SB3Policy:
    """An algorithm's deterministic policy, which has learned on flat observations with the memory.

    Args:
        model: PPO or RecurrentPPO on a `LookingVecEnv` with `flat=True`.
        steps: K, the most looks at a video.
    """

    def __init__(self, model: OnPolicyAlgorithm, steps: int):
        self.model, self.steps = model, steps
        self.macs = _decision_macs(model)

    def look(self, looks: VideoLooks, videos: NDArray[np.int64]) -> Looked:
        """Of B videos: mean scores, all places, and all multiply-accumulates: of each decision, the one to stop too."""
        core = LookingCore(looks, steps=self.steps, price=0.0, flat=True)
        episodes, decisions = core.start(videos), np.zeros(len(videos), np.int64)
        rows, state = np.arange(len(videos)), None
        begun = np.ones(len(videos), np.bool_)
        while len(rows):
            going = episodes.take(rows)
            shown: Any = core.observe(going)
            actions, state = self.model.predict(shown, state=state, episode_start=begun[rows], deterministic=True)
            begun[rows] = False
            decisions[rows] += 1
            after, _ = core.step(going, actions)
            mask = np.zeros(len(videos), np.bool_)
            mask[rows] = True
            episodes = episodes.put(mask, after)
            stay = ~after.over
            state = None if state is None else tuple(part[:, stay] for part in state)
            rows = rows[stay]
        return Looked(episodes.scores, episodes.places, episodes.macs + decisions * self.macs)


def _decision_macs(model: OnPolicyAlgorithm) -> int:
    """Multiply-accumulates of one action, without the value, which only training asks for."""
    policy: Any = model.policy
    shown = torch.zeros(1, *model.observation_space.shape, device=model.device)  # type: ignore[misc]
    if not isinstance(model, RecurrentPPO):
        return count_macs(policy.get_distribution, shown)
    lstm = policy.lstm_actor
    recurrent: int = sum(weight.numel() for name, weight in lstm.named_parameters() if name.startswith("weight"))
    zeros = torch.zeros(lstm.num_layers, 1, lstm.hidden_size, device=model.device)
    begun = torch.ones(1, device=model.device)
    # PyTorch's counter does not see into nn.LSTM, in which each weight takes part once a step
    return recurrent + count_macs(policy.get_distribution, shown, (zeros, zeros), begun)  # type: ignore[arg-type]

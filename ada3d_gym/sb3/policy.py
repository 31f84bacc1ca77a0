"""The paper's selection network as a policy of Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor, nn

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_trunk
from ada3d_gym.errors import InputError
from ada3d_gym.networks.selection import MaskLogits, SelectionNetwork, greedy
from ada3d_gym.sb3.extractors import policy_kwargs


class SelectionPolicy(ActorCriticPolicy):
    """Two heads over features of frames, as `ada3d_gym.networks.selection.SelectionNetwork` has them, and a value.

    For PPO, A2C and TRPO, on any observation; `selection_kwargs` makes its `policy_kwargs`. The greedy mask keeps the
    likeliest frame where it would keep none.

    Args:
        observation_space, action_space, lr_schedule: as SB3 gives them.
        num_frames: T.
        side: of the frames that the trunk was made for, in pixels.
        weights: of the trunk; the shipped ones where they fit, else random.
        keep: probability of every bit at the start.
        exploration: a probability p becomes a p + (1 - a)(1 - p), as in REINFORCE; 1 switches this off.
        kwargs: of `ActorCriticPolicy`.

    Example:
        >>> from stable_baselines3 import PPO
        >>> from ada3d_gym.sb3 import SelectionPolicy, make_vec, selection_kwargs
        >>> envs = make_vec("Ada3D-MotionShapes-v1", 8, split="test", videos=14, observation="features", gamma=6.0)
        >>> kwargs = selection_kwargs(envs.bandit)
        >>> model = PPO(SelectionPolicy, envs, n_steps=2, batch_size=16, n_epochs=1, policy_kwargs=kwargs)
        >>> masks, _ = model.learn(16).predict(envs.reset(), deterministic=True)
        >>> masks.shape
        (8, 13)
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *,
        num_frames: int,
        side: int,
        weights: str | None = None,
        keep: float = 0.8,
        exploration: float = 1.0,
        **kwargs: Any,
    ):
        self.num_frames, self.exploration = num_frames, exploration
        self._selection = num_frames, side, weights, keep
        # Orthogonal weights would overwrite the pre-trained ones.
        super().__init__(observation_space, action_space, lr_schedule, **{"ortho_init": False, **kwargs})

    def _build_mlp_extractor(self) -> None:
        num_frames, side, weights, keep = self._selection
        if not isinstance(self.action_space, spaces.MultiBinary):
            raise InputError(f"SelectionPolicy chooses masks, MultiBinary, and actions here are {self.action_space}")
        stages = int(self.action_space.shape[0]) - num_frames
        selection = SelectionNetwork(build_trunk(num_frames, side, weights), stages, keep)
        self.mlp_extractor = _Heads(selection, self.exploration)  # type: ignore[assignment]

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()  # the heads' logits are the distribution's
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)  # type: ignore[call-arg]

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        distribution = self.get_distribution(observation)
        if not deterministic:
            return distribution.get_actions()
        logits: Tensor = distribution.distribution.logits  # type: ignore[union-attr]
        frames, stages = logits.tensor_split([self.num_frames], 1)
        return torch.cat(greedy(MaskLogits(frames, stages)), 1).to(logits.dtype)


def selection_kwargs(bandit: ClipBandit, **options: Any) -> dict[str, Any]:
    """The `policy_kwargs` of an SB3 algorithm with `SelectionPolicy`.

    Args:
        bandit: as `env.bandit` of any face.
        options: of the features extractor, as in `ada3d_gym.sb3.policy_kwargs`; `weights` serve the heads too.
    """
    networks, source = policy_kwargs(bandit, **options), bandit.source
    shape = {"num_frames": source.num_frames, "side": source.observation_size, "weights": options.get("weights")}
    return networks | shape


class _Heads(nn.Module):
    """Logits for the actor, the clip's features for the critic."""

    def __init__(self, selection: SelectionNetwork, exploration: float):
        super().__init__()
        self.channels, self.exploration = selection.trunk.channels, exploration
        selection.trunk.drop_backbone()  # the extractor has it
        self.selection = selection
        self.latent_dim_pi = selection.frame_head.out_features + selection.stage_head.out_features
        self.latent_dim_vf = selection.trunk.features

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T * C) to logits (B, T + K) and (B, D)."""
        logits, clip = self.selection.heads(features.unflatten(1, (-1, self.channels)))
        mask = torch.cat(logits, 1)
        if self.exploration < 1:
            p = torch.sigmoid(mask)
            mask = torch.logit(self.exploration * p + (1 - self.exploration) * (1 - p), eps=1e-6)
        return mask, clip

    def forward_actor(self, features: Tensor) -> Tensor:
        return self.forward(features)[0]

    def forward_critic(self, features: Tensor) -> Tensor:
        return self.forward(features)[1]

"""Options of Stable-Baselines3's algorithms, one typed table each; `presets/` has values for one-step episodes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ada3d_gym.errors import InputError

TRUNK_FACTOR = 0.1  # a pre-trained backbone learns slower than new heads, as in REINFORCE


@dataclass(frozen=True)
class SB3Options:
    """What all algorithms have.

    Attributes:
        epochs: with the classifier fixed; an epoch is as many steps as there are videos, up to a whole rollout.
        joint_epochs: with the classifier trained along (`JointFineTuneCallback`).
        num_envs: clips in a step.
        lr: learning rate; a cosine over all epochs takes it to zero.
        classifier_lr: of the classifier's SGD in the joint epochs.
        classifier_batch: clips in a gradient step of the classifier.
        classifier_steps: gradient steps after each rollout; by default as many as take each of its clips once.
        weights: of the selection network's trunk, as REINFORCE has it; the shipped ones where they fit, else random.
        train_trunk: whether the trunk's backbone, which sees single frames, learns too. It then sees pixels, and every
            gradient step computes it anew.
        trunk_lr: learning rate of the backbone at the start; a tenth of `lr` by default. TRPO has it for its critic
            alone: its own step, whose length the divergence of policies decides, takes the backbone along.
    """

    epochs: int = 12
    joint_epochs: int = 0
    num_envs: int = 32
    lr: float = 1e-3
    classifier_lr: float = 0.01
    classifier_batch: int = 32
    classifier_steps: int | None = None
    weights: str | None = None
    train_trunk: bool = False
    trunk_lr: float | None = None

    def __post_init__(self) -> None:
        for name in ("num_envs", "classifier_batch"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected at least 1")
        if self.trunk_lr is not None and not self.train_trunk:
            raise InputError(f"trunk_lr={self.trunk_lr} is of a trunk that learns: give train_trunk=true, too")

    @property
    def trunk_factor(self) -> float:
        """The backbone's learning rate as a share of all others'."""
        if self.trunk_lr is None or not self.lr:
            return TRUNK_FACTOR
        return self.trunk_lr / self.lr

    def of_algorithm(self) -> dict[str, Any]:
        """Those that are arguments of the algorithm's class."""
        shared = {field.name for field in fields(SB3Options)} | {"exploration", "masks", "net_arch"}
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in shared}


@dataclass(frozen=True)
class OnPolicyOptions(SB3Options):
    """Attributes:
    exploration: a probability p becomes a p + (1 - a)(1 - p), as in REINFORCE; 1 switches this off.
    n_steps: steps of each environment in a rollout.
    """

    exploration: float = 1.0
    n_steps: int = 8


@dataclass(frozen=True)
class PPOOptions(OnPolicyOptions):
    """As in `stable_baselines3.PPO`."""

    batch_size: int = 128
    n_epochs: int = 4
    clip_range: float = 0.2
    ent_coef: float = 0.01
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    normalize_advantage: bool = True
    target_kl: float | None = None


@dataclass(frozen=True)
class A2COptions(OnPolicyOptions):
    """As in `stable_baselines3.A2C`."""

    ent_coef: float = 0.01
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    normalize_advantage: bool = True
    use_rms_prop: bool = False


@dataclass(frozen=True)
class TRPOOptions(OnPolicyOptions):
    """As in `sb3_contrib.TRPO`; `lr` is the critic's."""

    batch_size: int = 128
    target_kl: float = 0.01
    cg_max_steps: int = 15
    n_critic_updates: int = 10
    normalize_advantage: bool = True


@dataclass(frozen=True)
class OffPolicyOptions(SB3Options):
    """Attributes:
    net_arch: hidden layers.
    buffer_size, learning_starts, batch_size, train_freq, gradient_steps: as in Stable-Baselines3.
    """

    net_arch: tuple[int, ...] = (256,)
    buffer_size: int = 20_000
    learning_starts: int = 512
    batch_size: int = 128
    train_freq: int = 1
    gradient_steps: int = 2


@dataclass(frozen=True)
class DQNOptions(OffPolicyOptions):
    """As in `stable_baselines3.DQN` and `sb3_contrib.QRDQN`, and:

    Attributes:
        masks: the menu to choose from, "spread" or "all"; see `ada3d_gym.envs.codings.MaskMenu`.
    """

    masks: str = "spread"
    exploration_fraction: float = 0.5
    exploration_final_eps: float = 0.05


@dataclass(frozen=True)
class SACOptions(OffPolicyOptions):
    """As in `stable_baselines3.SAC`; the mask is where an action is positive."""

    ent_coef: str = "auto"

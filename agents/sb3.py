"""Stable-Baselines3's algorithms as agents, in epochs that are resumed exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import QRDQN, TRPO
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from ada3d_gym.agents.agent import Agent
from ada3d_gym.agents.figures import MaskWatch, Meter
from ada3d_gym.agents.portable import Portable
from ada3d_gym.agents.sb3_options import (
    A2COptions,
    DQNOptions,
    OnPolicyOptions,
    PPOOptions,
    SACOptions,
    SB3Options,
    TRPOOptions,
)
from ada3d_gym.agents.sb3_schedules import Cosine, Ramp
from ada3d_gym.agents.sb3_sections import Sections
from ada3d_gym.agents.sb3_trunk import count_policy, selection_of, slow_trunk, trunk_kwargs
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.divergence import check_state, during
from ada3d_gym.envs.codings import MaskCoding
from ada3d_gym.errors import DivergedError
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.masks import split_mask
from ada3d_gym.observers import Observation
from ada3d_gym.progress import Progress
from ada3d_gym.sb3 import Ada3DVecEnv, JointFineTuneCallback, SelectionPolicy, policy_kwargs, selection_kwargs
from ada3d_gym.sb3.wrappers import VecCodedAction
from ada3d_gym.seeding import Stream, spawn

_BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


class SB3Agent(Agent):
    """An algorithm of Stable-Baselines3 on `Ada3DVecEnv`.

    SB3 draws from the global generators of torch and NumPy; each epoch seeds them and the order of clips from its own
    stream, so a training resumed after any epoch ends as an unbroken one does.

    Attributes:
        model: the algorithm, as SB3's users know it.
        trainer: of the classifier, in joint epochs.
    """

    algorithm: ClassVar[type[BaseAlgorithm]]
    coding: ClassVar[str | None] = None
    observation = "features"
    trunk_observation = "index"

    def __init__(self, bandit: ClipBandit, options: Any, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        env = Ada3DVecEnv(options.num_envs, bandit)
        self.mask_coding: MaskCoding | None = None
        self.env: VecEnv = env  # without a VecMonitor, whose statistics of episodes nobody reads here
        if self.coding is not None:
            menu = {"masks": options.masks} if isinstance(options, DQNOptions) else {}
            coded = VecCodedAction(env, self.coding, **menu)
            self.mask_coding, self.env = coded.coding, coded
        self.total_epochs = options.epochs + options.joint_epochs
        self._rollout = rollout = options.num_envs * getattr(options, "n_steps", 1)
        videos = len(bandit.source) // bandit.source.views
        self.steps_per_epoch: int = -(-videos // rollout) * rollout
        self._lr = Cosine(options.lr)
        self.model = self._make()
        self.macs = count_policy(self.model, bandit)
        self.trainer: ClassifierTrainer | None = None
        if options.joint_epochs:
            self.trainer = ClassifierTrainer(bandit.classifier, options.classifier_lr)

    @classmethod
    def shown(cls, options: SB3Options) -> Observation:
        return "index" if options.train_trunk else cls.observation

    def _make(self) -> BaseAlgorithm:
        options = self.options
        trunk = {} if options.weights is None else {"weights": options.weights}
        trunk |= trunk_kwargs(self.bandit) if options.train_trunk else {}
        if isinstance(options, OnPolicyOptions):
            policy: Any = SelectionPolicy
            networks = selection_kwargs(self.bandit, **trunk) | {"exploration": options.exploration}
        else:
            policy, networks = "MlpPolicy", policy_kwargs(self.bandit, **trunk) | {"net_arch": list(options.net_arch)}
        model: Any = self.algorithm(
            policy,
            self.env,
            learning_rate=self._lr,
            policy_kwargs=networks,
            seed=_integer(self.seed, Stream.SB3_WEIGHTS),
            device=self.device,
            **options.of_algorithm(),
        )
        if isinstance(options, DQNOptions):  # its own schedule restarts with every learn()
            model.exploration_schedule = Ramp(self._lr, options.exploration_fraction, options.exploration_final_eps)
        if options.train_trunk:
            slow_trunk(model, options.trunk_factor)
        self._losses = _Losses()
        model.set_logger(Logger(None, [self._losses]))
        return model  # type: ignore[no-any-return]

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[Any]:
        actions, _ = self.model.predict(observations, deterministic=deterministic)
        if self.mask_coding is not None:
            return self.mask_coding.decode(actions, batch=(len(observations),))
        return actions.astype(np.int8)

    def portable(self) -> Portable | None:
        return selection_of(self.model, self.bandit)

    @property
    def pulls_per_epoch(self) -> int:
        return self.steps_per_epoch

    def train_epoch(self) -> dict[str, float]:
        total = self.total_epochs * self.steps_per_epoch
        name = f"{self.algorithm.__name__}, epoch {self.epoch + 1} of {self.total_epochs}"
        shown = Progress(self.steps_per_epoch, name, "step", repeated=True)
        with shown, during(self.phase, self.epoch + 1), Sections(self._rollout) as sections:
            watch = _Watch(self, total, shown.add)
            callbacks: list[BaseCallback] = [watch, sections]
            if self.epoch >= self.options.epochs:
                callbacks.append(self._fine_tuning())
            self.model.set_random_seed(_integer(self.seed, Stream.SB3, self.epoch))
            self.model._last_obs = None  # clips of the epoch's own order
            try:
                self.model.learn(self.steps_per_epoch, CallbackList(callbacks), reset_num_timesteps=False)
                self.model.logger.dump()
                return watch.figures() | self._losses.take()
            except (ValueError, RuntimeError) as error:  # torch refuses distributions of what is not finite
                check_state(self.state_dict())
                if "found invalid values" in str(error):  # finite weights may be too large to compute with
                    rate = self._lr(1.0)
                    raise DivergedError(
                        f"the policy's logits are no longer finite at a learning rate of {rate:.3g}"
                    ) from error
                raise

    def _fine_tuning(self) -> BaseCallback:
        options: SB3Options = self.options
        start, length = (count * self.steps_per_epoch for count in (options.epochs, options.joint_epochs))
        return JointFineTuneCallback(
            batch_size=options.classifier_batch,
            steps_per_rollout=options.classifier_steps,
            trainer=self.trainer,
            schedule=lambda steps: (steps - self._rollout - start) / length,  # as it was when the rollout began
            seed=spawn(self.seed, Stream.SB3_CLASSIFIER, self.epoch),
        )

    def state_dict(self) -> dict[str, Any]:
        model: Any = self.model
        _, variables = model._get_torch_save_params()
        state = {
            "epoch": self.epoch,
            "steps": model.num_timesteps,
            "updates": model._n_updates,
            "calls": getattr(model, "_n_calls", 0),
            "parameters": model.get_parameters(),
            "variables": {name: getattr(model, name).detach() for name in variables if hasattr(model, name)},
        }
        if self.trainer is not None:
            state["trainer"] = self.trainer.state_dict()
        if isinstance(model, OffPolicyAlgorithm):
            buffer: Any = model.replay_buffer
            used = buffer.buffer_size if buffer.full else buffer.pos
            state["buffer"] = {name: torch.from_numpy(getattr(buffer, name)[:used]) for name in _BUFFER}
            state["buffer_place"] = [buffer.pos, buffer.full]
        return state

    def load_policy_state(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]
        self.model.policy.load_state_dict(state["parameters"]["policy"])

    def load_state_dict(self, state: dict[str, Any]) -> None:
        model: Any = self.model
        self.epoch, model.num_timesteps, model._n_updates = state["epoch"], state["steps"], state["updates"]
        model._n_calls = state["calls"]
        model.set_parameters(state["parameters"], device=self.device)
        with torch.no_grad():
            for name, value in state["variables"].items():
                getattr(model, name).copy_(value)
        if self.trainer is not None:
            self.trainer.load_state_dict(state["trainer"])
        if "buffer" in state:
            buffer: Any = model.replay_buffer
            for name, values in state["buffer"].items():
                getattr(buffer, name)[: len(values)] = values.numpy()
            buffer.pos, buffer.full = state["buffer_place"]

    def export(self, folder: Path) -> list[Path]:
        """`agent.zip`, as SB3 loads it."""
        self.model.save(folder / "agent.zip", exclude=["_last_obs", "_last_original_obs", "replay_buffer"])
        return [folder / "agent.zip"]


class _Watch(BaseCallback):
    """Figures of an epoch, as REINFORCE gives them; and the schedules' clock."""

    def __init__(self, agent: SB3Agent, total: int, advance: Any):
        super().__init__()
        self._agent, self._total, self._advance = agent, total, advance
        self._meter, self._watch = Meter(), MaskWatch(agent.bandit.source)

    def _on_rollout_start(self) -> None:
        # an update comes after its rollout: counted to the end of it, the last one's learning rate would be zero
        self._agent._lr.done = min(1.0, self.model.num_timesteps / self._total)

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        rewards = np.asarray(self.locals["rewards"])
        self._meter.add(reward=rewards.mean())
        for name in ("correct", "frames", "stages", "macs", *(["regret"] if "regret" in infos[0] else [])):
            value = np.mean([info[name] for info in infos])
            self._meter.add(**({"gmacs": value / 1e9} if name == "macs" else {name: value}))
        self._advance(len(infos))
        return True

    def figures(self) -> dict[str, float]:
        """Means over the steps, and what the greedy masks of up to 512 clips keep."""
        bandit, agent = self._agent.bandit, self._agent
        rng, clips = np.random.default_rng(spawn(agent.seed, Stream.SB3_FIGURES, agent.epoch)), len(bandit.source)
        ids = rng.choice(clips, min(clips, 512), replace=False)  # a permutation of 1,000 views a video takes gigabytes
        ids = bandit.usable(ids)
        u, v = split_mask(agent.act(bandit.observer(ids)), bandit.num_frames, bandit.num_stages)
        self._watch.add(ids, u, v)
        return self._meter.means() | self._watch.figures()


class _Losses(KVWriter):
    """The algorithm's own figures of its updates, of which SB3 writes out the last of every rollout: their means."""

    def __init__(self) -> None:
        self._meter = Meter()

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        for key, value in key_values.items():
            wanted = key.startswith(("train/", "classifier/")) and "tensorboard" not in key_excluded[key]
            if wanted and np.isfinite(value):
                self._meter.add(**{key: value})

    def close(self) -> None: ...

    def take(self) -> dict[str, float]:
        """Those since the last call."""
        means, self._meter = self._meter.means(), Meter()
        return means


def _integer(seed: int, *key: int) -> int:
    return int(spawn(seed, *key).generate_state(1)[0])


class PPOAgent(SB3Agent):
    """PPO with the paper's two heads."""

    Options, algorithm = PPOOptions, PPO


class A2CAgent(SB3Agent):
    """A2C with the paper's two heads."""

    Options, algorithm = A2COptions, A2C


class TRPOAgent(SB3Agent):
    """TRPO with the paper's two heads."""

    Options, algorithm = TRPOOptions, TRPO


class DQNAgent(SB3Agent):
    """DQN on a menu of masks."""

    Options, algorithm, coding = DQNOptions, DQN, "discrete"


class QRDQNAgent(SB3Agent):
    """Quantile regression DQN on a menu of masks."""

    Options, algorithm, coding = DQNOptions, QRDQN, "discrete"


class SACAgent(SB3Agent):
    """SAC, its actions cut off at zero."""

    Options, algorithm, coding = SACOptions, SAC, "box"

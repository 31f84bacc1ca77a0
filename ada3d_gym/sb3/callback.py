"""Joint fine-tuning (the paper's second stage) beside any algorithm of Stable-Baselines3."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.precision import Precision
from ada3d_gym.seeding import Stream, spawn


class JointFineTuneCallback(BaseCallback):
    """Trains the environment's classifier on the clips and masks of each rollout (Eq. 8, Algorithm 1).

    The classifier is trained in place, and its inference form is made anew before the next step, so rewards always come
    from the network as it is. It works with every face and wrapper, as long as all environments share one bandit. An
    `EvalCallback` beside it needs an environment with the same classifier:
    `make_vec(…, classifier=env.bandit.classifier)`; a warning names one that has not.

    Args:
        lr: of the classifier's SGD; a cosine takes it to zero over the training.
        batch_size: clips in a gradient step.
        steps_per_rollout: gradient steps after each rollout; by default as many as take each of its clips once.
        freeze_batch_norm: see `ClassifierTrainer`.
        precision: of the classifier's passes, see `ClassifierTrainer`.
        trainer: instead of one made from lr, freeze_batch_norm and precision; as after a resume.
        schedule: from the number of steps to the share of the training done, in [0, 1], for the cosine; by default what
            SB3 takes as the length of the training, which is one `learn()`.
        seed: of the choice of clips.
        verbose: as in SB3.
    """

    def __init__(
        self,
        lr: float = 0.01,
        batch_size: int = 32,
        steps_per_rollout: int | None = None,
        *,
        freeze_batch_norm: bool = True,
        precision: Precision | None = None,
        trainer: ClassifierTrainer | None = None,
        schedule: Callable[[int], float] | None = None,
        seed: int | np.random.SeedSequence = 0,
        verbose: int = 0,
    ):
        super().__init__(verbose)
        if batch_size < 1:
            raise InputError(f"batch_size={batch_size}: expected at least 1")
        if steps_per_rollout is not None and steps_per_rollout < 1:
            raise InputError(f"steps_per_rollout={steps_per_rollout}: expected at least 1, or None")
        self.lr, self.freeze_batch_norm, self.precision, self.trainer = lr, freeze_batch_norm, precision, trainer
        self.batch_size, self.steps_per_rollout = batch_size, steps_per_rollout
        self._schedule = schedule or self._share_of_this_training
        self._rng = np.random.default_rng(spawn(seed, Stream.SB3_CLASSIFIER) if isinstance(seed, int) else seed)
        self._pulled: list[tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]] = []
        self._began, self._warned = 0, False

    @property
    def bandit(self) -> ClipBandit:
        """The training environment's."""
        bandit: ClipBandit = self.training_env.get_attr("bandit")[0]
        return bandit

    def _on_training_start(self) -> None:
        bandits = _bandits(self.training_env)
        if bandits is None or any(each is not bandits[0] for each in bandits):
            raise InputError(
                "the environments have a classifier each: train on ada3d_gym.sb3.Ada3DVecEnv, or give all one bandit"
            )
        self._check_evaluations()
        if self.trainer is None:
            self.trainer = ClassifierTrainer(
                self.bandit.classifier,
                self.lr,
                freeze_batch_norm=self.freeze_batch_norm,
                precision=self.precision,
            )
        self._pulled.clear()
        self.bandit.on_pull = self._note

    def _check_evaluations(self) -> None:
        """Warns, once, of an `EvalCallback` of this training that judges something else than what is trained."""
        mine, problem = self.bandit, ""
        for callback in _below(self.locals.get("callback")):
            if isinstance(callback, EvalCallback):
                others = _bandits(callback.eval_env)
                if others is None or any(_network(each) is not _network(mine) for each in others):
                    problem = "has a classifier of its own, which joint fine-tuning does not train"
                elif mine in others:
                    problem = "shares the training environment's bandit, so the classifier is trained on what it judges"
        if problem and not self._warned:
            self._warned = True
            warnings.warn(
                f"the environment of EvalCallback {problem}: make it with classifier=env.bandit.classifier of the "
                "training environment (as make_vec and gym.make take it), in this process",
                stacklevel=2,
            )

    def _note(self, ids: NDArray[np.int64], u: NDArray[np.bool_], v: NDArray[np.bool_]) -> None:
        self._pulled.append((ids, u, v))

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        """Rollouts of less than a batch (off-policy algorithms step after each) add up to one first."""
        count = sum(len(ids) for ids, _, _ in self._pulled)
        if count < self.batch_size:
            return
        ids, u, v = (np.concatenate(parts) for parts in zip(*self._pulled, strict=True))
        self._pulled.clear()
        assert self.trainer is not None
        self.trainer.set_progress(min(1.0, self._schedule(self.num_timesteps)))
        steps = self.steps_per_rollout or count // self.batch_size
        rounds = -(-steps * self.batch_size // (count - count % self.batch_size))
        order = [self._rng.permutation(count)[: count - count % self.batch_size] for _ in range(rounds)]
        source, losses = self.bandit.source, []
        for rows in np.concatenate(order).reshape(-1, self.batch_size)[:steps]:
            clips, targets = source.clips(ids[rows]), source.targets(ids[rows])
            losses.append(self.trainer.step(clips, u[rows], v[rows], targets))
        self.logger.record("classifier/loss", float(np.mean(losses)))
        self.logger.record("classifier/learning_rate", self.trainer.optimizer.param_groups[0]["lr"])

    def _on_rollout_start(self) -> None:
        self._began = self.model.num_timesteps

    def _share_of_this_training(self, steps: int) -> float:
        """Of when the rollout began: counted to its end, the last one's learning rate would be zero."""
        return self._began / max(1, self.model._total_timesteps)  # SB3 has no public name for it

    def _on_training_end(self) -> None:
        self.bandit.on_pull = None

    def save(self, folder: Path) -> None:
        """Writes the agent and the classifier it was trained with: `agent.zip` and `classifier.safetensors`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(folder / "agent.zip", exclude=["_last_obs"])  # megabytes of pixels, drawn anew on loading
        assert self.trainer is not None, "there is nothing to save before training"
        save_weights(self.trainer.classifier.network, folder / "classifier.safetensors")


def _bandits(env: VecEnv) -> list[ClipBandit] | None:
    """Those of all environments, whatever is wrapped around them; None where they are in other processes."""
    if isinstance(env.unwrapped, SubprocVecEnv):
        return None
    try:
        return env.get_attr("bandit")
    except AttributeError:
        return []


def _network(bandit: ClipBandit) -> object:
    return getattr(bandit.classifier, "network", bandit.classifier)


def _below(callback: Any) -> Iterator[BaseCallback]:
    """A callback and all that it calls."""
    if not isinstance(callback, BaseCallback):
        return
    yield callback
    inner = [getattr(callback, name, None) for name in ("callback", "callback_on_new_best")]
    for each in [*inner, *getattr(callback, "callbacks", [])]:
        yield from _below(each)

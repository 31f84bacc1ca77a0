"""Training in pieces: a checkpoint and TensorBoard figures each epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from torch.utils.tensorboard import SummaryWriter

from ada3d_gym import parallel
from agents.agent import OnEpoch
from agents.states import load_state, save_state


class Learner(Protocol):
    """What `train_to` trains."""

    epoch: int

    def learn(self, until: int, on_epoch: OnEpoch) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def train_to(folder: Path, name: str, learner: Learner, until: int) -> None:
    """Trains up to an epoch, from the last checkpoint, with a checkpoint and TensorBoard figures each epoch.

    Of several processes, the first writes them.
    """
    path = folder / f"{name}.pt"
    if learner.epoch == 0 and (state := load_state(path)):
        learner.load_state_dict(state)
    if parallel.rank() > 0:
        learner.learn(until, lambda epoch, figures: None)
        return
    with SummaryWriter(str(folder / "tensorboard" / name)) as writer:

        def on_epoch(epoch: int, figures: dict[str, float]) -> None:
            save_state(path, learner.state_dict())
            for key, value in figures.items():
                writer.add_scalar(key, value, epoch)
            shown = ", ".join(f"{key} {value:.3g}" for key, value in figures.items())
            print(f"{name} epoch {epoch}: {shown}", flush=True)

        learner.learn(until, on_epoch)

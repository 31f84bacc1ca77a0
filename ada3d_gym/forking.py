"""What PyTorch needs in processes that were forked off one that has used it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ada3d_gym.errors import InputError

if TYPE_CHECKING:
    import torch


def prepare_forks() -> None:
    """Makes forked processes compute on one thread, as PyTorch's own data loader does.

    GNU OpenMP's threads do not survive a fork: a child that wants more than one waits for ever once its parent has used
    them. `torch.set_num_threads` may be called in the child where the parent has not.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(after_in_child=_use_one_thread)


def _use_one_thread() -> None:
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def check_device(device: torch.device) -> None:
    """Raises ValueError for a GPU in a process that was forked off one that uses it, where CUDA does not work."""
    import torch

    if device.type == "cuda" and torch.cuda._is_in_bad_fork():
        raise InputError(
            f"device={str(device)!r} cannot be used in a process forked off one that uses it: start processes with "
            'spawn, as vector_kwargs={"context": "spawn"} of gym.make_vec and start_method="spawn" of SubprocVecEnv do'
        )

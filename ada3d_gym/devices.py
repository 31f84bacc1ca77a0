"""Where networks can run on this machine."""

from __future__ import annotations

import torch

from ada3d_gym.errors import InputError


def checked_device(name: str) -> str:
    """The name of a device that this machine has.

    Raises:
        InputError: for any other.
    """
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise InputError(f"unknown device {name!r}: expected cpu, cuda, cuda:N or mps") from None
    gpus = torch.cuda.device_count()
    if device.type == "cuda" and not gpus:
        raise InputError(f"device {name!r}: PyTorch finds no CUDA GPU on this machine; cpu works everywhere")
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise InputError(f"device {name!r}: this machine has {gpus} GPU{'s'[: gpus > 1]}, from cuda:0 on")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"device {name!r}: PyTorch finds no Apple GPU on this machine; cpu works everywhere")
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"device {name!r} is not supported: expected cpu, cuda, cuda:N or mps")
    return name

"""In which floating-point format networks compute."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from ada3d_gym.errors import InputError

Precision = Literal["float32", "bfloat16", "float16"]


def dtype_of(precision: str) -> torch.dtype:
    """The PyTorch dtype of a precision's name.

    Raises:
        InputError: for another name.
    """
    if precision not in get_args(Precision):
        raise InputError(f"precision={precision!r}: expected one of {', '.join(get_args(Precision))}")
    dtype: torch.dtype = getattr(torch, precision)
    return dtype


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which a forward pass of float32 weights computes in `precision`; float32 leaves it as it is."""
    dtype = dtype_of(precision)
    return torch.autocast(device.type, torch.bfloat16 if dtype == torch.float32 else dtype, dtype != torch.float32)


def gradient_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """What keeps small gradients of float16 passes from becoming zero; does nothing for the other precisions."""
    return torch.amp.GradScaler(device.type, enabled=dtype_of(precision) == torch.float16)

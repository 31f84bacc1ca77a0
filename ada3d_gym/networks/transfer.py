"""Copies between the host and the device that networks run on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_device(values: Tensor | NDArray[np.generic], device: torch.device | str) -> Tensor:
    """The values on a device; themselves, uncopied, where that is the CPU.

    To a GPU they go through page-locked memory, so that the host goes on while they are copied.
    """
    tensor, device = torch.as_tensor(values), torch.device(device)
    if device.type == "cuda" and tensor.is_cpu:
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def all_to_device(arrays: Sequence[NDArray[np.int64]], device: torch.device | str) -> list[Tensor]:
    """Arrays (n,) of int64 on a device, in one copy."""
    return list(to_device(np.concatenate(arrays), device).split([len(each) for each in arrays]))


def fetched(columns: Sequence[Tensor]) -> list[NDArray[np.float32]]:
    """Values (B, …) on one device as float32 arrays, in one copy, which waits for all that was asked of the device."""
    columns = [column.float() for column in columns]
    if len(columns) == 1 or columns[0].is_cpu:
        return [column.cpu().numpy() for column in columns]
    flat = torch.cat([column.flatten(1) for column in columns], 1).cpu()
    parts = flat.split([column[0].numel() for column in columns], 1)
    return [part.reshape(column.shape).numpy() for part, column in zip(parts, columns, strict=True)]


def masks_as_arrays(masks: tuple[Tensor, Tensor]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks u (B, T) and v (B, K) bool from wherever they were computed, in one copy."""
    frames = masks[0].shape[1]
    bits = torch.cat(masks, 1).cpu().numpy()
    return np.ascontiguousarray(bits[:, :frames]), np.ascontiguousarray(bits[:, frames:])

"""The action: one flat mask of T frame bits, then K stage bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ada3d_gym.errors import InputError


class ActionError(InputError):
    """An action that is not a mask of zeros and ones of the right length."""


def split_mask(
    action: ArrayLike, num_frames: int, num_stages: int, batch: tuple[int, ...] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Frame masks (..., T) bool and stage masks (..., K) bool of flat masks (..., T + K).

    Any real dtype is taken, since agents send int8, bool and float32 alike, but only the values 0 and 1.

    Args:
        action: the masks.
        num_frames, num_stages: T and K.
        batch: the shape that `...` must have; any by default.

    Raises:
        ActionError: for another length, dtype or value.
    """
    expected = f"expected {num_frames} frame bits and {num_stages} stage bits, each 0 or 1"
    if batch:
        expected += f", for each of {'x'.join(map(str, batch))} environments"
    try:
        array: NDArray[Any] = np.asarray(action)
    except ValueError as error:
        raise ActionError(f"action of uneven length: {expected}") from error
    if array.dtype.kind not in "biuf":
        raise ActionError(f"action of dtype {array.dtype}: {expected}")
    wrong = array.ndim == 0 or array.shape[-1] != num_frames + num_stages
    if wrong or (batch is not None and array.shape[:-1] != batch):
        raise ActionError(f"action of shape {array.shape}: {expected}")
    kept = array == 1
    bad = array[~kept & (array != 0)]  # catches NaN too
    if bad.size:
        raise ActionError(f"action holds {bad.flat[0]}: {expected}")
    return kept[..., :num_frames], kept[..., num_frames:]


def join_mask(u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The inverse of `split_mask`, as int8."""
    return np.concatenate([u, v], axis=-1).astype(np.int8)


def mask_text(mask: NDArray[Any]) -> str:
    """A mask (T + K,) as zeros and ones."""
    return "".join(str(int(bit)) for bit in mask)


def read_mask(text: str, num_frames: int, num_stages: int, name: str = "mask") -> NDArray[np.int8]:
    """The mask (T + K,) of such a text, as an option called `name` holds it.

    Raises:
        InputError: for another length, other letters, or no frame.
    """
    if len(text) != num_frames + num_stages or set(text) - set("01") or "1" not in text[:num_frames]:
        expected = f"expected {num_frames} frame bits, not all of them 0, then {num_stages} stage bits"
        raise InputError(f"{name}={text!r}: {expected}")
    return np.array([letter == "1" for letter in text], np.int8)


def all_masks(num_frames: int, num_stages: int) -> NDArray[np.int8]:
    """All masks (2^(T + K), T + K) in the order of their numbers; the first 2^K keep no frame."""
    length = num_frames + num_stages
    return (np.arange(2**length)[:, None] >> np.arange(length)[::-1] & 1).astype(np.int8)


def all_mask_bits(num_frames: int, num_stages: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The same as frame masks (2^(T + K), T) and stage masks (2^(T + K), K)."""
    return split_mask(all_masks(num_frames, num_stages), num_frames, num_stages)


def mask_numbers(u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The numbers (...) of frame masks (..., T) and stage masks (..., K): their bits read as binary, u before v.

    The first frame's bit is worth most, 2^(T + K - 1), and the last stage's 1.
    """
    num_frames, num_stages = u.shape[-1], v.shape[-1]
    frames = 1 << np.arange(num_frames + num_stages - 1, num_stages - 1, -1)
    numbers: NDArray[np.int64] = u @ frames + v @ (1 << np.arange(num_stages - 1, -1, -1))
    return numbers

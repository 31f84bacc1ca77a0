"""Codings: other action spaces for the same masks, for agents that cannot act in `MultiBinary(T + K)`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.masks import ActionError, all_masks, join_mask, split_mask

Masks = NDArray[np.int8]

MENU_LIMIT = 8192
"""The largest menu of masks made without being asked for by its masks; T = 8, K = 5 has 8,160."""


class MaskCoding(ABC):
    """Actions of some space, each standing for one flat mask of T frame bits, then K stage bits.

    A coding holds no state, so one may serve many environments, and can be pickled.

    Attributes:
        space: the space of one action.
        expected: what an action is, in words, for errors.
        num_frames, num_stages: T and K.
    """

    space: spaces.Space[Any]
    expected: str

    def __init__(self, num_frames: int, num_stages: int):
        if num_frames < 1 or num_stages < 0:
            raise InputError(f"no masks have num_frames={num_frames} and num_stages={num_stages}")
        self.num_frames, self.num_stages = num_frames, num_stages

    @property
    def length(self) -> int:
        """T + K."""
        return self.num_frames + self.num_stages

    def decode(self, actions: ArrayLike, batch: tuple[int, ...] | None = None) -> Masks:
        """Masks (..., T + K) int8 of actions `(..., *space.shape)`, of any real dtype.

        Args:
            actions: one action, or any array of them.
            batch: the leading shape to insist on, () for one action; any if None.

        Raises:
            ActionError: for another shape or dtype, and for values outside `space`.
        """
        try:
            array: NDArray[Any] = np.asarray(actions)
        except ValueError as error:
            raise ActionError(f"action of uneven length: expected {self.expected}") from error
        if array.dtype.kind not in "biuf":
            raise ActionError(f"action of dtype {array.dtype}: expected {self.expected}")
        own = self.space.shape or ()
        leading = array.shape[: max(0, array.ndim - len(own))]
        if array.shape[len(leading) :] != own or (batch is not None and leading != batch):
            times = f", for each of {'x'.join(map(str, batch))} environments" if batch else ""
            raise ActionError(f"action of shape {array.shape}: expected {self.expected}{times}")
        bad = array[~self._valid(array)]
        if bad.size:
            raise ActionError(f"action holds {bad.flat[0]}: expected {self.expected}")
        return self._decode(array)

    def encode(self, masks: ArrayLike) -> NDArray[Any]:
        """The inverse of `decode`: actions `(..., *space.shape)`, in the dtype of `space`, of masks (..., T + K).

        Raises:
            ActionError: for what is not a mask, and for a mask that no action stands for.
        """
        return self._encode(join_mask(*split_mask(masks, self.num_frames, self.num_stages)))

    @abstractmethod
    def _valid(self, actions: NDArray[Any]) -> NDArray[np.bool_]:
        """Which numbers are in `space`; NaN is not."""

    @abstractmethod
    def _decode(self, actions: NDArray[Any]) -> Masks: ...

    @abstractmethod
    def _encode(self, masks: Masks) -> NDArray[Any]: ...

    def _named(self, mask: Masks) -> str:
        bits = "".join(map(str, mask))
        return f"mask {bits[: self.num_frames]} {bits[self.num_frames :]} (frames, stages)"


class MaskMenu(MaskCoding):
    """`Discrete(N)`, for DQN and its kin: the action is the index of one of N masks.

    Args:
        num_frames, num_stages: T and K.
        masks: "all" masks that keep a frame, counted in binary: action 0 keeps the last frame alone, the last action
            everything. "spread": for n = 1 … T, the n frames of `spread` with each of the 2^K stage masks, counted in
            binary. Or masks of your own (N, T + K), all different.

    Raises:
        ValueError: for "all" or "spread" of more than `MENU_LIMIT` masks, and for masks of your own that are none or
            repeat; an `ActionError`, which is one, where they are not masks.

    Attributes:
        masks: the menu (N, T + K) int8, read-only.
    """

    space: spaces.Discrete

    def __init__(self, num_frames: int, num_stages: int, masks: str | ArrayLike = "all"):
        super().__init__(num_frames, num_stages)
        if isinstance(masks, str):
            self.masks = self._made(masks)
        else:
            self.masks = join_mask(*split_mask(masks, num_frames, num_stages))
        if self.masks.ndim != 2 or not len(self.masks):
            raise InputError(
                f"masks of shape {self.masks.shape} are no menu: expected at least one row of {self.length}"
            )
        self.masks.setflags(write=False)
        keys = self._keys(self.masks)
        self._order = keys.argsort(kind="stable")
        self._sorted = keys[self._order]
        repeated = self._order[1:][self._sorted[1:] == self._sorted[:-1]]
        if len(repeated):
            raise InputError(f"{self._named(self.masks[repeated[0]])} is in the menu more than once")
        self.space = spaces.Discrete(len(self.masks))
        self.expected = f"an integer from 0 to {len(self.masks) - 1}"

    def _made(self, kind: str) -> Masks:
        if kind not in ("all", "spread"):
            raise InputError(f"unknown menu {kind!r}: expected 'all', 'spread' or an array of masks")
        frame_masks = 2**self.num_frames - 1 if kind == "all" else self.num_frames
        if (count := frame_masks * 2**self.num_stages) > MENU_LIMIT:
            smaller = "masks='spread', masks of your own, " if kind == "all" else "masks of your own, "
            raise InputError(
                f"{kind!r} of {self.num_frames} frames and {self.num_stages} stages is {count:,} masks, more than the "
                f"{MENU_LIMIT:,} of a menu: use {smaller}or another coding (multi_discrete, box)"
            )
        if kind == "all":
            frames = all_masks(self.num_frames, 0)[1:]
        else:
            frames = np.zeros((self.num_frames, self.num_frames), np.int8)
            for kept in range(1, self.num_frames + 1):
                frames[kept - 1, spread(self.num_frames, kept)] = 1
        stages = all_masks(0, self.num_stages)
        return np.concatenate([np.repeat(frames, len(stages), 0), np.tile(stages, (len(frames), 1))], 1)

    def _valid(self, actions: NDArray[Any]) -> NDArray[np.bool_]:
        whole = np.floor(actions.astype(np.float64)) == actions
        return np.asarray(whole & (actions >= 0) & (actions < len(self.masks)))

    def _decode(self, actions: NDArray[Any]) -> Masks:
        return np.array(self.masks[actions.astype(np.int64)])

    def _encode(self, masks: Masks) -> NDArray[np.int64]:
        keys = self._keys(masks)
        places = self._sorted.searchsorted(keys).clip(max=len(self._sorted) - 1)
        missing = masks[self._sorted[places] != keys]
        if len(missing):
            raise ActionError(f"{self._named(missing[0])} is not in this menu of {len(self.masks):,} masks")
        actions: NDArray[np.int64] = self._order[places]
        return actions

    @staticmethod
    def _keys(masks: Masks) -> NDArray[np.bytes_]:
        """A number of bytes for each mask (...), since beyond 63 bits no integer holds them."""
        packed = np.ascontiguousarray(np.packbits(masks.astype(np.bool_), axis=-1))
        return packed.view(f"S{packed.shape[-1]}")[..., 0]


class BinaryChoices(MaskCoding):
    """`MultiDiscrete([2] * (T + K))`, for libraries without MultiBinary (RLlib): the same bits by another name."""

    space: spaces.MultiDiscrete

    def __init__(self, num_frames: int, num_stages: int):
        super().__init__(num_frames, num_stages)
        self.space = spaces.MultiDiscrete([2] * self.length)
        self.expected = f"{num_frames} frame bits and {num_stages} stage bits, each 0 or 1"

    def _valid(self, actions: NDArray[Any]) -> NDArray[np.bool_]:
        return np.isin(actions, (0, 1))

    def _decode(self, actions: NDArray[Any]) -> Masks:
        return actions.astype(np.int8)

    def _encode(self, masks: Masks) -> NDArray[np.int64]:
        return masks.astype(np.int64)


class Thresholded(MaskCoding):
    """`Box(-1, 1, (T + K,), float32)`, for SAC and TD3: numbers above 0 keep, 0 and below drop."""

    space: spaces.Box

    def __init__(self, num_frames: int, num_stages: int):
        super().__init__(num_frames, num_stages)
        self.space = spaces.Box(-1, 1, (self.length,), np.float32)
        self.expected = f"{num_frames} frame numbers and {num_stages} stage numbers, each from -1 to 1"

    def _valid(self, actions: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray((actions >= -1) & (actions <= 1))

    def _decode(self, actions: NDArray[Any]) -> Masks:
        return (actions > 0).astype(np.int8)

    def _encode(self, masks: Masks) -> NDArray[np.float32]:
        return masks.astype(np.float32) * 2 - 1


class FrameBudget(MaskCoding):
    """`MultiBinary(T + K)` still, but whatever the mask, so many frames are kept and no others.

    Too many: as many as allowed of the kept ones, evenly spread among them (`spread`). Too few: one by one, the dropped
    frame farthest from any kept one comes back, the earliest of several; a mask without frames gets `spread` ones.
    A mask within the budget stays as it is, and so do all stages. `encode` gives such masks back and refuses others.

    Args:
        num_frames, num_stages: T and K.
        at_least, at_most: the budget, 0 to T; the same number twice keeps exactly so many.

    Raises:
        ValueError: unless 0 <= at_least <= at_most <= T and 1 <= at_most.
    """

    space: spaces.MultiBinary

    def __init__(self, num_frames: int, num_stages: int, *, at_least: int = 0, at_most: int | None = None):
        super().__init__(num_frames, num_stages)
        self.at_least, self.at_most = at_least, num_frames if at_most is None else at_most
        if not 0 <= self.at_least <= self.at_most <= num_frames or self.at_most == 0:
            raise InputError(
                f"at_least={at_least}, at_most={at_most} is no budget of {num_frames} frames: "
                f"expected 0 <= at_least <= at_most <= {num_frames} and 1 <= at_most"
            )
        self.space = spaces.MultiBinary(self.length)
        self.expected = f"{num_frames} frame bits and {num_stages} stage bits, each 0 or 1"

    def _valid(self, actions: NDArray[Any]) -> NDArray[np.bool_]:
        return np.isin(actions, (0, 1))

    def _decode(self, actions: NDArray[Any]) -> Masks:
        masks = np.array(actions, np.int8, order="C")
        u = masks.reshape(-1, self.length)[:, : self.num_frames]  # a view: what is set here is set in `masks`
        kept = u.sum(1, keepdims=True)
        ranks = np.where(u, u.cumsum(1) - 1, -1)  # of each kept frame among the kept
        chosen = spread(kept, self.at_most)  # (B, at_most)
        u &= (kept <= self.at_most) | (ranks[:, :, None] == chosen[:, None]).any(2)
        if self.at_least:
            u[np.ix_(~u.any(1), spread(self.num_frames, self.at_least))] = 1
        frames = np.arange(self.num_frames)
        between = abs(frames[:, None] - frames)
        for _ in range(self.at_least - 1):
            short = np.flatnonzero(u.sum(1) < self.at_least)
            distance = np.where(u[short, None], between, self.num_frames).min(2)  # to the nearest kept (B, T)
            u[short, distance.argmax(1)] = 1
        return masks

    def _encode(self, masks: Masks) -> Masks:
        rows = masks.reshape(-1, self.length)
        kept = rows[:, : self.num_frames].sum(1)
        beyond = np.flatnonzero((kept < self.at_least) | (kept > self.at_most))
        if len(beyond):
            raise ActionError(
                f"{self._named(rows[beyond[0]])} keeps {kept[beyond[0]]} frames: "
                f"expected {self.at_least} to {self.at_most}"
            )
        return masks


CODINGS: dict[str, Callable[..., MaskCoding]] = {
    "discrete": MaskMenu,
    "multi_discrete": BinaryChoices,
    "box": Thresholded,
    "frame_budget": FrameBudget,
}


def spread(num_frames: int | NDArray[np.int64], kept: int) -> NDArray[np.int64]:
    """The middle frames (kept,) of `kept` equal parts of `num_frames` frames: evenly spread, for 1 <= kept <= T.

    Of several numbers of frames (B, 1), those of each (B, kept).
    """
    return (2 * np.arange(kept) + 1) * num_frames // (2 * kept)

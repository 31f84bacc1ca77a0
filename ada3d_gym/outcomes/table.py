"""The outcome table: for every clip and every mask, whether the classifier is right, and how sure it is.

A mask's number is its bits read as binary, frames before stages, the first frame's bit worth most
(`ada3d_gym.masks.mask_numbers`). There are M = 2^(T + K) of them; the first 2^K keep no frame and are wrong.

A table is a safetensors file, NAME.safetensors, that is mapped into memory. Beside it may lie its parts, one file each,
NAME.PART.safetensors, for what takes more room than one bit a cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.outcomes.description import Description
from ada3d_gym.outcomes.soundness import problem_of
from ada3d_gym.outcomes.storage import TableError, digest_of, part_path, read_arrays, write_arrays

MOST_BITS = 16  # T + K of a table at the most; a mask's number then fits 16 bits
CLOSE = 0.002  # top-1 minus top-2 below which a cell's margin is kept in the table itself
NEAR_TIE = 1e-3  # below it, another order of summation may turn an answer around
COARSE = 10  # times as much in half precision

PARTS = {
    "prediction": "the predicted class, uint8 or uint16",
    "confidence": "the probability of the predicted class, float16",
    "label": "the probability of the clip's labels together, float16; reward='confidence' needs it",
    "label_margin": "the labels' largest probability minus the largest other, float16; reward='margin' needs it",
    "margin": "top-1 minus top-2 probability, float16",
}

NEEDED_PARTS = {"confidence": "label", "margin": "label_margin"}
"""The part that each shaping of the reward looks at; "accuracy" needs none."""


class OutcomeTable:
    """What a classifier answers on N clips under M masks.

    Args:
        about: what the table is of.
        arrays: by name:
            "correct": (N, ceil(M / 8)) uint8; the bit of mask m is `correct[n, m // 8] >> (7 - m % 8) & 1`;
            "macs": (M,) int64 multiply-accumulates of the classifier for a clip;
            "clip": (N,) int64 clip ids, rising; clips that could not be decoded are not there;
            "label", "label_start": labels of row n are `label[label_start[n] : label_start[n + 1]]`, int32 and int64;
            "family": (N,) uint8, counts through `about.families`;
            "video": (videos, 16) uint8, the start of the SHA-256 of what is known of each video;
            "close_start", "close_mask", "close_margin": masks of row n whose top-1 minus top-2 probability is less than
            `CLOSE`, rising, are `close_mask[close_start[n] : close_start[n + 1]]`; int64, uint16 and float16;
            "optimum": (len(about.optima), N) uint16, the number of the best mask of each clip (the first of several).
        path: its file, beside which its parts lie; None for one in memory.
        parts: those in memory, (N, M) each.
    """

    def __init__(
        self,
        about: Description,
        arrays: Mapping[str, NDArray[Any]],
        path: Path | None = None,
        parts: Mapping[str, NDArray[Any]] | None = None,
    ):
        self.about, self.arrays, self.path = about, dict(arrays), path
        self._parts = dict(parts or {})

    def __len__(self) -> int:
        """N, the number of clips."""
        return len(self.arrays["correct"])

    def __reduce__(self) -> Any:
        return super().__reduce__() if self.path is None else (load_table, (self.path,))  # copies share what is mapped

    @property
    def num_frames(self) -> int:
        """T."""
        return self.about.num_frames

    @property
    def num_stages(self) -> int:
        """K."""
        return len(self.about.stage_names)

    @property
    def num_masks(self) -> int:
        """M = 2^(T + K)."""
        return len(self.macs)

    @property
    def macs(self) -> NDArray[np.int64]:
        """(M,)."""
        return self.arrays["macs"]

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """(N,), each row's first."""
        first: NDArray[np.int32] = self.arrays["label"][self.arrays["label_start"][:-1]]
        return first

    def targets(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """All labels (B, C) of rows (B,)."""
        start = self.arrays["label_start"]
        counts = start[rows + 1] - start[rows]
        places = np.arange(counts.sum()) + np.repeat(start[rows] - counts.cumsum() + counts, counts)
        targets = np.zeros((len(rows), len(self.about.class_names)), np.bool_)
        targets[np.repeat(np.arange(len(rows)), counts), self.arrays["label"][places]] = True
        return targets

    @property
    def families(self) -> NDArray[np.str_]:
        """(N,) names."""
        names: NDArray[np.str_] = np.array(self.about.families)[self.arrays["family"]]
        return names

    @cached_property
    def _row_of(self) -> NDArray[np.int64]:
        rows = np.full(self.about.videos * self.about.views, -1)
        rows[self.arrays["clip"]] = np.arange(len(self))
        return rows

    def rows(self, clips: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows (B,) of clip ids.

        Raises:
            TableError: for a clip that is not in the table.
        """
        if len(clips) and not 0 <= clips.min() <= clips.max() < len(self._row_of):
            raise TableError(f"{self.name} has clips 0 to {len(self._row_of) - 1}, and was asked for {clips.min()}")
        rows = self._row_of[clips]
        if len(missing := clips[rows < 0]):
            raise TableError(f"{self.name} has no clip {missing[0]}, which could not be decoded when it was made")
        return rows

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.path or "the table")

    def correct(self, rows: NDArray[np.int64], masks: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the answers on rows (...) under masks of these numbers (...) are right."""
        bits = self.arrays["correct"][rows, masks >> 3] >> (7 - (masks & 7)).astype(np.uint8) & 1
        found: NDArray[np.bool_] = bits.astype(np.bool_)
        return found

    def all_correct(self, rows: NDArray[np.int64] | slice) -> NDArray[np.bool_]:
        """The same (B, M) under every mask."""
        bits = np.unpackbits(self.arrays["correct"][rows], axis=1, count=self.num_masks)
        return bits.view(np.bool_)

    def part(self, name: str) -> NDArray[Any]:
        """The cells (N, M) of one of `PARTS`, mapped into memory.

        Raises:
            TableError: naming the file that should hold it, where that is not there or not of this table.
        """
        if name not in self._parts:
            if self.path is None:
                raise TableError(f"this table holds no {name!r} ({PARTS[name]}): build it with parts=({name!r},)")
            path = part_path(self.path, name)
            if not path.exists():
                command = self.about.command or "ada3d tabulate …"
                again = f". '{command} --parts {name}' makes a table with it, to be given as outcomes=FILE"
                raise TableError(f"{self.path} does not hold {name!r} ({PARTS[name]}): {path} would{again}")
            about, arrays = read_arrays(path)
            if (about.get("part"), about.get("of")) != (name, self.identity) or "cells" not in arrays:
                raise TableError(f"{path} is not the part {name!r} of {self.path}: it belongs to another table")
            cells, kinds = arrays["cells"], "u" if name == "prediction" else "f"
            if cells.shape != (len(self), self.num_masks) or cells.dtype.kind != kinds:
                raise TableError(
                    f"{path}: cells {cells.dtype} of shape {cells.shape}, expected {(len(self), self.num_masks)}; copy "
                    "or make it again, with 'ada3d tabulate'"
                )
            self._parts[name] = cells
        return self._parts[name]

    @cached_property
    def identity(self) -> str:
        """SHA-256 of what the table is of: classifier, clips, and its answers."""
        return digest_of([self.about.classifier_sha256, self.about.clips_sha256], {"correct": self.arrays["correct"]})

    def is_near_tie(
        self, rows: NDArray[np.int64], masks: NDArray[np.int64], tolerance: float | None = None
    ) -> NDArray[np.bool_]:
        """Whether cells (B,) have a margin below a tolerance: a live answer may be another there.

        It is `NEAR_TIE` by default, `COARSE` times that in half precision, and twice that at the most.
        """
        tolerance = NEAR_TIE * coarseness(self.about.dtype) if tolerance is None else tolerance
        start, close, margins = (self.arrays[f"close_{key}"] for key in ("start", "mask", "margin"))
        found = np.zeros(len(rows), np.bool_)
        for place, (row, mask) in enumerate(zip(rows.tolist(), masks.tolist(), strict=True)):
            first, last = start[row], start[row + 1]
            at = first + np.searchsorted(close[first:last], mask)
            found[place] = at < last and close[at] == mask and margins[at] < tolerance
        return found

    def save(self, path: Path) -> None:
        """Writes the table, and the parts that it has in memory, whole or not at all.

        Raises:
            OutputError: as `ada3d_gym.files.replacing` does.
        """
        write_arrays(path, {"about": asdict(self.about)}, self.arrays)
        for name, cells in self._parts.items():
            write_arrays(part_path(path, name), {"part": name, "of": self.identity}, {"cells": cells})

    def verify(self) -> None:
        """Looks at the checksum of the file and of each part that is there, however large.

        Raises:
            TableError: naming the file that is damaged.
        """
        if self.path is not None:
            for path in (self.path, *(part_path(self.path, name) for name in PARTS)):
                if path.exists():
                    read_arrays(path, checked=True)


def coarseness(dtype: str) -> int:
    """How many times the margins are of a near-tie in float32, for weights and activations of this dtype."""
    return 1 if dtype in ("float32", "float64") else COARSE


def check_bits(num_frames: int, num_stages: int) -> None:
    """Raises InputError where clips have more masks than a table holds."""
    if num_frames + num_stages > MOST_BITS:
        masks, menu = 2 ** (num_frames + num_stages), num_frames * 2**num_stages
        raise InputError(
            f"T={num_frames} and K={num_stages} have {masks:,} masks a clip, and a table holds at most "
            f"{2**MOST_BITS:,} (T + K of {MOST_BITS}): take fewer frames, or choose among the {menu:,} masks of "
            "spread frames and all stages on the live network, as CodedAction(env, 'discrete', masks='spread') does"
        )


def load_table(path: Path | str) -> OutcomeTable:
    """A table from its file.

    Raises:
        TableError: for a file that is missing, damaged or no table.
    """
    path = Path(path)
    about, arrays = read_arrays(path)
    if "about" not in about:
        raise TableError(f"{path} is a part of a table, {about.get('part')!r}: give the table itself")
    known = {each.name for each in fields(Description)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in about["about"].items() if key in known
    }
    try:
        table = OutcomeTable(Description(**values), arrays, path)
        check_bits(table.num_frames, table.num_stages)
        problem = problem_of(table.about, table.arrays)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise TableError(f"{path}: no whole outcome table ({problem}); copy or make it again, with 'ada3d tabulate'")
    return table

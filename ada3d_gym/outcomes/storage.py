"""Arrays of a table in a safetensors file, with what they are of and a checksum."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ada3d_gym.errors import InputError
from ada3d_gym.files import replacing

FORMAT = 1
CHECKED_BYTES = 2**25  # a larger file's checksum is looked at by `OutcomeTable.verify` alone


class TableError(InputError):
    """A table that is damaged, of other clips or of another classifier, or that lacks what is asked for."""


def part_path(path: Path, name: str) -> Path:
    """The file of a table's part."""
    return path.with_name(f"{path.name.removesuffix('.safetensors')}.{name}.safetensors")


def write_arrays(path: Path, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes arrays and what they are of, whole or not at all, with a checksum of both; the same bytes for the same."""
    arrays = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    told = json.dumps(about, sort_keys=True)
    text = json.dumps(about | {"format": FORMAT, "sha256": digest_of([told], arrays)}, sort_keys=True)
    with replacing(path) as part:
        save_file(arrays, part, {"ada3d_outcomes": text})  # one entry: the library writes several in any order


def read_arrays(path: Path, checked: bool | None = None) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What the arrays of a file are of, and the arrays, mapped into memory.

    Args:
        path: of the file.
        checked: whether its checksum is looked at; by default, where it holds no more than `CHECKED_BYTES`.

    Raises:
        TableError: for a file that is missing, damaged or of another kind or format.
    """
    remedy = "copy or make it again, with 'ada3d tabulate'"
    if not os.path.isfile(path):  # which asks about any name, however long
        raise TableError(f"{path}: no such file; expected an outcome table, as 'ada3d tabulate' writes it")
    try:
        with safe_open(path, "pt") as file:  # whose tensors are mapped; those of "np" are copied
            text = (file.metadata() or {}).get("ada3d_outcomes")
            if text is None:
                raise TableError(
                    f"{path}: a safetensors file, but no outcome table; expected what 'ada3d tabulate' writes"
                )
            about = json.loads(text)
            if not isinstance(about, dict):
                raise TableError(
                    f"{path}: damaged or no outcome table (its metadata are no names and values); {remedy}"
                )
            arrays = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118 (no dict)
    except (SafetensorError, OSError, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{path}: damaged or no outcome table ({error}); {remedy}") from error
    if about.get("format") != FORMAT:
        raise TableError(f"{path}: an outcome table of format {about.get('format')}, expected {FORMAT}; {remedy}")
    small = sum(array.nbytes for array in arrays.values()) <= CHECKED_BYTES
    told = json.dumps({key: value for key, value in about.items() if key not in ("format", "sha256")}, sort_keys=True)
    if (small if checked is None else checked) and digest_of([told], arrays) != about.get("sha256"):
        raise TableError(f"{path}: damaged, its content is not what its checksum says; {remedy}")
    return about, arrays


def digest_of(words: list[str], arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of words, and of arrays by name."""
    digest = hashlib.sha256(json.dumps(words).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()

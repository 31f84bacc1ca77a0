"""Finds a network's tensors in what a checkpoint file holds: in which dict they are, and under which prefix."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ada3d_gym.networks.checkpoints.files import read_content
from ada3d_gym.networks.checkpoints.fitting import CheckpointError
from ada3d_gym.networks.checkpoints.names import is_left_out

State = dict[str, Tensor]
Fits = Callable[[Collection[str]], object]  # whether names are those of a network that is known

DEPTH = 4  # of dicts in dicts
# Where the weights are: none; PySlowFast and pytorchvideo; MMAction2 and Lightning; Caffe2; others.
USUAL = ("", "model_state", "state_dict", "blobs", "model", "model_state_dict", "net", "network", "weights", "params")
# Averages of the weights over the training. The plain weights go first, since all formats have them.
AVERAGED = re.compile(r"(^|_)(ema|swa|averaged?|shadow|teacher|momentum|target)(_|$)")
# What torch.compile, FSDP and activation checkpointing put into names, anywhere.
WRAPPED = re.compile(r"(?:^|(?<=\.))(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")


@dataclass(frozen=True)
class FoundState:
    """A network's tensors, and where in the file they were.

    Attributes:
        state: by their names in the file, without the prefix.
        where: keys that lead to their dict, joined by dots; "" if the file is that dict.
        prefix: what a wrapper had put before every name, taken off; "" for none.
        left: other dicts of the file that hold tensors.
    """

    state: State
    where: str
    prefix: str
    left: tuple[str, ...]


def find_state(path: Path, fits: Fits, known: str) -> FoundState:
    """The tensors in a file that a network has, by their names in the file.

    Where several dicts in the file fit, the plain weights go before averages, and then the outermost and the most usual
    key. A prefix that all names share is taken off where they fit without.

    Args:
        path: of a file that `read_content` reads.
        fits: whether names are those wanted.
        known: what they are names of, for messages.

    Raises:
        CheckpointError: for a file that cannot be read, and for one in which nothing fits, saying what it has instead.
    """
    content = read_content(path)
    if isinstance(content, Mapping) and content.keys() == {"state", "param_groups"}:
        raise CheckpointError(
            f"{path}: the state of an optimizer, not of a network; give the file that has its weights"
        )
    dicts = sorted(_dicts(path, content, set()), key=lambda each: _rank(each[0]))
    for where, state in dicts:
        if stripped := _without_prefix(state, fits):
            depth = where.count(".") + 1  # an optimizer's state has a dict for each weight, further in
            others = [".".join((other or min(rest)).split(".")[:depth]) for other, rest in dicts if other != where]
            return FoundState(stripped[1], where, stripped[0], tuple(dict.fromkeys(others)))
    if not dicts:
        raise CheckpointError(
            f"{path}: holds no tensors by name, so this is no checkpoint of a network ({_told(content)})"
        )
    where, state = max(dicts, key=lambda each: len(each[1]))
    raise _unknown(path, where, state, fits, known)


def _dicts(path: Path, content: Any, seen: set[int], where: str = "") -> Iterator[tuple[str, State]]:
    """Each dict that has tensors by name, and the keys that lead to it."""
    if not isinstance(content, Mapping) or id(content) in seen or where.count(".") >= DEPTH:
        return
    seen.add(id(content))  # a pickle can hold a dict that holds itself
    if state := _tensors(path, content):
        yield where, state
    for key, value in content.items():
        yield from _dicts(path, value, seen, f"{where}.{key}" if where else str(key))


def _tensors(path: Path, content: Mapping[Any, Any]) -> State:
    state = {}
    for key, value in content.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            value = np.ascontiguousarray(value, value.dtype.newbyteorder("=")).reshape(value.shape)
            try:
                value = torch.from_numpy(value)
            except TypeError as error:
                raise CheckpointError(f"{path}: {key} is an array of {value.dtype}, which no network has") from error
        if isinstance(key, str) and isinstance(value, Tensor):
            state[key] = value
    return state


def _rank(where: str) -> tuple[bool, int, int]:
    keys = where.split(".") if where else []
    averaged = any(AVERAGED.search(key) for key in keys)
    last = keys[-1] if keys else ""
    return averaged, len(keys), USUAL.index(last) if last in USUAL else len(USUAL)


def _without_prefix(state: State, fits: Fits) -> tuple[str, State] | None:
    """The prefix that all names share (counters apart) and the tensors named without it, or None if they do not fit."""
    prefix = ""
    bare = {WRAPPED.sub("", key): value for key, value in state.items()}
    while len(bare) == len(state) and not fits(bare):
        firsts = {key.partition(".")[0] for key, value in bare.items() if not is_left_out(key, value.numel())}
        first = f"{min(firsts)}." if len(firsts) == 1 else ""
        if not first or not any(key.startswith(first) for key in bare):
            return None
        prefix += first
        bare = {key.removeprefix(first): value for key, value in bare.items()}
    return (prefix, bare) if len(bare) == len(state) else None


def _unknown(path: Path, where: str, state: State, fits: Fits, known: str) -> CheckpointError:
    of = f" under {where!r}" if where else ""
    keys = sorted(WRAPPED.sub("", key) for key in state)
    parts: dict[str, list[str]] = {}
    for key in keys:
        for part in _beginnings(key):
            parts.setdefault(part, []).append(key.removeprefix(part))
    if fitting := [part for part, names in parts.items() if fits(names)]:
        part = max(fitting, key=lambda each: len(parts[each]))
        other = next(key for key in keys if not key.startswith(part))
        own = f"{{k.removeprefix({part!r}): v for k, v in state.items() if k.startswith({part!r})}}"
        return CheckpointError(
            f"{path}: expected {known} alone; it has that{of} as {part}* but {other} has no place beside it. "
            f"To use {part}* without the rest, save it by itself: torch.save({own}, 'net.pth')"
        )
    some = f"{keys[0]} and its other keys{of} ({', '.join(keys[1:4])}, …) are"
    if len(keys) == 1:
        some = f"{keys[0]} is all that it holds{of}, and"
    return CheckpointError(f"{path}: {some} of no known checkpoint; expected {known}")


def _beginnings(key: str) -> Iterator[str]:
    """The prefixes of a name, shortest first: "a." and "a.b." of "a.b.c"."""
    return (key[: match.end()] for match in re.finditer(r"\.", key))


def _told(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"its keys are {', '.join(str(key) for key in list(content)[:5])}" if content else "it is empty"
    return f"it is a {type(content).__name__}"

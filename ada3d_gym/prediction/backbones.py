"""The table of a 3D network, as a model folder's configuration may hold it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from ada3d_gym.networks.spec import NetworkSpec, ResNet3dSpec, X3dSpec

_KINDS: tuple[type[NetworkSpec], ...] = (ResNet3dSpec, X3dSpec)
_LENGTHS = {"stem_kernel": 2, "depths": 4, "widths": 4}
_MOST_WEIGHTS = 10**9


def spec_of(table: Mapping[str, Any], most: int) -> NetworkSpec:
    """A network's whole table, of plausible numbers.

    Args:
        table: as `dataclasses.asdict` gives it, read from JSON.
        most: the largest number that may be in it.

    Raises:
        ValueError: for other names and numbers.
    """
    known = {kind: [each.name for each in fields(kind)] for kind in _KINDS}  # type: ignore[arg-type]
    kind = next((kind for kind in _KINDS if set(known[kind]) == set(table)), None)
    if kind is None:
        raise ValueError(f"backbone: expected {'; or '.join(', '.join(names) for names in known.values())}")
    values = {key: _tuples(value) for key, value in table.items()}
    whole = values.keys() - {"name", "expansion", "stem_pool"}
    numbers = [number for key in whole for number in _flat(values[key])]
    plausible = all(isinstance(number, int) and 1 <= number <= most for number in numbers)
    expansion = values["expansion"]
    plausible &= type(expansion) in ((int,) if kind is ResNet3dSpec else (int, float)) and 1 <= expansion <= most
    plausible &= isinstance(values.get("stem_pool", True), bool)
    several = {key: values[key] for key in _LENGTHS if key in values}
    lengths = all(isinstance(each, tuple) and len(each) == _LENGTHS[key] for key, each in several.items())
    if not plausible or not lengths or not isinstance(values["name"], str):
        raise ValueError("backbone: expected whole numbers from 1 on, of a network of four stages after the first")
    spec = kind(**values)
    convolutions = spec.convolutions(32)
    weights = sum(each.in_channels * each.out_channels * math.prod(each.kernel) // each.groups for each in convolutions)
    if weights > _MOST_WEIGHTS:
        raise ValueError("backbone: a network too large to be one of this package's")
    return spec


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for each in value:
            yield from _flat(each)
    else:
        yield value

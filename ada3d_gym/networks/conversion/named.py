"""A network of a user's own as a masked one, by its name."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from ada3d_gym.errors import InputError
from ada3d_gym.named import imported, own_code
from ada3d_gym.networks.checkpoints.weights import load_weights
from ada3d_gym.networks.conversion.convert import ConvertedNetwork, convert


def named_network(factory: str, classes: int, size: int, weights: str | Path | None = None) -> ConvertedNetwork:
    """The masked form of what a factory makes.

    Args:
        factory: "module:function", from the number of classes to a 3D CNN, or to what `convert` has made of one, where
            that takes other arguments.
        classes: C.
        size: side of the clips that `convert` tries it out on, in pixels.
        weights: a safetensors file of the masked network's keys; the factory's own by default.

    Raises:
        InputError: for what is no such function, for one that raises, and for networks of other classes.
        ConversionError: see `convert`.
    """
    make = imported("backbone", factory, "module:factory, a function from the number of classes to a 3D CNN")
    with own_code(f"backbone {factory} failed"):
        network = make(classes) if callable(make) else make
    if not isinstance(network, nn.Module):
        raise InputError(f"backbone {factory} gave {type(network).__name__}: expected a torch.nn.Module")
    masked = network if isinstance(network, ConvertedNetwork) else convert(network, size=size)
    if masked.classes != classes:
        raise InputError(f"backbone {factory} gave a network of {masked.classes} classes: expected {classes}")
    if weights is not None:
        load_weights(masked, weights)
    return masked

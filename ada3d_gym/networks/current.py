"""The inference form of a network that may change at any time."""

from __future__ import annotations

from typing import Any, Generic

import torch
from torch import Tensor, nn

from ada3d_gym.networks.inference import Network, inference_form

EXACT = 2**18  # values that are compared one by one


class CurrentForm(Generic[Network]):
    """A network's inference form, made anew when a weight or statistic of it has changed.

    PyTorch counts the changes of a tensor, but not those by fused optimizers or through `.data`. So each call looks at
    the values too: at all those of a small network; of a larger one at each row of a weight as one number, its product
    with a fixed random vector, and at each bias and statistic. An optimizer's step, a change of sign and swapped
    channels all show. What may not, in a larger network, is a change of a few weights by less than the precision of
    their row's sum; `invalidate` is for that.

    Args:
        network: the network, any that `inference_form` takes.
        dtype: of the form's weights and activations; the network's own by default.
    """

    def __init__(self, network: Network, dtype: torch.dtype | None = None):
        self._network, self._dtype = network, dtype
        self._form: Network | None = None
        self._changes: list[tuple[int, int]] = []
        self._sketch = self._vector = torch.empty(0)

    def get(self) -> Network:
        """The form of the network as it is now."""
        values = _values_of(self._network)
        changes = [(value.data_ptr(), value._version) for value in values]
        sketch = self._sketch_of(values)
        if self._form is None or changes != self._changes or not _same_bits(sketch, self._sketch):
            self._form = inference_form(self._network, self._dtype or next(self._network.parameters()).dtype)
            self._changes, self._sketch = changes, sketch
        return self._form

    def invalidate(self) -> None:
        """Has the form made anew at the next call, whatever has changed."""
        self._form = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_form": None}  # whose weights' layout cannot be copied; a copy makes its own

    @torch.no_grad()
    def _sketch_of(self, values: list[Tensor]) -> Tensor:
        if sum(value.numel() for value in values) <= EXACT:  # one copy, while the rows of each weight take a call each
            return torch.cat([value.detach().flatten() for value in values if value.is_floating_point()])
        length = max((value[0].numel() for value in values if value.dim() > 1), default=0)
        if len(self._vector) < length or self._vector.device != values[0].device:
            self._vector = torch.randn(length, generator=torch.Generator().manual_seed(0)).to(values[0].device)
        parts = []
        with torch.autocast(values[0].device.type, enabled=False):
            for value in values:
                if value.dim() > 1:
                    rows = value.detach().flatten(1)
                    rows = rows if rows.dtype in (torch.float32, torch.float64) else rows.float()
                    parts.append(torch.mv(rows, self._vector[: rows.shape[1]].to(rows.dtype)))
                elif value.is_floating_point():  # others count batches
                    parts.append(value.detach().flatten())
        return torch.cat(parts)


def _values_of(network: nn.Module) -> list[Tensor]:
    """Parameters and buffers; `parameters()` and `buffers()` take longer over it than some networks to compute."""
    groups = (group for module in network.modules() for group in (module._parameters, module._buffers))
    return [value for group in groups for value in group.values() if value is not None]


def _same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same, NaNs included."""
    if (one.dtype, one.device) != (other.dtype, other.device):
        return False
    return torch.equal(one.view(torch.uint8), other.view(torch.uint8))

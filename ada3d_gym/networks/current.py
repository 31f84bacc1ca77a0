"""The inference form of a network that may change at any time."""

from __future__ import annotations

import copy
import operator
from typing import Any, Generic

import torch
from torch import Tensor, nn

from ada3d_gym.networks.described import DescribedNetwork
from ada3d_gym.networks.folding import Folds
from ada3d_gym.networks.fused import KeepsPacked
from ada3d_gym.networks.inference import Network, refreshable_form

EXACT = 2**18  # values that are compared one by one


class CurrentForm(Generic[Network]):
    """A network's inference form, brought up to date when a weight or statistic of it has changed.

    PyTorch counts the changes of a tensor, but not those by fused optimizers or through `.data`. So each call looks at
    the values too: at all those of a small network; of a larger one at each row of a weight as one number, its product
    with a fixed random vector, and at each bias and statistic. An optimizer's step, a change of sign and swapped
    channels all show. What may not, in a larger network, is a change of a few weights by less than the precision of
    their row's sum; `invalidate` is for that.

    On a GPU, looking would wait for it, and would be more work than folding: there every call brings the form up to
    date, without looking.

    Args:
        network: the network, any that `inference_form` takes.
        dtype: of the form's weights and activations; the network's own by default.
        backend: of `torch.compile`, for a network of this package's own families; None leaves the form as it is.
    """

    def __init__(self, network: Network, dtype: torch.dtype | None = None, backend: str | None = None):
        self._network, self._dtype, self._backend = network, dtype, backend
        self._form: Network | None = None
        self._folds: Folds | None = None
        self._values: list[Tensor] = []  # those that it was made from, kept so that no others take their place
        self._facts: Any = None
        self._changes: list[tuple[int, int]] = []
        self._sketch = self._vector = torch.empty(0)
        self._stale = False

    def get(self) -> Network:
        """The form of the network as it is now.

        It is the same object for as long as it is known not to have changed. A changed one takes the memory of the one
        before, which is then no longer of use.
        """
        values = _values_of(self._network)
        facts = [(value.device, value.dtype, value.shape) for value in values], _extra_states(self._network)
        known = len(values) == len(self._values) and all(map(operator.is_, values, self._values))
        if self._form is None or not known or facts != self._facts:
            self._values, self._facts = values, facts
            self._make()
            if self._looks(values):
                self._look(values)
        elif not self._looks(values):
            assert self._folds is not None
            self._folds.refresh()
        elif self._look(values) or self._stale:
            self._renew()
        assert self._form is not None
        return self._form

    def _make(self) -> None:
        dtype = self._dtype or next(self._network.parameters()).dtype
        self._form, self._folds = refreshable_form(self._network, dtype)
        self._stale = False
        if self._backend is not None:
            assert isinstance(self._form, DescribedNetwork)
            self._form.compile_for_inference(self._backend)

    def _renew(self) -> None:
        """Brings the form up to date as another object, on the same memory where that can be."""
        if self._folds is None:
            return self._make()
        self._folds.refresh()
        self._form, self._stale = copy.copy(self._form), False
        assert self._form is not None
        for module in self._form.modules():
            if isinstance(module, KeepsPacked):
                module.forget_packed()

    def _looks(self, values: list[Tensor]) -> bool:
        return self._folds is None or values[0].is_cpu

    def _look(self, values: list[Tensor]) -> bool:
        """Whether the values are others than at the last look."""
        changes = [(value.data_ptr(), value._version) for value in values]
        sketch = self._sketch_of(values)
        same = changes == self._changes and _same_bits(sketch, self._sketch)
        self._changes, self._sketch = changes, sketch
        return not same

    def invalidate(self) -> None:
        """Has the form brought up to date at the next call, whatever has changed."""
        self._stale = True

    def __getstate__(self) -> dict[str, Any]:
        made: dict[str, Any] = {"_form": None, "_folds": None, "_values": []}  # of layouts that cannot be copied
        return {**vars(self), **made}

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


def _extra_states(network: nn.Module) -> list[str]:
    """Of modules that have more than parameters and buffers, and whose form may then be made of other parts."""
    plain = nn.Module.get_extra_state
    return [str(module.get_extra_state()) for module in network.modules() if type(module).get_extra_state is not plain]


def _same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same, NaNs included."""
    if (one.dtype, one.device) != (other.dtype, other.device):
        return False
    return torch.equal(one.view(torch.uint8), other.view(torch.uint8))

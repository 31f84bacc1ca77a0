"""What a computation asks of a device: calls, copies to it and bytes, and what makes the host wait. No GPU is needed.

Networks can be run on PyTorch's "meta" device, which has shapes but no values: the branches of a GPU are taken, every
operation is seen, and whatever would wait for a value raises an error.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

CONVOLUTIONS = ("aten::convolution", "aten::conv2d", "aten::conv3d", "mkldnn::_convolution_pointwise")
COPIES = ("aten::_to_copy", "aten::copy_", "aten::to")
WAITING = ("aten::nonzero", "aten::_local_scalar_dense", "aten::item", "aten::equal", "aten::is_nonzero")


class Counted(TorchDispatchMode):
    """Counts inside of it.

    Attributes:
        calls: operations by name.
        convolutions: by ("stem" or "rest", dimensions of the input); a stem's input has three channels.
        copies, copied_bytes: from the CPU to another device.
        waits: operations whose result depends on values, and copies back to the CPU.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: Counter[str] = Counter()
        self.convolutions: Counter[tuple[str, int]] = Counter()
        self.copies = self.copied_bytes = self.waits = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, given = func._schema.name, [each for each in args if isinstance(each, Tensor)]
        out = func(*args, **(kwargs or {}))
        self.calls[name] += 1
        if name in CONVOLUTIONS:
            frames = given[0]
            self.convolutions["stem" if frames.shape[1] == 3 else "rest", frames.dim()] += 1
        if name in COPIES and isinstance(out, Tensor):
            source = given[-1]
            if source.device != out.device:
                self.copies += source.is_cpu
                self.copied_bytes += source.nbytes if source.is_cpu else 0
                self.waits += out.is_cpu
        self.waits += name in WAITING
        return out

    @property
    def total(self) -> int:
        """Of all operations."""
        return self.calls.total()

    def stem(self) -> int:
        """Convolutions of three channels."""
        return sum(count for (part, _), count in self.convolutions.items() if part == "stem")

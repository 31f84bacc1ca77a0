"""Blocks whose feature maps are computed anew in the backward pass, instead of being kept until then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(block: nn.Module, *inputs: Any) -> Tensor:
    """What a block computes of its inputs, of which the backward pass needs the inputs alone.

    Gradients are those without, to the bit. The block must draw nothing at random.
    """

    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), _statistics_kept(block)

    if not torch.is_grad_enabled():
        return block(*inputs)  # type: ignore[no-any-return]
    return checkpoint(  # type: ignore[no-any-return]
        block, *inputs, use_reentrant=False, preserve_rng_state=False, context_fn=contexts
    )


@contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Without this, batch norm that is trained would take each batch into its statistics twice."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm) and module.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # statistics stay; without them, it would keep other tensors for the backward pass
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked -= 1

"""Every mask of a clip through a network, with what masks share computed once.

Stages form a tree: what comes before a stage is computed once for both values of its bit. In a node of the tree, masks
share the frames whose context is the same (`ada3d_gym.outcomes.contexts`): a convolution's taps run once over those at
hand, and each frame in its wider context adds up the taps of its neighbours. Nodes are visited depth first, so that no
more than one of each depth is in memory.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ada3d_gym.networks.inference import FoldedBottleneck, FoldedConv, inference_form
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.outcomes.contexts import Contexts


class SharedScores:
    """The class probabilities of clips under all masks.

    Args:
        network: of this package's own family; as it is now.
        num_frames: T.
        dtype: of weights and activations.
    """

    def __init__(self, network: MaskedResNet3d, num_frames: int, dtype: torch.dtype = torch.float32):
        self._form, self._dtype = inference_form(network, dtype), dtype
        self._contexts = Contexts(num_frames, self._form.head.weight.device)
        self._stages = [list(stage) for stage in self._form.blocks.values()]  # type: ignore[call-overload]
        self._has_bit = [stage in self._form.spec.stages for stage in range(1 + len(self._stages))]

    @torch.inference_mode()
    def __call__(self, clips: Tensor) -> Tensor:
        """Softmax probabilities (B, 2^(T + K), C) float32 of uint8 clips (B, T, 3, H, W), by the masks' numbers.

        Zeros for masks without frames.
        """
        pixels = self._form.pixels(clips.transpose(0, 1).flatten(0, 1)).to(self._dtype)
        leaves: list[Tensor] = []
        self._visit(0, pixels.contiguous(memory_format=torch.channels_last), 0, leaves)
        logits = torch.stack(leaves, 1).flatten(0, 1).unflatten(1, (len(clips), -1))
        scores: Tensor = logits.transpose(0, 1).float().softmax(2)
        scores[:, : len(leaves)] = 0
        return scores

    def _visit(self, depth: int, frames: Tensor, radius: int, leaves: list[Tensor]) -> None:
        """Goes on with frames in context (S * B, C, H, W), S of them at `radius`, from stage `depth` on."""
        if depth > len(self._stages):
            leaves.append(self._logits(frames, radius))
            return
        for on in (False, True) if self._has_bit[depth] else (False,):
            if depth == 0:
                stem = self._form.stem
                assert isinstance(stem, FoldedConv)
                out, after = self._conv(stem, frames, radius, on)
                out = self._form.pool(out)
            else:
                out, after = frames, radius
                for block in self._stages[depth - 1]:
                    out, after = self._block(block, out, after, on)
            self._visit(depth + 1, out, after, leaves)

    def _block(self, block: FoldedBottleneck, frames: Tensor, radius: int, on: bool) -> tuple[Tensor, int]:
        out, after = self._conv(block.a, frames, radius, on)
        total = frames.clone() if block.shortcut is None else block.shortcut.tap(0)(frames)
        if after != radius:
            total = self._in_context(total, radius, block.a.weight.shape[2] // 2)
        block.c.tap(0).add_to(total, block.b.tap(0)(out, "relu"), "relu")
        return total, after

    def _conv(self, conv: FoldedConv, frames: Tensor, radius: int, on: bool) -> tuple[Tensor, int]:
        """A convolution with ReLU, and the radius of what comes out."""
        length = conv.weight.shape[2]
        if not on or length == 1 or self._contexts.num_frames == 1:
            return conv.tap(length // 2)(frames, "relu"), radius
        after, bags = self._contexts.taps(radius, length // 2)
        products = [conv.tap(tap)(frames) for tap in range(length)]
        rows = torch.stack([_rows(each, self._contexts.counts[radius]) for each in products]).flatten(0, 1)
        sums = F.embedding_bag(bags.rows, rows, bags.offsets, mode="sum")
        return _frames(sums.relu_(), products[0]), after

    def _in_context(self, frames: Tensor, radius: int, reach: int) -> Tensor:
        """Each frame once for every wider context that a convolution of `reach` gives it."""
        rows = _rows(frames, self._contexts.counts[radius])
        return _frames(rows.index_select(0, self._contexts.centres(radius, reach)), frames)

    def _logits(self, frames: Tensor, radius: int) -> Tensor:
        """(2^T, B * C) of all frame masks, from the last stage's output; of no use for the one without frames."""
        logits = self._form.head(frames.mean((2, 3)))  # linear: it may come before the mean over frames
        bags = self._contexts.masks(radius)
        rows = logits.reshape(self._contexts.counts[radius], -1)
        return F.embedding_bag(bags.rows, rows, bags.offsets, mode="mean")


def _rows(frames: Tensor, count: int) -> Tensor:
    """(S * B, C, H, W), channels last, as (S, B * H * W * C) on the same memory."""
    return frames.permute(0, 2, 3, 1).reshape(count, -1)


def _frames(rows: Tensor, like: Tensor) -> Tensor:
    """The inverse of `_rows`, for frames of the shape of those in `like`."""
    _, channels, height, width = like.shape
    return rows.view(-1, height, width, channels).permute(0, 3, 1, 2)

"""pytorchvideo's own X3D as the slow reading of what masks mean, and its weights in the words of both projects."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from pytorchvideo.models.x3d import create_x3d
from torch import Tensor, nn

from ada3d_gym.networks.checkpoints.loading import LoadReport, load_checkpoint
from ada3d_gym.networks.spec import X3dSpec
from ada3d_gym.networks.x3d import MaskedX3d
from tests.networks.checkpoint_writers import renamed

SMALL = X3dSpec("small_x3d", 8, 4, 32, stem_width=16, depths=(1, 2, 5, 3), widths=(16, 24, 48, 96), head_width=32)
CLASSES, SIDE = 5, 32
STAGES = 5


def small_peer(*, shortcut_norm: bool = False, seed: int = 0) -> nn.Module:
    """pytorchvideo's X3D with the table `SMALL`, in float64, with weights that all matter.

    Args:
        shortcut_norm: give the first shortcut a batch norm, as PySlowFast's has.
        seed: of the weights.
    """
    peer = create_x3d(
        width_factor=1.0,
        depth_factor=1.0,
        model_num_class=CLASSES,
        dropout_rate=0,
        inner_act=nn.SiLU,
        head_dim_out=32,
        head_activation=None,
    )
    peer.blocks[5].pool.pool = nn.AdaptiveAvgPool3d(1)  # over clips of any size
    if shortcut_norm:
        peer.blocks[1].res_blocks[0].branch1_norm = nn.BatchNorm3d(16)
    randomise(peer.double().eval(), seed)
    return peer


@torch.no_grad()
def randomise(network: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            continue
        fan_in = max(1, value[0].numel()) if value.ndim > 1 else 10
        value.copy_(torch.randn(value.shape, generator=generator, dtype=value.dtype) * fan_in**-0.5)
        if "norm_b.1" in name:
            value.mul_(4)  # or gates are nearly the same for all clips
        if name.endswith("running_var") or (value.ndim == 1 and re.search(r"norm\w*(\.0)?\.weight$", name)):
            value.abs_().add_(0.7)


def temporal(peer: nn.Module) -> Iterator[tuple[int, nn.Conv3d]]:
    """Its convolutions over time, and the stages that they are of."""
    yield 0, peer.blocks[0].conv.conv_xy
    for stage in range(1, STAGES):
        for block in peer.blocks[stage].res_blocks:
            yield stage, block.branch2.conv_b


@torch.no_grad()
def masked_logits(peer: nn.Module, clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Logits (B, C), one clip at a time: its kept frames alone, the side taps of stages that are off set to zero."""
    logits = []
    for clip, keep, on in zip(clips, u, v, strict=True):
        if keep.any():
            logits.append(cut(peer, on)(clip[keep].transpose(0, 1)[None])[0])
        else:
            logits.append(peer.blocks[5].proj.bias)
    return torch.stack(logits)


@torch.no_grad()
def cut(peer: nn.Module, on: Tensor) -> nn.Module:
    """A copy with the centre taps alone in stages that are off."""
    other = copy.deepcopy(peer)
    for stage, conv in temporal(other):
        if not on[stage]:
            centre = conv.weight.shape[2] // 2
            conv.weight[:, :, :centre] = 0
            conv.weight[:, :, centre + 1 :] = 0
    return other


def as_slowfast(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """pytorchvideo's names in PySlowFast's words."""
    return renamed(
        state,
        (r"blocks\.0\.conv\.conv_t\.", "s1.pathway0_stem.conv_xy."),
        (r"blocks\.0\.conv\.conv_xy\.", "s1.pathway0_stem.conv."),
        (r"blocks\.0\.norm\.", "s1.pathway0_stem.bn."),
        (r"blocks\.5\.pool\.pre_conv\.", "head.conv_5."),
        (r"blocks\.5\.pool\.pre_norm\.", "head.conv_5_bn."),
        (r"blocks\.5\.pool\.post_conv\.", "head.lin_5."),
        (r"blocks\.5\.proj\.", "head.projection."),
        (r"blocks\.(\d)\.res_blocks\.(\d+)\.", lambda m: f"s{int(m[1]) + 1}.pathway0_res{m[2]}."),
        (r"branch1_conv", "branch1"),
        (r"branch1_norm", "branch1_bn"),
        (r"norm_b\.1\.block\.([02])\.", lambda m: f"se.fc{int(m[1]) // 2 + 1}."),
        (r"norm_b\.0\.", "b_bn."),
        (r"norm_([ac])\.", r"\1_bn."),
        (r"conv_([abc])\.", r"\1."),
    )


def loaded(peer: nn.Module, folder: Path, slowfast: bool = False) -> tuple[MaskedX3d, LoadReport]:
    """Our network with a peer's weights, in float64 and inference mode."""
    network = MaskedX3d(SMALL, CLASSES, dropout=0.0).double().eval()
    state = peer.state_dict()
    torch.save({"model_state": as_slowfast(state) if slowfast else state}, folder / "x3d.pyth")
    return network, load_checkpoint(network, folder / "x3d.pyth")


def batch(frames: int = 8, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Seven clips: everything, no stage, no frame, one frame, ends that are far apart, two random ones."""
    generator = torch.Generator().manual_seed(seed)
    clips = torch.randn(7, frames, 3, SIDE, SIDE, generator=generator, dtype=torch.float64)
    u, v = (torch.rand(7, length, generator=generator) < 0.6 for length in (frames, 5))
    u[0], v[0], u[1], v[1] = True, True, True, False
    u[2], u[3] = False, torch.arange(frames) == 3
    u[4], v[4] = torch.arange(frames) % (frames - 1) == 0, True
    return clips, u, v

"""An independent, slow reading of what masks mean: one clip at a time, plain 3D convolutions on its kept frames."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_R50, I3D_TINY, ResNet3dSpec

SMALL_R50 = ResNet3dSpec("small_r50", 6, (5, 7), True, (3, 4, 6, 3), (4, 4, 6, 8), I3D_R50.temporal)
SMALL_SLOWONLY = ResNet3dSpec(
    "small_slowonly", 6, (1, 7), True, (1, 1, 2, 1), (4, 4, 6, 8), ((1,), (1,), (3, 3), (3,)), expansion=2
)
SPECS = {spec.name: spec for spec in (I3D_TINY, SMALL_R50, SMALL_SLOWONLY)}


def dense_logits(network: MaskedResNet3d, clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Logits (B, C) for float clips (B, T, 3, H, W); a clip without frames gets the head's bias."""
    features = [_features(network, clip[keep], on) for clip, keep, on in zip(clips, u, v, strict=True)]
    return F.linear(torch.stack(features), network.head.weight, network.head.bias)


def _features(network: MaskedResNet3d, frames: Tensor, v: Tensor) -> Tensor:
    spec = network.spec
    if not len(frames):
        return frames.new_zeros(spec.features)
    state = network.state_dict(keep_vars=True)
    on = dict(zip(spec.stages, v.tolist(), strict=True))

    def conv_norm(x: Tensor, name: str, stage: int, stride: int = 1) -> Tensor:
        kernel = state[f"{name}.conv.weight"]  # (C', C, t, k, k)
        if kernel.shape[2] > 1 and not on[stage]:
            centre = kernel.shape[2] // 2
            kernel = kernel[:, :, centre : centre + 1]
        padding = tuple(side // 2 for side in kernel.shape[2:])
        x = F.conv3d(x, kernel, stride=(1, stride, stride), padding=padding)
        statistics = (state[f"{name}.norm.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *statistics, training=False, eps=1e-5)

    x = frames.transpose(0, 1)[None]  # (1, 3, n, H, W)
    x = F.relu(conv_norm(x, "stem", 0, stride=2))
    if spec.stem_pool:
        x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for stage, depth in enumerate(spec.depths, start=1):
        for block in range(depth):
            name = f"blocks.res{stage + 1}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            out = F.relu(conv_norm(x, f"{name}.a", stage))
            out = F.relu(conv_norm(out, f"{name}.b", stage, stride))
            out = conv_norm(out, f"{name}.c", stage)
            x = F.relu(out + (conv_norm(x, f"{name}.shortcut", stage, stride) if block == 0 else x))
    return x.mean((0, 2, 3, 4))


def random_network(spec: ResNet3dSpec, classes: int = 5) -> MaskedResNet3d:
    """A float64 network in inference mode whose batch norms, head and side taps all matter."""
    generator = torch.Generator().manual_seed(0)
    network = MaskedResNet3d(spec, classes).double().eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point() and not name.startswith("pixels."):
                value.copy_(torch.randn(value.shape, generator=generator, dtype=torch.float64) * 0.3)
        for name, value in network.state_dict().items():
            if name.endswith(("running_var", "norm.weight")):
                value.abs_().add_(0.5)
    return network

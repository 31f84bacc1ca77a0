"""Checkpoints as other projects write them, from the tables of their keys; weights are random."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

DEPTHS = {2: 3, 3: 4, 4: 6, 5: 3}
TEMPORAL = {
    "i3d_r50": {1: 5, 2: (3, 3, 3), 3: (3, 1, 3, 1), 4: (3, 1, 3, 1, 3, 1), 5: (1, 3, 1)},
    "slowonly_r50": {1: 1, 2: (1,) * 3, 3: (1,) * 4, 4: (3,) * 6, 5: (3,) * 3},
}


def slowfast_state(network: str, classes: int = 7, seed: int = 0) -> dict[str, Tensor]:
    """The 320 tensors of PySlowFast's I3D or SlowOnly."""
    rng = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}

    def conv(name: str, *shape: int) -> None:
        fan_in = int(np.prod(shape[1:]))
        state[f"{name}.weight"] = torch.randn(shape, generator=rng) * (2 / fan_in) ** 0.5

    def norm(name: str, width: int) -> None:
        for key in ("weight", "running_var"):
            state[f"{name}.{key}"] = 0.5 + torch.rand(width, generator=rng)
        for key in ("bias", "running_mean"):
            state[f"{name}.{key}"] = 0.2 * torch.randn(width, generator=rng)
        state[f"{name}.num_batches_tracked"] = torch.tensor(5)

    lengths = TEMPORAL[network]
    conv("s1.pathway0_stem.conv", 64, 3, lengths[1], 7, 7)
    norm("s1.pathway0_stem.bn", 64)
    channels = 64
    for stage, depth in DEPTHS.items():
        inner = 64 * 2 ** (stage - 2)
        for block in range(depth):
            name = f"s{stage}.pathway0_res{block}"
            if block == 0:
                conv(f"{name}.branch1", inner * 4, channels, 1, 1, 1)
                norm(f"{name}.branch1_bn", inner * 4)
            conv(f"{name}.branch2.a", inner, channels, lengths[stage][block], 1, 1)
            conv(f"{name}.branch2.b", inner, inner, 1, 3, 3)
            conv(f"{name}.branch2.c", inner * 4, inner, 1, 1, 1)
            for part, width in (("a", inner), ("b", inner), ("c", inner * 4)):
                norm(f"{name}.branch2.{part}_bn", width)
            channels = inner * 4
    state["head.projection.weight"] = torch.randn(classes, channels, generator=rng) * 0.05
    state["head.projection.bias"] = torch.randn(classes, generator=rng)
    assert len(state) == 320
    return state


def renamed(state: dict[str, Tensor], *rules: tuple[str, str | Callable[[re.Match[str]], str]]) -> dict[str, Tensor]:
    """The state with each rule's pattern substituted in every key, in turn."""
    result = {}
    for key, value in state.items():
        for pattern, new in rules:
            key = re.sub(pattern, new, key)
        result[key] = value
    return result


def as_pytorchvideo(state: dict[str, Tensor], pooled: bool = False) -> dict[str, Tensor]:
    """With a temporal pool, block 2 has no weights."""
    after = 1 if pooled else 0

    def block(match: re.Match[str]) -> str:
        stage = int(match[1]) - 1
        return f"blocks.{stage + (after if stage > 1 else 0)}.res_blocks.{match[2]}."

    return renamed(
        state,
        (r"s1\.pathway0_stem\.conv\.", "blocks.0.conv."),
        (r"s1\.pathway0_stem\.bn\.", "blocks.0.norm."),
        (r"s(\d)\.pathway0_res(\d+)\.", block),
        (r"branch1\.", "branch1_conv."),
        (r"branch1_bn", "branch1_norm"),
        (r"branch2\.([abc])\.", r"branch2.conv_\1."),
        (r"([abc])_bn", r"norm_\1"),
        (r"head\.projection", f"blocks.{5 + after}.proj"),
    )


def as_mmaction(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return renamed(
        state,
        (r"s1\.pathway0_stem\.", "backbone.conv1."),
        (r"s(\d)\.pathway0_res(\d+)\.", lambda m: f"backbone.layer{int(m[1]) - 1}.{m[2]}."),
        (r"branch1\.", "downsample.conv."),
        (r"branch1_bn", "downsample.bn"),
        (r"branch2\.([abc])\.", lambda m: f"conv{'abc'.index(m[1]) + 1}.conv."),
        (r"branch2\.([abc])_bn", lambda m: f"conv{'abc'.index(m[1]) + 1}.bn"),
        (r"head\.projection", "cls_head.fc_cls"),
    )


def as_caffe2(state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    blobs = renamed(
        {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")},
        (r"s1\.pathway0_stem\.conv\.weight", "conv1_w"),
        (r"s1\.pathway0_stem\.bn\.", "res_conv1_bn_"),
        (r"s(\d)\.pathway0_res(\d+)\.", r"res\1_\2_"),
        (r"branch2\.([abc])", r"branch2\1"),
        (r"_bn\.", "_bn_"),
        (r"(branch1|branch2[abc])\.weight", r"\1_w"),
        (r"bn_weight", "bn_s"),
        (r"bn_bias", "bn_b"),
        (r"bn_running_mean", "bn_rm"),
        (r"bn_running_var", "bn_riv"),
        (r"head\.projection\.weight", "pred_w"),
        (r"head\.projection\.bias", "pred_b"),
    )
    extras = {"conv1_w_momentum": np.zeros(1), "lr": np.float32(0.1), "model_iter": np.int64(3)}
    return {key: value.numpy() for key, value in blobs.items()} | extras


def write_slowfast(path: Path, state: dict[str, Tensor]) -> None:
    head = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9)
    torch.save(
        {
            "epoch": 195,
            "model_state": state,
            "optimizer_state": optimizer.state_dict(),
            "cfg": "TRAIN:\n  ENABLE: True",
        },
        path,
    )


def write_caffe2(path: Path, state: dict[str, Tensor]) -> None:
    """As Python 2 pickled it: protocol 2, arrays' bytes as latin-1 text."""
    path.write_bytes(pickle.dumps({"blobs": as_caffe2(state)}, protocol=2))


WRITERS: dict[str, tuple[str, Callable[[Path, dict[str, Tensor]], None]]] = {
    "PySlowFast": ("net.pyth", write_slowfast),
    "PySlowFast, Caffe2": ("net.pkl", write_caffe2),
    "pytorchvideo": ("net.pyth", lambda path, state: torch.save({"model_state": as_pytorchvideo(state)}, path)),
    "pytorchvideo, pooled": ("net.pth", lambda path, state: torch.save(as_pytorchvideo(state, pooled=True), path)),
    "MMAction2": ("net.pth", lambda path, state: torch.save({"meta": {}, "state_dict": as_mmaction(state)}, path)),
}

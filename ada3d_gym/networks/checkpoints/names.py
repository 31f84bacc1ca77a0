"""What other projects call the weights of these networks, as patterns over their keys.

Sources: PySlowFast's `video_model_builder.py` and its Caffe2 model zoo, pytorchvideo's `create_resnet` and
`create_x3d`, MMAction2's `ResNet3dSlowOnly`, torchvision's `resnet50`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_STATISTICS = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
_GATE = {"1": "squeeze", "2": "excite", "0": "squeeze"}  # PySlowFast's 1 and 2 are pytorchvideo's 0 and 2
_CAFFE2 = {"s": "weight", "b": "bias", "rm": "running_mean", "riv": "running_var"}

# What a checkpoint may hold beside the weights of its network, and why nothing is lost with it. All else that has no
# place is a trained tensor, so the file is of another network.
MOMENTS = r".+_momentum|(.+\.)?(momentum_buffer|exp_avg|exp_avg_sq)"  # of the optimizer, weight by weight
TRAINING = r"(optimi[sz]er|lr_scheduler|scheduler|scaler)(_state)?[._].+"  # states of what trained it
COUNTERS = r"(.+\.)?num_batches_tracked|n_averaged|lr|model_iter|iter|epoch|step|global_step"  # single numbers


def is_left_out(key: str, size: int) -> bool:
    """Whether a tensor of `size` numbers belongs to the training and not to the network."""
    return bool(re.fullmatch(f"{MOMENTS}|{TRAINING}", key)) or (size == 1 and bool(re.fullmatch(COUNTERS, key)))


Rename = Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class Format:
    """One project's way of naming.

    Attributes:
        name: of the project.
        sign: a key that only this format has.
        rules: (pattern of a whole key, its name here) pairs; what matches none is left out.
        flat: the weights are of a 2D network.
        mean, std: what the network was trained to see pixels in [0, 1] normalised by; None for ours.
    """

    name: str
    sign: str
    rules: tuple[tuple[str, Rename], ...]
    flat: bool = False
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    def rename(self, key: str) -> str | None:
        """Our name of a key, or None."""
        for pattern, name in self.rules:
            if match := re.fullmatch(pattern, key):
                return name(match)
        return None


def _torch_conv(part: str) -> str:
    return "abc"[int(part) - 1]


OWN = "ada3d-gym"
FORMATS = (
    Format(OWN, r"stem\.conv\.weight", ((r".*", lambda m: m[0]),)),
    Format(
        "PySlowFast",
        r"s1\.pathway0_stem\.conv\.weight",
        (
            (r"s1\.pathway0_stem\.conv\.weight", lambda m: "stem.conv.weight"),
            (rf"s1\.pathway0_stem\.bn\.{_STATISTICS}", lambda m: f"stem.norm.{m[1]}"),
            (r"s(\d)\.pathway0_res(\d+)\.branch1\.weight", lambda m: f"blocks.res{m[1]}.{m[2]}.shortcut.conv.weight"),
            (
                rf"s(\d)\.pathway0_res(\d+)\.branch1_bn\.{_STATISTICS}",
                lambda m: f"blocks.res{m[1]}.{m[2]}.shortcut.norm.{m[3]}",
            ),
            (
                r"s(\d)\.pathway0_res(\d+)\.branch2\.([abc])\.weight",
                lambda m: f"blocks.res{m[1]}.{m[2]}.{m[3]}.conv.weight",
            ),
            (
                rf"s(\d)\.pathway0_res(\d+)\.branch2\.([abc])_bn\.{_STATISTICS}",
                lambda m: f"blocks.res{m[1]}.{m[2]}.{m[3]}.norm.{m[4]}",
            ),
            (r"head\.projection\.(weight|bias)", lambda m: f"head.{m[1]}"),
            # of X3D alone
            (r"s1\.pathway0_stem\.conv_xy\.weight", lambda m: "stem.conv_xy.weight"),
            (
                r"s(\d)\.pathway0_res(\d+)\.branch2\.se\.fc([12])\.(weight|bias)",
                lambda m: f"blocks.res{m[1]}.{m[2]}.gate.{_GATE[m[3]]}.{m[4]}",
            ),
            (r"head\.conv_5\.weight", lambda m: "conv5.conv.weight"),
            (rf"head\.conv_5_bn\.{_STATISTICS}", lambda m: f"conv5.norm.{m[1]}"),
            (r"head\.lin_5\.weight", lambda m: "lin5.weight"),
        ),
    ),
    Format(
        "PySlowFast, Caffe2",
        r"conv1_w",
        (
            (r"conv1_w", lambda m: "stem.conv.weight"),
            (r"res_conv1_bn_(s|b|rm|riv)", lambda m: f"stem.norm.{_CAFFE2[m[1]]}"),
            (r"res(\d)_(\d+)_branch1_w", lambda m: f"blocks.res{m[1]}.{m[2]}.shortcut.conv.weight"),
            (
                r"res(\d)_(\d+)_branch1_bn_(s|b|rm|riv)",
                lambda m: f"blocks.res{m[1]}.{m[2]}.shortcut.norm.{_CAFFE2[m[3]]}",
            ),
            (r"res(\d)_(\d+)_branch2([abc])_w", lambda m: f"blocks.res{m[1]}.{m[2]}.{m[3]}.conv.weight"),
            (
                r"res(\d)_(\d+)_branch2([abc])_bn_(s|b|rm|riv)",
                lambda m: f"blocks.res{m[1]}.{m[2]}.{m[3]}.norm.{_CAFFE2[m[4]]}",
            ),
            (r"pred_(w|b)", lambda m: "head.weight" if m[1] == "w" else "head.bias"),
        ),
    ),
    Format(
        "pytorchvideo",
        r"blocks\.1\.res_blocks\.0\.branch1_conv\.weight",
        (
            (r"blocks\.0\.conv\.weight", lambda m: "stem.conv.weight"),
            (rf"blocks\.0\.norm\.{_STATISTICS}", lambda m: f"stem.norm.{m[1]}"),
            (
                rf"blocks\.(\d)\.res_blocks\.(\d+)\.branch1_(conv|norm)\.{_STATISTICS}",
                lambda m: f"blocks.res{int(m[1]) + 1}.{m[2]}.shortcut.{m[3]}.{m[4]}",
            ),
            (
                rf"blocks\.(\d)\.res_blocks\.(\d+)\.branch2\.(conv|norm)_([abc])\.{_STATISTICS}",
                lambda m: f"blocks.res{int(m[1]) + 1}.{m[2]}.{m[4]}.{m[3]}.{m[5]}",
            ),
            (r"blocks\.\d\.proj\.(weight|bias)", lambda m: f"head.{m[1]}"),
            # of X3D alone, whose stem calls the convolution over space conv_t and that over time conv_xy
            (r"blocks\.0\.conv\.conv_t\.weight", lambda m: "stem.conv_xy.weight"),
            (r"blocks\.0\.conv\.conv_xy\.weight", lambda m: "stem.conv.weight"),
            (
                rf"blocks\.(\d)\.res_blocks\.(\d+)\.branch2\.norm_b\.0\.{_STATISTICS}",
                lambda m: f"blocks.res{int(m[1]) + 1}.{m[2]}.b.norm.{m[3]}",
            ),
            (
                r"blocks\.(\d)\.res_blocks\.(\d+)\.branch2\.norm_b\.1\.block\.([02])\.(weight|bias)",
                lambda m: f"blocks.res{int(m[1]) + 1}.{m[2]}.gate.{_GATE[m[3]]}.{m[4]}",
            ),
            (r"blocks\.\d\.pool\.pre_conv\.weight", lambda m: "conv5.conv.weight"),
            (rf"blocks\.\d\.pool\.pre_norm\.{_STATISTICS}", lambda m: f"conv5.norm.{m[1]}"),
            (r"blocks\.\d\.pool\.post_conv\.weight", lambda m: "lin5.weight"),
        ),
    ),
    Format(
        "MMAction2",
        r"backbone\.conv1\.conv\.weight",
        (
            (r"backbone\.conv1\.conv\.weight", lambda m: "stem.conv.weight"),
            (rf"backbone\.conv1\.bn\.{_STATISTICS}", lambda m: f"stem.norm.{m[1]}"),
            (
                rf"backbone\.layer(\d)\.(\d+)\.conv([123])\.(conv|bn)\.{_STATISTICS}",
                lambda m: f"blocks.res{int(m[1]) + 1}.{m[2]}.{_torch_conv(m[3])}.{_part(m[4])}.{m[5]}",
            ),
            (
                rf"backbone\.layer(\d)\.(\d+)\.downsample\.(conv|bn)\.{_STATISTICS}",
                lambda m: f"blocks.res{int(m[1]) + 1}.{m[2]}.shortcut.{_part(m[3])}.{m[4]}",
            ),
            (r"cls_head\.fc_cls\.(weight|bias)", lambda m: f"head.{m[1]}"),
        ),
        mean=(123.675 / 255, 116.28 / 255, 103.53 / 255),
        std=(58.395 / 255, 57.12 / 255, 57.375 / 255),
    ),
    Format(
        "torchvision, 2D",
        r"layer1\.0\.conv1\.weight",
        (
            (r"conv1\.weight", lambda m: "stem.conv.weight"),
            (rf"bn1\.{_STATISTICS}", lambda m: f"stem.norm.{m[1]}"),
            (
                r"layer(\d)\.(\d+)\.conv([123])\.weight",
                lambda m: f"blocks.res{int(m[1]) + 1}.{m[2]}.{_torch_conv(m[3])}.conv.weight",
            ),
            (
                rf"layer(\d)\.(\d+)\.bn([123])\.{_STATISTICS}",
                lambda m: f"blocks.res{int(m[1]) + 1}.{m[2]}.{_torch_conv(m[3])}.norm.{m[4]}",
            ),
            (
                r"layer(\d)\.(\d+)\.downsample\.0\.weight",
                lambda m: f"blocks.res{int(m[1]) + 1}.{m[2]}.shortcut.conv.weight",
            ),
            (
                rf"layer(\d)\.(\d+)\.downsample\.1\.{_STATISTICS}",
                lambda m: f"blocks.res{int(m[1]) + 1}.{m[2]}.shortcut.norm.{m[3]}",
            ),
            (r"fc\.(weight|bias)", lambda m: f"head.{m[1]}"),
        ),
        flat=True,
        mean=_IMAGENET[0],
        std=_IMAGENET[1],
    ),
)


def _part(name: str) -> str:
    return "norm" if name == "bn" else name


def detect(keys: Iterable[str]) -> Format | None:
    """The format that a checkpoint's keys are of."""
    keys = list(keys)
    return next((each for each in FORMATS if any(re.fullmatch(each.sign, key) for key in keys)), None)


def without_pools(keys: Iterable[str]) -> dict[str, str]:
    """pytorchvideo's keys as they are without a temporal pool, whose block has no weights but takes a number."""
    keys = list(keys)
    numbers = sorted({int(match[1]) for key in keys if (match := re.match(r"blocks\.(\d+)\.", key))})
    return {key: re.sub(r"^blocks\.(\d+)\.", lambda m: f"blocks.{numbers.index(int(m[1]))}.", key) for key in keys}

"""The policy's network: MobileNetV2 features of each frame, then one head for frames and one for 3D stages."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.errors import InputError
from ada3d_gym.masks import split_mask
from ada3d_gym.networks.checkpoints.fitting import fitting
from ada3d_gym.networks.checkpoints.names import is_left_out
from ada3d_gym.networks.checkpoints.states import find_state
from ada3d_gym.networks.mobilenet import MOBILENETS, MobileNet
from ada3d_gym.networks.pixels import ClipPixels

Aggregation = Literal["concat", "mean", "uniform"]

_MOMENTS = 8  # a difference is over an eighth of the clip, or one frame: more frames of a span do not make it smaller


class MaskLogits(NamedTuple):
    """Logits of keeping each frame (B, T) and each stage (B, K); their sigmoids are the paper's m and n (Eq. 1)."""

    frames: Tensor
    stages: Tensor


def greedy(logits: MaskLogits) -> tuple[Tensor, Tensor]:
    """The masks u (B, T) and v (B, K) bool of what is likelier kept than dropped.

    Where that is no frame, the likeliest is kept: without any there is nothing to classify.
    """
    likeliest = F.one_hot(logits.frames.argmax(1), logits.frames.shape[1]).bool()
    return (logits.frames > 0) | likeliest, logits.stages > 0


class ClipTrunk(nn.Module):
    """Features of a clip: MobileNetV2 on each frame, aggregated over frames.

    Args:
        num_frames: T.
        backbone: "mobilenet_v2" (the paper's, for 112 px) or "mobilenet_v2_tiny" (for 32 px; it averages
            them to 16, and also sees what changes from frame to frame).
        aggregation: "mean" over frames, which the paper calls "uniform" (so may you), or "concat", which can tell
            frames apart.
        hidden: width of the layer after "concat".

    Attributes:
        channels: C, the width of one frame's features.
        features: D, the width of a clip's.
        sees: "pixels", or "features" of frames once the backbone was dropped.
    """

    sees: Literal["pixels", "features"] = "pixels"

    def __init__(
        self,
        num_frames: int,
        backbone: str = "mobilenet_v2",
        aggregation: Aggregation = "concat",
        hidden: int = 128,
    ):
        super().__init__()
        if backbone not in MOBILENETS:
            raise InputError(f"unknown selection backbone {backbone!r}: expected one of {', '.join(MOBILENETS)}")
        if aggregation not in get_args(Aggregation):
            raise InputError(f"unknown aggregation {aggregation!r}: expected 'concat' or 'mean' ('uniform')")
        aggregation = "mean" if aggregation == "uniform" else aggregation
        row = MOBILENETS[backbone]
        self.pixels = ClipPixels(row.halved, max(1, num_frames // _MOMENTS) if row.differences else None)
        self.backbone, self.channels = row.build()
        self.num_frames, self.aggregation = num_frames, aggregation
        self.features = hidden if aggregation == "concat" else self.channels
        self.mix = nn.Sequential()
        if aggregation == "concat":
            self.mix.append(nn.Linear(num_frames * self.channels, hidden)).append(nn.ReLU(inplace=True))

    def forward(self, clips: Tensor) -> Tensor:
        """Features (B, D) of uint8 clips (B, T, 3, H, W)."""
        return self.aggregate(self.frames(clips))

    def frames(self, clips: Tensor) -> Tensor:
        """Features (B, T, C) of each frame of uint8 clips (B, T, 3, H, W); without a backbone, what it is given."""
        return clips if self.sees == "features" else frame_features(clips, self.pixels, self.backbone)

    def drop_backbone(self) -> None:
        """Leaves the aggregation alone, for a policy that is shown features of frames (B, T, C)."""
        self.backbone, self.sees = MobileNet(), "features"

    def aggregate(self, frames: Tensor) -> Tensor:
        """(B, T, C) to (B, D)."""
        mixed: Tensor = self.mix(frames.flatten(1) if self.aggregation == "concat" else frames.mean(1))
        return mixed

    @torch.no_grad()
    def take_over(self, shorter: ClipTrunk) -> None:
        """Takes the weights of a trunk for clips of fewer frames, a whole number of times fewer, of the same span.

        Each frame of the shorter clip becomes as many neighbouring ones, that share its weights in the aggregation. A
        mean over frames has no weights to take.
        """
        self.backbone.load_state_dict(shorter.backbone.state_dict())
        if self.aggregation == "mean":
            return
        times = self.num_frames // shorter.num_frames
        for own, theirs in zip(self.mix, shorter.mix, strict=True):
            if isinstance(own, nn.Linear) and isinstance(theirs, nn.Linear):
                frames = theirs.weight.unflatten(1, (shorter.num_frames, -1))
                own.weight.copy_(frames.repeat_interleave(times, 1).flatten(1) / times)
                own.bias.copy_(theirs.bias)


def frame_features(clips: Tensor, pixels: nn.Module, backbone: nn.Module) -> Tensor:
    """Features (B, T, C) of each frame of uint8 clips (B, T, 3, H, W), from these parts of a trunk."""
    features: Tensor = backbone(pixels(clips)).mean((2, 3)).unflatten(0, clips.shape[:2])
    return features


def load_torchvision(trunk: ClipTrunk, path: Path | str) -> None:
    """Fills a trunk's backbone from a checkpoint of torchvision's MobileNetV2, whose classifier is left out.

    Raises:
        CheckpointError: for what is none.
    """
    known = "a checkpoint of torchvision's mobilenet_v2"
    expected = {f"features.{key}": value for key, value in trunk.backbone.state_dict().items()}
    source = find_state(Path(path), lambda keys: any(key.startswith("features.") for key in keys), known).state
    counters = {key: value for key, value in expected.items() if key.endswith("num_batches_tracked")}
    state = counters | {
        key: value
        for key, value in source.items()
        if key in expected
        or not (re.fullmatch(r"classifier\.1\.(weight|bias)", key) or is_left_out(key, value.numel()))
    }
    fitted = fitting(f"{path}: expected {known}", state, expected)
    trunk.backbone.load_state_dict({key.removeprefix("features."): value for key, value in fitted.items()})


class FrameScore(nn.Module):
    """What each frame shows, judged in the light of the whole clip: added to the frame head's logits.

    A trunk pre-trained as a classifier tells what a clip is, but hardly when that is to be seen.
    """

    def __init__(self, trunk: ClipTrunk, hidden: int = 64):
        super().__init__()
        self.frame = nn.Linear(trunk.channels, hidden)
        self.clip = nn.Linear(trunk.features, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, frames: Tensor, clip: Tensor) -> Tensor:
        """(B, T, C) and (B, D) to (B, T)."""
        score: Tensor = self.score(torch.relu(self.frame(frames) + self.clip(clip)[:, None]))
        return score.squeeze(2)


class SelectionNetwork(nn.Module):
    """The paper's two-head selection network.

    Args:
        trunk: shared by the heads, usually pre-trained as a classifier.
        num_stages: K.
        keep: probability of keeping each frame and stage at the start; training begins from masks that mostly work.
        begin: mask (T + K,) of zeros and ones whose ones are kept with that probability, and its zeros dropped with
            it; all ones by default.
    """

    def __init__(self, trunk: ClipTrunk, num_stages: int, keep: float = 0.8, begin: NDArray[np.int8] | None = None):
        super().__init__()
        self.trunk = trunk
        self.frame_head = nn.Linear(trunk.features, trunk.num_frames)
        self.stage_head = nn.Linear(trunk.features, num_stages)
        for head in (self.frame_head, self.stage_head):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.constant_(head.bias, math.log(keep / (1 - keep)))
        if begin is not None:
            heads, parts = (self.frame_head, self.stage_head), split_mask(begin, trunk.num_frames, num_stages)
            with torch.no_grad():
                for head, part in zip(heads, parts, strict=True):
                    head.bias[torch.from_numpy(~part)] *= -1
        self.frame_score = FrameScore(trunk) if trunk.aggregation == "concat" else None

    def forward(self, clips: Tensor) -> MaskLogits:
        """Logits of both heads for uint8 clips (B, T, 3, H, W)."""
        return self.heads(self.trunk.frames(clips))[0]

    def heads(self, frames: Tensor) -> tuple[MaskLogits, Tensor]:
        """Logits, and the clip's features (B, D) that they come from, for features of frames (B, T, C)."""
        features = self.trunk.aggregate(frames)
        frame_logits = self.frame_head(features)
        if self.frame_score is not None:
            frame_logits = frame_logits + self.frame_score(frames, features)
        return MaskLogits(frame_logits, self.stage_head(features)), features

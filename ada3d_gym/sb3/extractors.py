"""Features extractors for Stable-Baselines3, one for each kind of observation; all put out features of frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor
from torch import Tensor, nn

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_trunk
from ada3d_gym.errors import InputError
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.features import TABLE_BYTES
from ada3d_gym.networks.selection import frame_features
from ada3d_gym.observers import IndexObserver, PixelObserver
from ada3d_gym.sb3.lookup import Kind, shared_lookup


class PixelExtractor(BaseFeaturesExtractor):
    """For "pixels": the selection network's backbone on each frame, (B, T * C).

    SB3 divides 3-D images by 255, but not a 4-D clip; the trunk scales bytes itself. Batch norm stays as pre-trained,
    in training too: SB3 collects rollouts in eval mode, so a moving one would make old and new policy differ before
    the first update.

    Args:
        observation_space: of clips, (T, 3, H, W) uint8.
        weights: of the trunk, a safetensors file; the shipped ones where they fit, else random.
        train_backbone: whether the backbone learns.
    """

    def __init__(self, observation_space: spaces.Box, weights: str | None = None, train_backbone: bool = False):
        num_frames, _, side, _ = observation_space.shape
        trunk = build_trunk(num_frames, side, weights)
        super().__init__(observation_space, num_frames * trunk.channels)
        self.pixels, self.backbone, self.train_backbone = trunk.pixels, trunk.backbone, train_backbone
        self._form = CurrentForm(self.backbone)
        self.train()

    def forward(self, observations: Tensor) -> Tensor:
        """(B, T, 3, H, W), bytes in any dtype, to (B, T * C) float32."""
        # Without gradients rather than frozen: TRPO asks every parameter of a policy for one, if only to get none.
        with torch.set_grad_enabled(self.train_backbone and torch.is_grad_enabled()):
            backbone = self.backbone if torch.is_grad_enabled() else self._form.get()
            return frame_features(observations.to(torch.uint8), self.pixels, backbone).flatten(1)

    def apply(self, fn: Callable[[nn.Module], object]) -> PixelExtractor:
        """Nothing: SB3 applies orthogonal weights to what it is given, over the pre-trained ones."""
        return self

    def train(self, mode: bool = True) -> PixelExtractor:
        super().train(mode)
        self.backbone.eval()
        return self


class IndexExtractor(BaseFeaturesExtractor):
    """For "index": looks clips up by their number, so that rollouts hold numbers alone, (B, T * C).

    Args:
        observation_space: of numbers, (4,) int32.
        clips: the options of `ada3d_gym.building.build_clips` that numbers refer to, but for split and views;
            `policy_kwargs` fills it in. Names and numbers only, so that a saved model finds its clips again.
        of: "features" of a fixed backbone, kept for the clips looked up last, or "pixels", through a `PixelExtractor`.
        weights: of the trunk, as in `PixelExtractor`.
        train_backbone: whether the backbone learns; with "pixels" only.
        side: of the frames that numbers stand for, in pixels; `policy_kwargs` fills it in. Without it the training
            clips are opened to find out.
        table_bytes: memory for features at the most; it is taken as clips are looked up.
    """

    _where: Tensor

    def __init__(
        self,
        observation_space: spaces.Box,
        clips: dict[str, Any],
        of: Kind = "features",
        weights: str | None = None,
        train_backbone: bool = False,
        side: int | None = None,
        table_bytes: int = TABLE_BYTES,
    ):
        if of not in ("features", "pixels"):
            raise InputError(f"unknown of={of!r}: expected 'features' or 'pixels'")
        if train_backbone and of != "pixels":
            raise InputError("train_backbone=True does nothing to features, which are computed once: add of='pixels'")
        self._find = partial(shared_lookup, clips, of, side, weights, table_bytes=table_bytes)
        lookup = self._find(device="cpu")
        if of == "pixels":
            inner: BaseFeaturesExtractor = PixelExtractor(
                spaces.Box(0, 255, lookup.shape, np.uint8), weights, train_backbone
            )
        else:
            inner = FlattenExtractor(spaces.Box(-np.inf, np.inf, lookup.shape, np.float32))
        super().__init__(observation_space, inner.features_dim)
        self.inner, self._lookup, self._device = inner, lookup, "cpu"
        self.register_buffer("_where", torch.empty(0), persistent=False)  # moves with the module

    def forward(self, observations: Tensor) -> Tensor:
        """(B, 4), whole numbers in any dtype, to (B, T * C) float32."""
        if self._device != str(self._where.device):
            self._device = str(self._where.device)
            self._lookup = self._find(device=self._device)
        features: Tensor = self.inner(self._lookup(observations.round().to("cpu", torch.int64).numpy()))
        return features


def policy_kwargs(bandit: ClipBandit, **options: Any) -> dict[str, Any]:
    """The features extractor for what a bandit shows, as `policy_kwargs` of an SB3 algorithm.

    Args:
        bandit: as `env.bandit` of any face.
        options: of the extractor, as `weights`, `of` and `train_backbone`. Features that the environment computes need
            none; their `weights` are of the trunk that `selection_kwargs` makes the heads of.

    Raises:
        InputError: for options that this observation has no use for.
    """
    if not isinstance(bandit, ClipBandit):
        raise InputError(f"bandit is {type(bandit).__name__}: expected the bandit of an environment, env.bandit")
    observer = bandit.observer
    if isinstance(observer, IndexObserver):
        clips = json.loads(json.dumps(observer.naming, default=str))
        return {
            "features_extractor_class": IndexExtractor,
            "features_extractor_kwargs": {"clips": clips, "side": bandit.source.observation_size, **options},
        }
    if isinstance(observer, PixelObserver):
        return {"features_extractor_class": PixelExtractor, "features_extractor_kwargs": options}
    if ignored := options.keys() - {"weights"}:
        what = ", ".join(sorted(ignored))
        raise InputError(f"{what} would be ignored where the environment shows features: take observation='index'")
    return {"features_extractor_class": FlattenExtractor}

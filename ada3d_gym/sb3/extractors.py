"""Features extractors for Stable-Baselines3, one for each kind of observation; all put out features of frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor
from torch import Tensor, nn

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_clips, build_observer, build_trunk
from ada3d_gym.errors import InputError
from ada3d_gym.networks.selection import ClipTrunk
from ada3d_gym.observers import SPLITS, FeatureObserver, IndexObserver, PixelObserver


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
        self.train()

    def forward(self, observations: Tensor) -> Tensor:
        """(B, T, 3, H, W), bytes in any dtype, to (B, T * C) float32."""
        # Without gradients rather than frozen: TRPO asks every parameter of a policy for one, if only to get none.
        with torch.set_grad_enabled(self.train_backbone and torch.is_grad_enabled()):
            return ClipTrunk.frames(self, observations.to(torch.uint8)).flatten(1)  # type: ignore[arg-type]

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
        of: "features", computed once for each clip with a fixed backbone, or "pixels", through a `PixelExtractor`.
        weights: of the trunk, as in `PixelExtractor`.
        train_backbone: whether the backbone learns; with "pixels" only.
    """

    _where: Tensor

    def __init__(
        self,
        observation_space: spaces.Box,
        clips: dict[str, Any],
        of: Literal["features", "pixels"] = "features",
        weights: str | None = None,
        train_backbone: bool = False,
    ):
        if of not in ("features", "pixels"):
            raise InputError(f"unknown of={of!r}: expected 'features' or 'pixels'")
        self._look_up = json.dumps([clips, of, weights])
        space = _observer(self._look_up, SPLITS[0], None, "cpu").space
        inner = PixelExtractor(space, weights, train_backbone) if of == "pixels" else FlattenExtractor(space)
        super().__init__(observation_space, inner.features_dim)
        self.inner = inner
        self.register_buffer("_where", torch.empty(0), persistent=False)  # moves with the module

    def forward(self, observations: Tensor) -> Tensor:
        """(B, 4), whole numbers in any dtype, to (B, T * C) float32."""
        numbers = observations.round().to("cpu", torch.int64).numpy()
        device = self._where.device
        found: Tensor | None = None
        for split, views in np.unique(numbers[:, :2], axis=0).tolist():
            rows = (numbers[:, 0] == split) & (numbers[:, 1] == views)
            observer = _observer(self._look_up, SPLITS[split], views, str(device))
            ids = numbers[rows, 2] * views + numbers[rows, 3]
            if isinstance(observer, FeatureObserver):
                shown = observer.tensor(ids)
            else:
                shown = torch.from_numpy(observer(ids)).to(device)
            if rows.all():
                found = shown
                break
            if found is None:
                found = shown.new_empty((len(numbers), *shown.shape[1:]))
            found[torch.from_numpy(rows).to(device)] = shown
        assert found is not None, "a batch holds at least one observation"
        features: Tensor = self.inner(found)
        return features


@lru_cache(maxsize=8)  # a policy's networks share what they look up
def _observer(look_up: str, split: str, views: int | None, device: str) -> PixelObserver | FeatureObserver:
    clips, of, weights = json.loads(look_up)
    observer = build_observer(build_clips(split=split, views=views, **clips), of, weights, device)
    assert isinstance(observer, PixelObserver | FeatureObserver)
    return observer


def policy_kwargs(bandit: ClipBandit, **options: Any) -> dict[str, Any]:
    """The features extractor for what a bandit shows, as `policy_kwargs` of an SB3 algorithm.

    Args:
        bandit: as `env.bandit` of any face.
        options: of the extractor, as `weights`, `of` and `train_backbone`.
    """
    observer = bandit.observer
    if isinstance(observer, IndexObserver):
        return {
            "features_extractor_class": IndexExtractor,
            "features_extractor_kwargs": {"clips": json.loads(json.dumps(observer.naming, default=str)), **options},
        }
    if isinstance(observer, PixelObserver):
        return {"features_extractor_class": PixelExtractor, "features_extractor_kwargs": options}
    return {"features_extractor_class": FlattenExtractor}

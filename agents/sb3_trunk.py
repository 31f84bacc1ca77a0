"""The backbone of the selection network with Stable-Baselines3's algorithms: having it learn, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn
from torch.optim import Optimizer

from ada3d_gym.agents.costs import backbone_macs
from ada3d_gym.agents.portable import whole_selection
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.selection import SelectionNetwork
from ada3d_gym.observers import IndexObserver, PixelObserver
from ada3d_gym.sb3.extractors import PixelExtractor
from ada3d_gym.sb3.policy import SelectionPolicy


def trunk_kwargs(bandit: ClipBandit) -> dict[str, Any]:
    """Options of `ada3d_gym.sb3.policy_kwargs` with which the backbone learns.

    Raises:
        InputError: where policies are shown features, which were computed beforehand.
    """
    observer = bandit.observer
    if not isinstance(observer, IndexObserver | PixelObserver):
        raise InputError(
            "train_trunk=True: these observations are features of frames, from a trunk that stays as it is; expected "
            "the bandit with observation='index' (rollouts and buffers then hold clips' numbers) or 'pixels'"
        )
    return {"train_backbone": True} | ({"of": "pixels"} if isinstance(observer, IndexObserver) else {})


def slow_trunk(model: BaseAlgorithm, factor: float) -> None:
    """Has the optimizers of a model change its backbones by a fraction of what they would.

    For Adam, RMSprop and SGD without weight decay that is a learning rate times `factor`. SB3 sets one rate for all
    groups of parameters, and its saved models have one group; so the change of a step is scaled, and not the rate.
    TRPO's own step is taken without an optimizer, and not scaled; its critic's is.
    """
    for optimizer in optimizers(model):
        own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        scale_changes(optimizer, [each for each in backbone_parameters(model.policy) if id(each) in own], factor)


def optimizers(model: BaseAlgorithm) -> list[Optimizer]:
    """All of a model."""
    policy: Any = model.policy
    found = [getattr(module, "optimizer", None) for module in policy.modules()]
    return [each for each in found if isinstance(each, Optimizer)]


def backbone_parameters(policy: nn.Module) -> list[nn.Parameter]:
    """Of all backbones of a policy that may learn."""
    extractors = [each for each in policy.modules() if isinstance(each, PixelExtractor)]
    return [parameter for each in extractors for parameter in each.backbone.parameters()]


def scale_changes(optimizer: Optimizer, parameters: Sequence[nn.Parameter], factor: float) -> None:
    """From now on, each step changes these parameters by `factor` times what it would."""
    before: list[Tensor] = []

    def remember(*_: Any) -> None:
        before[:] = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def scale(*_: Any) -> None:
        for parameter, old in zip(parameters, before, strict=True):
            parameter.lerp_(old, 1 - factor)

    optimizer.register_step_pre_hook(remember)
    optimizer.register_step_post_hook(scale)


def count_policy(model: BaseAlgorithm, bandit: ClipBandit) -> int:
    """Multiply-accumulates for one clip: of the policy's heads, and of the backbone, wherever that is computed.

    The backbone is counted as its layers say: an extractor may look features up, or use a form of it that PyTorch's
    counter does not see into.
    """
    one, policy = bandit.usable(np.array([0])), model.policy
    shown = torch.from_numpy(bandit.observer(one)).float().to(model.device)
    extractor = next(each for each in policy.modules() if isinstance(each, BaseFeaturesExtractor))
    with torch.no_grad():
        extractor(shown)  # which keeps what it looks up
    whole = count_macs(lambda x: policy._predict(x, deterministic=True), shown)
    return whole - count_macs(extractor, shown) + backbone_macs(bandit)


def selection_of(model: BaseAlgorithm, bandit: ClipBandit) -> SelectionNetwork | None:
    """The selection network, from pixels, whose greedy masks are those of a model with `SelectionPolicy`; else None.

    The bounds that exploration sets to probabilities move none across a half, so that they change no greedy mask.
    """
    policy = model.policy
    heads = getattr(getattr(policy, "mlp_extractor", None), "selection", None)
    if not isinstance(policy, SelectionPolicy) or not isinstance(heads, SelectionNetwork) or policy.exploration <= 0.5:
        return None
    extractors = [each for each in policy.modules() if isinstance(each, PixelExtractor)]
    return whole_selection(heads, bandit, extractors[0].backbone if extractors else None)

"""The networks of a model folder."""

from __future__ import annotations

from pathlib import Path

from ada3d_gym.networks.checkpoints.weights import load_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.conversion.named import named_network
from ada3d_gym.networks.families import make_network
from ada3d_gym.networks.masked import MaskedNetwork
from ada3d_gym.networks.selection_file import load_selection
from ada3d_gym.precision import Precision
from ada3d_gym.prediction.config import CONFIG, ConfigError, ModelConfig
from ada3d_gym.prediction.policies import ConstantPolicy, MaskPolicy, NetworkPolicy


def load_classifier(
    config: ModelConfig, folder: Path, device: str = "cpu", precision: Precision | None = None, *, trust: bool = False
) -> NetworkClassifier:
    """The 3D network of a model folder.

    Args:
        config, folder: as loaded, and from where.
        device, precision: where and in which it computes.
        trust: import the module of a network of somebody's own, which the folder names.

    Raises:
        ConfigError: where its weights are not there, and for a network of somebody's own that is not trusted.
        CheckpointError: for a damaged file, and for weights of another network.
        InputError: for a module that cannot be imported, and one that makes another network.
    """
    weights, classes = _there(folder, config.classifier), len(config.class_names)
    network: MaskedNetwork
    if isinstance(config.backbone, str):
        if not trust:
            raise ConfigError(
                f"{folder} has the 3D network {config.backbone}, whose code would be run: give --trust, or trust=True, "
                "if you know where the folder comes from"
            )
        network = named_network(config.backbone, classes, config.clips.size, weights)
        if network.stage_names != config.stage_names:
            theirs = ", ".join(config.stage_names)
            raise ConfigError(f"{folder}: {config.backbone} has stages {', '.join(network.stage_names)}, not {theirs}")
    else:
        network = make_network(config.backbone, classes)
        load_weights(network, weights)
    return NetworkClassifier(network, config.clips.size, device=device, precision=precision)


def load_policy(
    config: ModelConfig, folder: Path, device: str = "cpu", precision: Precision | None = None
) -> MaskPolicy:
    """What chooses masks, as a model folder has it.

    Raises:
        ConfigError: where its weights are not there, and for an agent that no file holds.
        SelectionError: for a selection network of other clips.
    """
    policy = config.policy
    if policy.kind == "constant":
        return ConstantPolicy(policy.frames, policy.stages)
    if policy.kind == "agent":
        raise ConfigError(
            f"{folder}: its masks are those of the agent {policy.agent!r}, which is no network of a file: use "
            "'ada3d predict', or give policy=, anything with act(observations)"
        )
    selection = load_selection(
        _there(folder, policy.file),
        num_frames=config.clips.num_frames,
        stage_names=config.stage_names,
        side=config.clips.observation_size,
    )
    return NetworkPolicy(selection, config.clips.observation_size, device, precision)


def _there(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise ConfigError(f"{path} is missing, and {CONFIG} beside it names it: copy the folder again, whole")
    return path

"""Makes a run's folder one that `ada3d_gym.prediction.Predictor` reads, wherever it is moved to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from torch import Tensor

from ada3d_gym.agents.agent import Agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.datasets import EMBEDDED_SETS
from ada3d_gym.experiments.results import Result
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.conversion.convert import ConvertedNetwork
from ada3d_gym.networks.described import DescribedNetwork
from ada3d_gym.networks.pixels import Channels
from ada3d_gym.networks.selection import SelectionNetwork
from ada3d_gym.networks.selection_file import save_selection
from ada3d_gym.prediction.config import SELECTION, ClipConfig, ModelConfig, PolicyConfig
from ada3d_gym.video.clips import VideoClips


def write_config(agent: Agent, name: str, backbone: str, results: Iterable[Result], folder: Path) -> None:
    """Writes `config.json`, and the agent's selection network in one file, from pixels to masks, where it has one.

    Args:
        agent: trained, on the bandit of the test clips that it was judged on.
        name: the agent's.
        backbone: the 3D network's, by which one of somebody's own is made again.
        results: of the run.
        folder: its own, which holds the classifier.

    Raises:
        OutputError: where it cannot be written.
    """
    bandit = agent.bandit
    classifier = bandit.classifier
    assert isinstance(classifier, NetworkClassifier)
    network = classifier.network
    assert isinstance(network, DescribedNetwork | ConvertedNetwork)
    ModelConfig(
        class_names=bandit.source.class_names,
        backbone=network.spec if isinstance(network, DescribedNetwork) else backbone,
        stage_names=network.stage_names,
        pixels={key: _channels(getattr(network.pixels, key)) for key in ("mean", "std")},
        clips=clip_config(bandit),
        policy=_policy(agent, name, folder),
        macs={"upper": classifier.macs.full(bandit.num_frames), "selection": agent.macs},
        figures={result.method: figures_of(result) for result in results},
    ).save(folder)


def clip_config(bandit: ClipBandit) -> ClipConfig:
    """How the clips of a test split are cut out of their videos."""
    clips = bandit.source
    assert isinstance(clips, VideoClips)
    sampler = clips.sampler
    return ClipConfig(
        num_frames=sampler.num_frames,
        stride=sampler.stride,
        views=sampler.views,
        size=sampler.size,
        short_side=sampler.scale(0, 0),
        sampling=sampler.sampling,
        observation_size=clips.observation_size,
        scaled_by="resize" if clips.dataset in EMBEDDED_SETS else "decoder",  # which have no sizes in their records
    )


def _policy(agent: Agent, name: str, folder: Path) -> PolicyConfig:
    found, bandit = agent.portable(), agent.bandit
    if isinstance(found, SelectionNetwork):
        stage_names, side = bandit.classifier.stage_names, bandit.source.observation_size
        save_selection(found, folder / SELECTION, stage_names, side)
        return PolicyConfig("selection", file=SELECTION)
    if found is None:
        return PolicyConfig("agent", agent=name)
    bits = np.asarray(found).tolist()
    return PolicyConfig("constant", frames=tuple(bits[: bandit.num_frames]), stages=tuple(bits[bandit.num_frames :]))


def _channels(values: Tensor) -> Channels:
    """Three numbers, without the digits that float32 does not have."""
    one, two, three = (round(value, 6) for value in values.tolist())
    return one, two, three


def figures_of(result: Result) -> dict[str, float | None]:
    """What `ModelConfig.figures` holds of a result."""
    figures = {
        "top1": result.top1,
        "map": result.map,
        "macs": round(result.gmacs * 1e9),
        "macs_selection": round(result.gmacs_selection * 1e9),
        "frames": result.frames,
        "stages": result.stages,
        "milliseconds": result.milliseconds,
    }
    return {key: value if value is not None and math.isfinite(value) else None for key, value in figures.items()}

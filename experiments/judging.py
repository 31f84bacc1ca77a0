"""Judging a run's agent, trained or not, beside any classifier and on any split, with a record of what it was."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.agents.agent import Agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.datasets import EMBEDDED_SETS, embedded_clips, find_root, video_clips
from ada3d_gym.errors import InputError
from ada3d_gym.evaluation import evaluate
from ada3d_gym.experiments.configuration import plain
from ada3d_gym.experiments.results import Result, summarise
from ada3d_gym.experiments.runs import MACHINE, Run
from ada3d_gym.files import writing
from ada3d_gym.fingerprints import of_file, of_videos, of_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.outcomes.classifier import check_clips, check_network
from ada3d_gym.outcomes.oracle import best_values
from ada3d_gym.outcomes.table import OutcomeTable, load_table
from ada3d_gym.profiling import phase
from ada3d_gym.rewards import MaskReward
from ada3d_gym.shipped import shipped_classifier, shipped_table
from ada3d_gym.video.clips import VideoClips

PACKAGES = ("gymnasium", "numpy", "stable-baselines3", "torch", "torchvision")
_OF_TRAINING = (
    "order",
    "flip",
    "seed",
    "random",
    "short_side",
    "protocol",
)  # arguments and fields that shape no clip of a test
_PLACES = ("checkpoint", "features")  # paths in a run's folder, which may have moved; weights have their SHA-256


def package_versions() -> dict[str, str]:
    """Of what numbers may depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


class Verdict(NamedTuple):
    """What an agent reached, and its masks u (N, T) and v (N, K) of all clips that could be judged."""

    result: Result
    u: NDArray[np.bool_]
    v: NDArray[np.bool_]


@dataclass(frozen=True)
class Trial:
    """What an agent is to be judged on: a run's settings on a split, some of them replaced.

    Attributes:
        run: its settings.
        bandit: of the split, with evenly spread clips whatever the split.
        judged: see `record`.
        table: the shipped outcome table of these clips and this classifier, where there is one.
    """

    run: Run
    bandit: ClipBandit
    judged: dict[str, Any]
    table: OutcomeTable | None = None

    @classmethod
    def prepare(cls, run_: Run, split: str, device: str, **replaced: Any) -> Trial:
        """Builds the bandit; `replaced` are arguments of `ada3d_gym.building.build_bandit`."""
        settings = run_.settings | replaced | {"outcomes": None}  # the network itself is judged
        if settings["dataset"] not in EMBEDDED_SETS:  # whose clips are never random
            settings |= {"protocol": "test"}
        bandit = run_.bandit(split, device, **settings)
        del settings["outcomes"]
        judged = record(bandit, split, settings | {"gamma": run_.gamma, "interpolated_map": run_.interpolated_map})
        return cls(run_, bandit, judged, _table_of(bandit, split, settings))

    def untrained_agent(self, device: str) -> Agent:
        return self.run.make_agent(self.bandit, device)

    def trained_agent(self, folder: Path, device: str) -> Agent:
        """The policy of a run's folder; the classifier stays as it is.

        Raises:
            CheckpointError: where the folder has no state of such an agent.
        """
        agent = self.untrained_agent(device)
        network = _network_classifier(self.bandit).network
        before = {name: value.clone() for name, value in network.state_dict().items()}
        agent.load_policy(folder / "agent.pt")
        network.load_state_dict(before)  # an agent of one's own may keep a classifier's weights in any place
        return agent

    def judge(self, method: str, agent: Agent, folder: Path, state: Path | None = None) -> Verdict:
        """An agent on every clip.

        Args:
            method: what the result is called.
            agent: is judged.
            folder: where an interrupted judgement leaves what it has, to go on from there.
            state: what the agent was read from; another one is another judgement.
        """
        environment = {key: value for key, value in self.run.environment.items() if key not in MACHINE}
        same = asdict(replace(self.run, environment=environment))  # however fast videos are read
        whole = plain([method, self.judged, same, state and of_file(state), self._files(agent)])
        key = hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16]
        start = time.perf_counter()
        with phase("judged"):
            evaluation = evaluate(
                self.bandit,
                agent.act,
                description=f"judging {method}",
                interpolated=self.run.interpolated_map,
                resume=folder / f"judging-{key}",
            )
        seconds = time.perf_counter() - start
        versions = package_versions()
        result = summarise(
            method,
            evaluation,
            gmacs_selection=agent.macs / 1e9,
            seconds=seconds,
            seed=self.run.seed,
            run=plain(asdict(self.run)) | {"versions": versions},
            judged=self.judged,
            best=self._best() if not evaluation.left_out.clips else None,
        )
        return Verdict(result, evaluation.u, evaluation.v)

    def _best(self) -> float | None:
        """The mean reward of the best mask of each clip."""
        if self.table is None:
            return None
        rows = self.table.rows(np.arange(len(self.bandit.source)))
        return float(best_values(self.table, self.bandit.reward, rows)[0].mean())

    def _files(self, agent: Agent) -> list[str | None]:
        """Of the files that shape the agent's masks: its code, which may be the user's, and those that options name."""
        code = getattr(sys.modules[type(agent).__module__], "__file__", None)
        named = [code, self.run.environment.get("features"), *self.run.options.values()]
        return [of_file(Path(each)) for each in named if isinstance(each, str) and os.path.isfile(each)]


def _table_of(bandit: ClipBandit, split: str, settings: Mapping[str, Any]) -> OutcomeTable | None:
    """The table that ships for these clips, where it is of this classifier and holds what the reward asks for."""
    clips, reward = bandit.source, bandit.reward
    assert isinstance(clips, VideoClips)
    if not (isinstance(reward, MaskReward) and reward.reward == "accuracy"):
        return None
    with suppress(InputError):
        table = load_table(shipped_table(settings["dataset"], settings["backbone"], settings["num_frames"], split))
        check_clips(table, clips)
        check_network(table, _network_classifier(bandit), "the run's")
        return table
    return None


def record(bandit: ClipBandit, split: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All that an agent is judged on, with what tells other videos and weights in the same places.

    Args:
        bandit: of the split.
        split: its name.
        settings: the arguments of `build_bandit` that it was built with.

    Returns:
        Those of the settings that shape results, defaults included; the fields of the clips' sampler; `split`,
        `data_root` and the number of `videos`, with `videos_sha256` of their paths, labels, lengths and sizes; the path
        of the classifier's weights, `checkpoint`, and `checkpoint_sha256` of the weights themselves; the `precision`,
        where one was asked for.
    """
    clips = bandit.source
    assert isinstance(clips, VideoClips)
    dataset, embedded = settings["dataset"], settings["dataset"] in EMBEDDED_SETS
    root = clips.record(0).path.parent if embedded else find_root(dataset, settings.get("data_root"))
    read = signature(embedded_clips if embedded else video_clips).parameters
    defaults = {name: each.default for name, each in read.items() if each.default is not each.empty}
    arguments = {**defaults, **settings, **vars(clips.sampler)}
    shaping = {key: value for key, value in arguments.items() if key not in MACHINE}
    found = {
        **{key: value for key, value in shaping.items() if key not in _OF_TRAINING},
        "split": split,
        "data_root": None if embedded else root,
        "videos": len(clips.records),
        "videos_sha256": of_videos(clips.records, root),
        "checkpoint": _weights_of(settings),
        "checkpoint_sha256": of_weights(_network_classifier(bandit).network.state_dict()),
        **({} if bandit.precision is None else {"precision": bandit.precision}),
    }
    judged: dict[str, Any] = plain(found)
    return judged


def _weights_of(settings: Mapping[str, Any]) -> Path | None:
    """The file of the classifier's weights; None of a network of one's own that is made with them."""
    if settings.get("checkpoint") is None:
        return None if ":" in settings["backbone"] else shipped_classifier(settings["dataset"]).absolute()
    return Path(settings["checkpoint"]).absolute()


def save_masks(folder: Path, method: str, verdict: Verdict) -> None:
    """`masks-METHOD.npz` with u and v, in a run's folder."""
    with writing(folder):
        np.savez(_masks_file(folder, method), u=verdict.u, v=verdict.v)


def load_masks(folder: Path, method: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The masks u (N, T) and v (N, K) of all test clips that a run's agent, or its milestone, has chosen.

    Raises:
        InputError: where they are not there or damaged.
    """
    path = _masks_file(folder, method)
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["u"], file["v"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: no masks of a run ({error}): delete {folder}, and start the command again"
        ) from error


def _masks_file(folder: Path, method: str) -> Path:
    return folder / f"masks-{re.sub(r'[^a-z0-9]+', '-', method.lower()).strip('-')}.npz"


def name_beside(agent: str, own: Mapping[str, Any], judged: Mapping[str, Any]) -> str:
    """What a line is called beside the run's own: the agent's name where both were judged on the same, else with all
    that differs and a mark that no other judgement has.

    Args:
        agent: its name.
        own, judged: records of the run's own line, as far as it has one, and of this one.
    """
    changed = [key for key in judged if key in own and key not in _PLACES and own[key] != judged[key]]
    if not changed:
        return agent
    mark = hashlib.sha256(json.dumps([judged[key] for key in sorted(judged) if key not in _PLACES]).encode())
    if "checkpoint_sha256" in changed:
        changed.append("checkpoint")
    shown = [f"{key} {judged[key]}" for key in changed if not key.endswith("sha256")]
    return f"{', '.join([agent, *shown])} [{mark.hexdigest()[:8]}]"


def _network_classifier(bandit: ClipBandit) -> NetworkClassifier:
    assert isinstance(bandit.classifier, NetworkClassifier)
    return bandit.classifier

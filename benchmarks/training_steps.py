"""The steps of a training whose clips are drawn at random beforehand, so that nothing is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym import parallel
from ada3d_gym.agents.ada3d import Ada3D, Ada3DOptions
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.experiments.paper.memory import Setting
from ada3d_gym.experiments.paper.phases import Phase
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.families import make_network
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.precision import Precision
from ada3d_gym.protocols import Ids
from ada3d_gym.rewards import MaskReward
from ada3d_gym.seeding import torch_seed
from ada3d_gym.video.records import VideoRecord

FRAMES, CLASSES = 8, 200
KEPT_FRAMES, KEPT_STAGES = 5.7 / 8, 2.2 / 5  # the paper's Table 1, FCVID
DRAWN = 16  # different clips


@dataclass(frozen=True)
class Settings:
    """What is trained, and how.

    Attributes:
        backbone: the 3D network's name.
        size, side: of clips, and of what the selection network sees, in pixels.
        batch: clips in an update of the classifier and of the joint phase.
        policy_batch: clips in one of REINFORCE.
        samples: masks of each.
        precision: of passes.
        micro_batch, policy_micro_batch: clips in a pass; None for all.
        recompute: feature maps inside of blocks.
        device: where networks run.
    """

    backbone: str
    size: int
    side: int
    batch: int
    policy_batch: int
    samples: int
    device: str
    precision: Precision = "float32"
    micro_batch: int | None = None
    policy_micro_batch: int | None = None
    recompute: bool = False

    def setting(self) -> Setting:
        """As the estimates of memory have it."""
        return Setting(
            self.backbone,
            FRAMES,
            self.size,
            self.size,
            "concat",
            CLASSES,
            precision=self.precision,
            micro_batch=self.micro_batch,
            selection_batch=self.policy_micro_batch,
            recompute=self.recompute,
        )


@dataclass(frozen=True)
class Step:
    """One kind of update.

    Attributes:
        run: makes one.
        clips: in it, of all processes.
        phase: what the estimates of memory take it for.
    """

    run: Callable[[], object]
    clips: int
    phase: Phase


class RandomClips:
    """Clips of noise, kept in memory; see `ada3d_gym.protocols.ClipSource`."""

    num_frames, views = FRAMES, 1

    def __init__(self, videos: int, size: int, side: int):
        rng = np.random.default_rng(0)
        self.videos, self.size, self.observation_size = videos, size, side
        self.class_names = tuple(str(number) for number in range(CLASSES))
        self._clips, self._seen = (
            rng.integers(0, 256, (DRAWN, FRAMES, 3, each, each), dtype=np.uint8) for each in (size, side)
        )

    def __len__(self) -> int:
        return self.videos

    def expect(self, ids: Ids) -> None: ...
    def close(self) -> None: ...

    def clips(self, ids: Ids) -> NDArray[np.uint8]:
        return self._clips[ids % DRAWN]

    def observations(self, ids: Ids) -> NDArray[np.uint8]:
        return self._seen[ids % DRAWN]

    def labels(self, ids: Ids) -> NDArray[np.int64]:
        return np.asarray(ids % CLASSES, np.int64)

    def targets(self, ids: Ids) -> NDArray[np.bool_]:
        return np.eye(CLASSES, dtype=np.bool_)[self.labels(ids)]

    def visible_frames(self, ids: Ids) -> NDArray[np.bool_]:
        return np.ones((len(ids), FRAMES), np.bool_)

    def record(self, clip: int) -> VideoRecord:
        return VideoRecord(Path(f"{clip}.mp4"), (clip % CLASSES,))

    def full_size(self, clip: int) -> NDArray[np.uint8]:
        return np.moveaxis(self._clips[clip % DRAWN], 1, 3)


def steps(chosen: Settings) -> dict[str, Step]:
    """Those of the classifier on whole clips and under masks, of REINFORCE, and of the joint phase."""
    learning, joint = _agent(chosen, chosen.policy_batch, 0), _agent(chosen, chosen.batch, 1)
    classifier = joint.bandit.classifier
    assert isinstance(classifier, NetworkClassifier)
    trainer = ClassifierTrainer(classifier, 1e-4)
    rows = parallel.rows(chosen.batch)
    rng, stages = np.random.default_rng(0), len(classifier.stage_names)
    u, v = rng.random((chosen.batch, FRAMES)) < KEPT_FRAMES, rng.random((chosen.batch, stages)) < KEPT_STAGES
    u[np.arange(chosen.batch), rng.integers(FRAMES, size=chosen.batch)] = True
    clips, targets = joint.bandit.source.clips(rows), joint.bandit.source.targets(rows)
    whole = np.ones_like(u), np.ones_like(v)

    def phase(name: str, batch: int, pulls: int, training: str) -> Phase:
        return Phase(name, batch, pulls, 0, 0, batch, training)

    size, watched = chosen.batch, chosen.policy_batch
    return {
        "classifier, whole clips": Step(
            lambda: trainer.step(clips, whole[0][rows], whole[1][rows], targets), size, phase("", size, 0, "classifier")
        ),
        "classifier, masks": Step(
            lambda: trainer.step(clips, u[rows], v[rows], targets), size, phase("", size, 0, "classifier")
        ),
        "REINFORCE": Step(learning.train_epoch, watched, phase("", watched, watched, "selection")),
        "joint": Step(joint.train_epoch, size, phase("", size, size, "joint")),
    }


def _agent(chosen: Settings, batch: int, epoch: int) -> Ada3D:
    """One whose epoch is one update; epoch 0 is REINFORCE's, 1 the joint phase's."""
    with torch_seed(np.random.SeedSequence(0)):
        network = make_network(SPECS[chosen.backbone], CLASSES)
    network.recompute = chosen.recompute
    how: Any = {} if chosen.precision == "float32" else {"precision": chosen.precision}
    classifier = NetworkClassifier(network, chosen.size, device=chosen.device, **how)
    classifier.micro_batch = chosen.micro_batch
    source = RandomClips(batch, chosen.size, chosen.side)
    options = Ada3DOptions(
        epochs=1,
        joint_epochs=1,
        batch_size=batch,
        samples=chosen.samples,
        micro_batch=chosen.policy_micro_batch,
        precision=chosen.precision,
        weights="random",
        baseline="greedy" if chosen.samples == 1 else "leave_one_out",
        lr=0.0,  # masks stay as they are, from step to step
        trunk_lr=0.0,
        classifier_lr=0.0,
    )
    agent = Ada3D(ClipBandit(source, classifier, MaskReward()), options, device=chosen.device)
    agent.epoch = epoch
    return agent

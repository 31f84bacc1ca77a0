"""What a run computes, phase by phase: clips decoded, masks judged, multiply-accumulates.

A backward pass counts twice its forward pass: once for the gradients of the feature maps, once for those of the
weights. That is a little too much, since the first layer needs no gradient of its input: PyTorch counts 1.89 times the
forward pass for I3D-R50.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from ada3d_gym.agents.search import BUCKETS, GROWTH, KEEP, LEAST, ROUNDS, candidates
from ada3d_gym.building import build_trunk
from ada3d_gym.datasets import EMBEDDED, MOTIONSHAPES_SIZE, TEST_VIEWS
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.runs import Run
from ada3d_gym.masks import split_mask
from ada3d_gym.networks.macs import MacCounter, count_macs
from ada3d_gym.networks.selection import Aggregation, SelectionNetwork
from ada3d_gym.networks.spec import SPECS

BACKWARD = 2  # times the forward pass
EMBEDDED_VIEWS = 4  # test clips of a video of MotionShapes
OBSERVED = 112  # side of what the selection network sees by default, in pixels, where clips are larger


@dataclass(frozen=True)
class Videos:
    """How many there are.

    Attributes:
        train, test: videos of each split.
        classes: C.
    """

    train: int
    test: int
    classes: int


@dataclass(frozen=True)
class Phase:
    """A part of a run, in all of its epochs.

    Attributes:
        name: what is done.
        clips: decoded.
        pulls: masked clips that the classifier is asked about.
        forward, backward: multiply-accumulates of all networks together.
        batch: clips in an update, or in a forward pass where nothing is trained.
        training: which network has gradients: "classifier", "selection", both ("joint") or none ("").
        alone: it runs in one process, whatever there is.
        tested: whether its clips are those of test videos, all of a video together.
    """

    name: str
    clips: int
    pulls: int
    forward: float
    backward: float
    batch: int
    training: str = ""
    alone: bool = False
    tested: bool = False

    def times(self, count: int) -> Phase:
        """The same, so many times."""
        clips, pulls = count * self.clips, count * self.pulls
        return replace(self, clips=clips, pulls=pulls, forward=count * self.forward, backward=count * self.backward)

    @property
    def macs(self) -> float:
        return self.forward + self.backward


@dataclass(frozen=True)
class Networks:
    """Multiply-accumulates of a run's networks for one clip.

    Attributes:
        train, test: counters of the classifier at the sizes of training and test clips.
        frames: T.
        trunk: of the selection network's trunk.
        features: width of what it puts out.
        selection: of the whole selection network.
    """

    train: MacCounter
    test: MacCounter
    frames: int
    trunk: int
    features: int
    selection: int

    @classmethod
    def of(cls, run: Run, classes: int) -> Networks:
        settings = run.settings
        aggregation = run.options.get("aggregation", "concat")
        train, test = sizes(settings)
        observed = settings.get("observation_size") or min(OBSERVED, train)
        return _networks(settings["backbone"], settings["num_frames"], train, test, observed, aggregation, classes)

    @property
    def whole_train(self) -> int:
        return self.train.full(self.frames)

    @property
    def whole_test(self) -> int:
        return self.test.full(self.frames)


@lru_cache
def _networks(
    backbone: str, frames: int, train: int, test: int, observed: int, aggregation: Aggregation, classes: int
) -> Networks:
    spec = SPECS[backbone]
    trunk, features, selection = _selection(frames, observed, aggregation, spec.num_stages)
    counters = [MacCounter.of_spec(spec, size, classes) for size in (train, test)]
    return Networks(counters[0], counters[1], frames, trunk, features, selection)


@lru_cache
def _selection(frames: int, side: int, aggregation: Aggregation, num_stages: int) -> tuple[int, int, int]:
    """Operations of the trunk for a clip, width of what it puts out, and operations of the whole."""
    with torch.random.fork_rng(devices=[]):  # weights are drawn, and do not matter
        trunk = build_trunk(frames, side, None, aggregation)
        selection = SelectionNetwork(trunk, num_stages).eval()
    clip = torch.zeros(1, frames, 3, side, side, dtype=torch.uint8)
    return count_macs(trunk, clip), trunk.features, count_macs(selection, clip)


def sizes(settings: Mapping[str, Any]) -> tuple[int, int]:
    """Sides of training and of test clips, in pixels."""
    if settings["dataset"] == EMBEDDED:
        return MOTIONSHAPES_SIZE, MOTIONSHAPES_SIZE
    size = settings.get("size")
    return size or 224, size or 256


def phases(run: Run, videos: Videos, share: float, *, judge_upper: bool = True) -> list[Phase]:
    """All that `ada3d train` does for a run, but for measuring time on some hundred clips.

    Args:
        run: of one of the paper's agents and rivals.
        videos: that it runs on.
        share: of the operations of a whole clip that the masks leave, once they are learned. Masks in the first stage
            of REINFORCE count as whole clips, which nothing exceeds: they start from anything.
        judge_upper: whether the run judges Upper, or another one does that for it.

    Raises:
        InputError: for another agent.
    """
    networks = Networks.of(run, videos.classes)
    found = list(pretraining(run, videos, networks))
    if judge_upper:
        found += judging(run, "Upper", videos, networks.whole_test)
    if run.agent == "reinforce":
        found += _reinforce(run, videos, networks, share)
    elif run.agent in ("random", "fixed", "best-fixed"):
        found += _blind(run, videos, networks, share)
    elif run.agent == "uniform":
        found += judging(run, run.agent, videos, _uniform(networks, run.options))
    elif run.agent != "pretrained":
        known = "reinforce, random, fixed, best-fixed, uniform and pretrained"
        raise InputError(f"nothing is known of what {run.agent} costs: expected one of {known}")
    return found


def pretraining(run: Run, videos: Videos, networks: Networks) -> list[Phase]:
    """The classifier on whole clips and the selection network's trunk as a classifier."""
    found = []
    size = run.classifier_batch
    if run.sees_through_trunk and run.trunk_epochs:
        macs = networks.trunk + networks.features * videos.classes
        found.append(_trained("trunk", run.trunk_epochs * videos.train, macs, size, "selection"))
    if run.classifier_epochs:
        clips = run.classifier_epochs * videos.train
        found.append(_trained("classifier on whole clips", clips, networks.whole_train, size, "classifier"))
    return found


def judging(run: Run, method: str, videos: Videos, macs: float, views: int | None = None) -> list[Phase]:
    """A method on the clips of the data set's protocol, and on those of `also_views`; `macs` of a clip."""
    protocol = EMBEDDED_VIEWS if run.settings["dataset"] == EMBEDDED else TEST_VIEWS
    counts = (run.settings.get("views") or protocol, *run.also_views) if views is None else (views,)
    clips = [count * videos.test for count in counts]
    return [
        Phase(f"judging {method}, {count} clips", each, each, each * macs, 0, 128, tested=True)
        for count, each in zip(counts, clips, strict=True)
    ]


def tuning(name: str, clips: int, macs: float, size: int, selection: int = 0) -> Phase:
    """The classifier under masks that are not learned; `selection` operations choose those of a clip."""
    phase = _trained(name, clips, macs, size, "classifier")
    return replace(phase, forward=phase.forward + clips * selection)


def _trained(name: str, clips: int, macs: float, size: int, training: str) -> Phase:
    return Phase(name, clips, 0, clips * macs, BACKWARD * clips * macs, size, training)


def _reinforce(run: Run, videos: Videos, networks: Networks, share: float) -> list[Phase]:
    options = run.options
    pulls = options["samples"] + (options["baseline"] == "greedy")
    seen = networks.selection + (networks.trunk if options["baseline"] == "value" else 0)  # a second look, for values
    seen += networks.selection if options["micro_batch"] else 0  # and one before rewards are known

    def stage(name: str, epochs: int, size: int, macs: float, joint: bool) -> Phase:
        clips = epochs * videos.train
        selection = Phase(name, clips, pulls * clips, clips * seen, BACKWARD * clips * networks.selection, size)
        forward, backward = clips * (pulls + joint) * macs, BACKWARD * joint * clips * macs
        training = "joint" if joint else "selection"
        return replace(
            selection,
            forward=selection.forward + forward,
            backward=selection.backward + backward,
            training=training,
        )

    judged = share * networks.whole_test + networks.selection
    found = []
    if epochs := options["epochs"]:
        found.append(stage("stage 1: REINFORCE", epochs, options["batch_size"], networks.whole_train, False))
    for name in run.milestones.values():
        found += judging(run, name, videos, judged)
    if epochs := options["joint_epochs"]:
        size = options["joint_batch_size"] or options["batch_size"]
        found.append(stage("stage 2: joint", epochs, size, share * networks.whole_train, True))
    return found + judging(run, run.agent, videos, judged)


def _blind(run: Run, videos: Videos, networks: Networks, share: float) -> list[Phase]:
    options, found = run.options, []
    if run.agent == "best-fixed":
        found.append(search(networks, videos, options))
    if epochs := options["joint_epochs"]:
        macs, size = share * networks.whole_train, options["joint_batch_size"]
        found.append(tuning("fine-tuning", epochs * videos.train, macs, size))
    return found + judging(run, run.agent, videos, share * networks.whole_test)


def _uniform(networks: Networks, options: Mapping[str, Any]) -> int:
    """Operations of a test clip with evenly spread frames and chosen stages."""
    kept = np.arange(networks.frames) < (options["frames"] or networks.frames)
    on = np.isin(np.arange(len(networks.test.stage)), options["stages"])
    return int(networks.test(kept[None], on[None])[0])


def search(networks: Networks, videos: Videos, options: Mapping[str, Any]) -> Phase:
    """The search for constants, where every round keeps as many masks as it may; see `BestFixed`.

    Which masks go on depends on what they are paid; each counts as the mean of all. A round judges at most one clip of
    each training video.
    """
    frames, stages = networks.frames, len(networks.train.stage)
    masks = candidates(frames, stages, options["regular"])
    mean = float(networks.train(*split_mask(masks, frames, stages)).mean())
    left, pulls, decoded = len(masks), 0, 0
    for number in range(ROUNDS):
        shown = min(options["clips"] * GROWTH**number, videos.train)
        pulls, decoded = pulls + left * shown, decoded + shown
        # the best sixteenth, everything, and of each bucket a sixteenth or three
        left = min(left, -(-left // KEEP) + 1 + LEAST * BUCKETS + left // KEEP)
    return Phase("search for constants", decoded, pulls, pulls * mean, 0, options["batch_size"], alone=True)

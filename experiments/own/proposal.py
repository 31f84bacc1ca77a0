"""Settings for one's own videos: from what was found, how fast the machine is, and how long it may take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from ada3d_gym.experiments.own.choosing import GROWTH, LOST, TRIED
from ada3d_gym.experiments.own.geometry import FRAMES, Choice
from ada3d_gym.experiments.own.speeds import Speeds
from ada3d_gym.experiments.scratch.options import ScratchOptions
from ada3d_gym.progress import duration
from ada3d_gym.shipped import shipped_start

BATCH = 32  # clips in an update of policy and classifier, as for MotionShapes
SMALL_SET, SMALL_BATCH = 400, 16  # training videos, of fewer of which updates are smaller, so that there are more
SEARCH_PULLS = 10_000  # of the search for constants, for each clip of its first round, as 8 frames and 5 stages have it
METHODS = 6  # that are judged: Upper, both stages of Ada3D, the best constant and two that are fine-tuned
DECODING = 0.06  # of the minutes, at most: twice, for the classifier and for the policy
BANK = 8  # clips of each video that the classifier learns from, at most
GAMMAS = (6.0, 6.0 * GROWTH)  # tried in turn
ENOUGH_OF_RECIPE = 0.7  # share of the classifier's recipe below which more minutes are suggested
# As the preset for MotionShapes; epochs are by the minutes.
REINFORCE = {
    "lr": 0.004,
    "trunk_lr": 0.002,
    "classifier_lr": 0.001,
    "exploration": 0.97,
    "final_exploration": 0.998,
}
FIXED = 45.0  # seconds for what does not depend on the videos: loading, measuring time, drawing the report
SEARCH = 0.08  # of what is left after decoding and judging, at most, but for the least that a search can be
# Shares of what is then left. The classifier is what all else rests on.
SHARES = {"classifier": 0.4, "trunk": 0.08, "policy": 0.14, "joint": 0.12}  # the last two for each policy
# Updates with which MotionShapes' networks are trained: more of them would be over-fitting a small set.
ENOUGH = {"trunk": 750, "policy": 450, "joint": 220}


@dataclass(frozen=True)
class Sizes:
    """Of what is trained and judged.

    Attributes:
        train, test: videos.
        classes: C.
        median_seconds: length of the videos.
        clip_seconds: that a clip spans.
    """

    train: int
    test: int
    classes: int
    median_seconds: float
    clip_seconds: float

    def batch(self, part: str) -> int:
        """Clips in an update of the "trunk", whose recipe has its own, the "policy", or both in "joint"."""
        return BATCH if part == "trunk" or self.train >= SMALL_SET else SMALL_BATCH


@dataclass(frozen=True)
class Proposal:
    """What to train, and why so.

    Attributes:
        config: content of a settings file, see `experiments.configuration.Config`.
        choices: all settings, in words.
        seconds: what each part is expected to take.
    """

    config: dict[str, Any]
    choices: tuple[Choice, ...]
    seconds: dict[str, float]

    def table(self) -> str:
        """A row a setting: value and reason."""
        rows = [[each.name, each.value, each.reason] for each in self.choices]
        return str(tabulate(rows, ["setting", "value", "why"], disable_numparse=True))

    @property
    def expected(self) -> str:
        """How long it will take, part by part."""
        parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in self.seconds.items())
        return f"about {duration(sum(self.seconds.values()))} in all: {parts}"


def views(sizes: Sizes, speeds: Speeds, budget: float) -> Choice:
    """Clips of each video."""
    cover = math.ceil(sizes.median_seconds / max(sizes.clip_seconds, 1e-6))
    affordable = int(DECODING * budget / (speeds.decode * (sizes.train + sizes.test)))
    count = max(1, min(max(cover, 3), 6, affordable))
    why = "a video's answer is that of one clip"
    if count > 1:
        why = f"a video's answer is the mean of {count} clips" + (" across it" if cover > 1 else "")
    return Choice("views", count, f"{why}; the policy learns from as many random ones of each training video")


def propose(
    sizes: Sizes, speeds: Speeds, minutes: float, geometry: Sequence[Choice], own: Mapping[str, Any]
) -> Proposal:
    """The proposal.

    Args:
        sizes: of the set.
        speeds: of the machine, with these clips and this network.
        minutes: that all may take.
        geometry: choices of clips and network: backbone, size, sampling, stride, observation_size, flip.
        own: settings that the user has chosen, by name; they replace what is proposed here.
    """
    budget = 60 * minutes
    chosen = [_owned(each, own) for each in (*geometry, views(sizes, speeds, budget))]
    environment = {each.name: each.value for each in chosen}
    count = environment["views"]
    pixels = FRAMES * 3 * environment["size"] ** 2
    environment["cache_bytes"] = int(1.1 * pixels * count * (sizes.train + sizes.test)) + 2**20
    bank = max(1, min(BANK, int(DECODING * budget / (speeds.decode * sizes.train))))
    decoding = speeds.decode * (count * (sizes.train + sizes.test) + bank * sizes.train)
    judging = FIXED + METHODS * sizes.test * count * (speeds.pull + speeds.policy / 3) * 1.5
    left = max(budget - decoding - judging, 0.3 * budget)
    searched = max(1, min(4, int(SEARCH * left / (SEARCH_PULLS * speeds.pull))))
    search = searched * SEARCH_PULLS * speeds.pull
    policies = 1 if own.get("gamma") is not None else TRIED
    whole = _whole_recipe(environment["backbone"], sizes, speeds)
    lengths = _lengths(sizes, speeds, max(left - search, 0.3 * budget), policies, whole)
    learning = [_owned(each, own) for each in _learning(lengths, sizes, speeds, minutes, policies, whole)]
    config = {
        "gamma": learning[0].value,
        "classifier_recipe": "scratch",
        "scratch": {
            "minutes": round(lengths.seconds["classifier"] / 60, 2),
            "trunk_clips": lengths.epochs["trunk"] * sizes.train,
            "views": bank,
            "flip": environment["flip"],
        },
        "environment": environment,
        "agents": {
            "reinforce": REINFORCE
            | {
                "epochs": lengths.epochs["policy"],
                "joint_epochs": lengths.epochs["joint"],
                "batch_size": sizes.batch("policy"),
            },
            "best-fixed": {"clips": searched, "regular": True},
        },
    }
    expected = {
        "decoding": decoding,
        "classifier": lengths.seconds["trunk"] + lengths.seconds["classifier"],
        "selection network": search + sum(lengths.seconds[name] for name in ("policy", "joint", "again")),
        "judging and report": judging,
    }
    return Proposal(config, (*chosen, *learning), expected)


@dataclass(frozen=True)
class _Lengths:
    """Epochs of "trunk", "policy" and "joint", and seconds of these, of the "classifier", and of policies tried
    "again"."""

    epochs: dict[str, int]
    seconds: dict[str, float]


def _whole_recipe(backbone: str, sizes: Sizes, speeds: Speeds) -> float:
    """Seconds that the classifier's recipe takes if nothing cuts it short."""
    epochs_2d, epochs_3d = ScratchOptions().epochs(sizes.train)
    return (epochs_3d + (0 if shipped_start(backbone) else epochs_2d)) * sizes.train * speeds.train


def _lengths(sizes: Sizes, speeds: Speeds, left: float, policies: int, whole: float) -> _Lengths:
    """What so many seconds allow; what others do not need goes to the classifier."""
    tries = speeds.policy + 4 * speeds.pull
    # two constants are fine-tuned as long as the policy is with the classifier
    clip = {"trunk": speeds.policy, "policy": tries, "joint": tries + 3 * speeds.train}
    epochs = {}
    for name, each in clip.items():
        most = int(SHARES[name] * left / (sizes.train * each))
        epochs[name] = max(1, min(most, math.ceil(ENOUGH[name] * sizes.batch(name) / sizes.train)))
    seconds = {name: epochs[name] * sizes.train * clip[name] for name in clip}
    seconds["again"] = (policies - 1) * (seconds["policy"] + seconds["joint"])
    seconds["classifier"] = min(max(left - sum(seconds.values()), SHARES["classifier"] * left), whole)
    return _Lengths(epochs, seconds)


def _learning(
    lengths: _Lengths, sizes: Sizes, speeds: Speeds, minutes: float, policies: int, whole: float
) -> list[Choice]:
    cost = f"a wrong answer costs {2 * GAMMAS[0]:g}, a right one earns up to 2 (Eq. 4)"
    if policies > 1:
        cost += f"; if that loses more than {LOST:g} point on validation clips, {GAMMAS[1]:g} is tried"
    seconds = lengths.seconds["classifier"]
    why = f"{1e3 * speeds.train:.1f} ms a clip were measured; it ends earlier if validation no longer improves"
    if seconds < ENOUGH_OF_RECIPE * whole:
        more = math.ceil(minutes + (whole - seconds) / SHARES["classifier"] / 60)
        why += f"; the whole recipe takes {duration(whole)}: --minutes {more} has room for it"
    return [
        Choice("gamma", GAMMAS[0], cost),
        Choice("classifier", f"{seconds / 60:.1f} min", why),
        _length("trunk", lengths, sizes, "of the selection network's trunk"),
        _length("policy", lengths, sizes, "of the policy beside the network as it is"),
        _length("joint", lengths, sizes, "of policy and network together"),
    ]


def _length(name: str, lengths: _Lengths, sizes: Sizes, what: str) -> Choice:
    epochs = lengths.epochs[name]
    updates = epochs * -(-sizes.train // sizes.batch(name))
    few = "" if updates >= ENOUGH[name] else f", as the minutes allow (MotionShapes' has {ENOUGH[name]})"
    return Choice(f"{name} epochs", epochs, f"{what}: {updates} updates{few}")


def _owned(choice: Choice, own: Mapping[str, Any]) -> Choice:
    value = own.get(choice.name)
    return choice if value is None else Choice(choice.name, value, "as you said")

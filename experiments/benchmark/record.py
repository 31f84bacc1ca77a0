"""What is kept of a run: one JSON file, which holds the masks of all test clips and all figures."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.agents.registry import parse
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask
from ada3d_gym.files import replacing, writing

FORMAT = 1
Track = Literal["heads", "trunk", "full"]
Feedback = Literal["bandit", "full", "none"]


@dataclass(frozen=True)
class Standing:
    """What a policy's greedy masks of a split's clips earn.

    Attributes:
        reward: mean over clips, both heads together (Eq. 5).
        accuracy: share of clips that are right, in [0, 1].
        macs: mean multiply-accumulates of the classifier for a clip.
        masks: how many different ones.
        regret: how much more each clip's best mask would earn, on average; None where that is not known.
    """

    reward: float
    accuracy: float
    macs: float
    masks: int
    regret: float | None = None


@dataclass(frozen=True)
class Point:
    """Of a learning curve: what the policy was worth after some pulls, on the test clips."""

    pulls: int
    test: Standing


@dataclass(frozen=True)
class Record:
    """A run: a task, an agent, a seed.

    Attributes:
        suite, task, track, agent, seed: of what. The agent is as on the command line, `NAME`, `NAME@PRESET` or
            `module:Class`.
        options: the agent's, all of them.
        epochs_given: whether their number was asked for; else it is what the budget allows.
        feedback: "bandit" of an agent that learns from the masks that it tries, "full" of one that looks the outcomes
            of all masks up, "none" of one that does not learn.
        pulls: masks that it tried while it learned.
        macs_selection: multiply-accumulates of its own networks for one clip.
        test, train: of its masks when it had learned; None where it was not looked at.
        curve: before learning and at stated numbers of pulls, at the end too.
        num_frames, num_stages: T and K.
        masks: of the test clips, see `pack_masks`.
        clips_sha256, classifier_sha256: of the test table: which clips, in which order, and whose answers.
        seconds: that learning took, without the judgements.
        versions: of packages.
        diverged: what happened to a training that diverged; empty of all others. What it is worth is then its last
            finite policy's.
    """

    suite: str
    task: BenchmarkTask
    track: Track
    agent: str
    seed: int
    options: dict[str, Any]
    feedback: Feedback
    pulls: int
    macs_selection: int
    test: Standing
    train: Standing | None
    curve: tuple[Point, ...]
    num_frames: int
    num_stages: int
    masks: str
    clips_sha256: str
    classifier_sha256: str
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    diverged: str = ""
    epochs_given: bool = False
    format: int = FORMAT

    def mask_array(self) -> NDArray[np.int8]:
        """Masks (n, T + K) of the test clips, in the table's order.

        Raises:
            InputError: where they are not whole.
        """
        return unpack_masks(self.masks, self.num_frames + self.num_stages)

    def write(self, path: Path) -> None:
        """Whole or not at all."""
        with writing(path), replacing(path) as part:
            part.write_text(json.dumps(asdict(self)) + "\n")


def read_record(path: Path) -> Record:
    """A record from its file, every field checked.

    Raises:
        InputError: for what is none.
    """
    try:
        content = json.loads(path.read_text(), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: no record of a benchmark run ({error}); delete it to have it made again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: no record of a benchmark run of format {FORMAT}")
    record: Record = parse(Record, content, f"field in {path}")
    return record


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON's")


def pack_masks(masks: NDArray[Any]) -> str:
    """Masks (n, L) of zeros and ones: each row's bits, the first one highest, in whole bytes; all rows in Base64."""
    return base64.b64encode(np.packbits(masks.astype(np.bool_), axis=1).tobytes()).decode()


def unpack_masks(text: str, length: int) -> NDArray[np.int8]:
    """The reverse, (n, L) int8.

    Raises:
        InputError: for what is not whole.
    """
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"masks are no Base64 ({error})") from error
    width = -(-length // 8)
    if packed.size % width:
        raise InputError(f"masks of {packed.size} bytes: expected {width} for each clip")
    return np.unpackbits(packed.reshape(-1, width), axis=1, count=length).astype(np.int8)

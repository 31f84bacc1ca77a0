"""Submissions: what a method does on a task's test clips, in one JSON file that anybody can check.

A file is of one method on one task, and of several runs where the method has seeds. It says for every run which mask
each test clip gets, which clips are right under it, and what that earns. `verify` believes none of it: it replays the
masks. What nobody can replay is declared: seeds, pulls, feedback, the policy's own multiply-accumulates, options.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.agents.registry import parse
from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.experiments.benchmark.games import standing
from ada3d_gym.experiments.benchmark.record import Feedback, Standing, Track, unpack_masks
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask, Suite, read_suite
from ada3d_gym.files import replacing, writing
from ada3d_gym.masks import mask_numbers, split_mask
from ada3d_gym.outcomes.values import Game
from ada3d_gym.registration import ENVIRONMENTS
from ada3d_gym.rewards import Answers, Cost, Shaping

FORMAT = 1
MOST_BYTES = 2**26  # of a file: a run of 100,000 clips takes 0.3 MB
MOST = 2**53  # whole numbers beyond it are none in JSON
LINK = re.compile(r"https?://[\w.~:/?#@!$&'*+,;=%-]+", re.ASCII)
LETTERS = {"agent": 80, "authors": 200, "link": 300}  # at the most


@dataclass(frozen=True)
class Rules:
    """Of a `BenchmarkTask`, what makes results comparable; no paths."""

    name: str
    env: str
    gamma: float
    cost: Cost
    reward: Shaping
    pulls: int

    @classmethod
    def of(cls, task: BenchmarkTask) -> Rules:
        return cls(task.name, task.env, task.gamma, task.cost, task.reward, task.pulls)


@dataclass(frozen=True)
class SubmittedRun:
    """One seed of a method.

    Attributes:
        seed, pulls, seconds, versions, diverged: declared, see `ada3d_gym.experiments.benchmark.record.Record`.
        masks: of all test clips in the order of the task's outcome table, as `pack_masks` packs them.
        correct: whether each clip is right under its mask: one row of bits, packed in the same way.
        test: what that earns.
    """

    seed: int
    pulls: int
    masks: str
    correct: str
    test: Standing
    seconds: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    diverged: str = ""


@dataclass(frozen=True)
class Submission:
    """A method on a task.

    Attributes:
        suite: the name of the task's suite.
        task: its rules.
        agent: what the method is called.
        runs: with different seeds.
        clips_sha256, classifier_sha256: of the outcome table of the test clips.
        num_frames, num_stages: T and K.
        track, feedback, options, macs_selection: see `ada3d_gym.experiments.benchmark.record.Record`; declared.
        authors, link: whose it is, and an http(s) address where more is to be read.
    """

    suite: str
    task: Rules
    agent: str
    runs: tuple[SubmittedRun, ...]
    clips_sha256: str
    classifier_sha256: str
    num_frames: int
    num_stages: int
    feedback: Feedback
    track: Track = "heads"
    options: dict[str, Any] = field(default_factory=dict)
    macs_selection: int = 0
    authors: str = ""
    link: str = ""
    format: int = FORMAT

    def masks(self, run: SubmittedRun) -> NDArray[np.int8]:
        """Of a run, (n, T + K).

        Raises:
            InputError: where they are not whole, or there are none.
        """
        if not run.masks:
            raise InputError("masks: expected one of each test clip")
        return unpack_masks(run.masks, self.num_frames + self.num_stages)

    def correct(self, run: SubmittedRun) -> NDArray[np.bool_]:
        """What a run claims of each clip, (n,).

        Raises:
            InputError: where there is not one bit for each of its masks.
        """
        count = len(self.masks(run))
        try:
            bits = unpack_masks(run.correct, count)
        except InputError as error:
            raise InputError(f"correct: {error}") from None
        if len(bits) != 1:
            raise InputError(f"correct: expected {count} bits, one for each clip")
        correct: NDArray[np.bool_] = bits[0].astype(np.bool_)
        return correct

    def write(self, path: Path) -> None:
        """Whole or not at all."""
        check_declared(self)
        with writing(path), replacing(path) as part:
            part.write_text(json.dumps(asdict(self), indent=1, allow_nan=False) + "\n")


def read_submission(path: Path) -> Submission:
    """A submission from its file: its form is checked, and nothing else.

    Raises:
        InputError: for what is none.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        content = json.loads(text, parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: no submission ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: no submission of format {FORMAT}; 'ada3d benchmark submit' writes one")
    try:
        submission: Submission = parse(Submission, content, "field")
        check_declared(submission)
    except InputError as error:
        told = str(error)
        raise InputError(f"{path}: {told[:400]}{' …' if len(told) > 400 else ''}") from None
    return submission


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no figure")


def check_declared(submission: Submission) -> None:
    """Raises InputError where what is declared makes no sense, or is not for this page."""
    check_track(submission.track)
    if not submission.agent.strip():
        raise InputError("agent has no name")
    for name, most in LETTERS.items():
        text = getattr(submission, name)
        if len(text) > most or not text.isprintable():
            raise InputError(f"{name} {text[:most]!r}: expected one line of at most {most} printable letters")
    if submission.link and not LINK.fullmatch(submission.link):
        raise InputError(f"link {submission.link!r}: expected an address that begins with https://")
    if not submission.runs:
        raise InputError("runs: expected at least one")
    seeds = [run.seed for run in submission.runs]
    if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
        raise InputError(f"several runs have seed {twice[0]}: expected each run once")
    whole = [submission.macs_selection, *seeds, *(run.pulls for run in submission.runs)]
    if not all(0 <= number < MOST for number in whole):
        raise InputError("seeds, pulls and macs_selection: expected whole numbers of at least 0")
    for run in submission.runs:
        if run.seconds is not None and not 0 <= run.seconds < math.inf:
            raise InputError(f"seed {run.seed}: seconds={run.seconds}: expected a finite number of at least 0")
        if submission.feedback == "bandit" and run.pulls > submission.task.pulls:
            raise InputError(
                f"seed {run.seed} took {run.pulls:,} pulls: the task's budget is {submission.task.pulls:,}"
            )


def check_track(track: Track) -> None:
    """Raises InputError for the track whose runs have classifiers of their own."""
    if track == "full":
        raise InputError(
            "a run of the full track has fine-tuned the classifier, and the masks of a submission are replayed on the "
            "task's own: submit runs of the tracks heads and trunk"
        )


def find_task(suite: Suite | str, name: str) -> BenchmarkTask:
    """A task of a suite, or of the one that `read_suite` finds.

    Raises:
        InputError: where it has none of that name.
    """
    if isinstance(suite, str):
        suite = read_suite(suite, _gammas_of(suite, name))
    tasks = {task.name: task for task in suite.tasks}
    if name not in tasks:
        expected = f"expected one of {', '.join(tasks)}{did_you_mean([name], tasks)}"
        raise InputError(f"suite {suite.name} has no task {name[:80]!r}: {expected}")
    return tasks[name]


def _gammas_of(suite: str, task: str) -> tuple[float, ...]:
    """For an id in the place of a suite, whose tasks are told apart by their gammas."""
    if suite in ENVIRONMENTS:
        with suppress(ValueError):
            return (float(task.rpartition("-gamma")[2]),)
    return ()


def earned(game: Game, masks: NDArray[Any], correct: NDArray[np.bool_]) -> Standing:
    """What masks (n, T + K) of a game's clips earn if these (n,) are right.

    Where the reward is graded by probabilities, right and wrong do not tell it: it is then the table's.
    """
    found = standing(game, masks)
    reward = found.reward
    if game.reward.reward == "accuracy":
        table = game.table
        u, v = split_mask(masks, table.num_frames, table.num_stages)
        scores, targets = np.empty((len(u), 0), np.float32), np.empty((len(u), 0), np.bool_)
        share = table.macs[mask_numbers(u, v)] / table.macs[-1]
        frames, stages = game.reward(Answers(correct, scores, targets, u, v, share))
        reward = float((frames + stages).mean())
    return replace(found, reward=reward, accuracy=float(correct.mean()), regret=game.oracle().mean - reward)

"""What a submission claims, held against its task's outcome table and against what a network answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.games import standing, task_game
from ada3d_gym.experiments.benchmark.record import Standing
from ada3d_gym.experiments.benchmark.replay import Replayed
from ada3d_gym.experiments.benchmark.submission import Rules, Submission, SubmittedRun, earned, find_task
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask, Suite, suite_names
from ada3d_gym.masks import mask_numbers, split_mask
from ada3d_gym.outcomes.values import Game
from ada3d_gym.registration import ENVIRONMENTS

EXACT = 1e-9  # figures are means of float64, summed in one order
GRADED = 2e-3  # of rewards that are graded by probabilities: a table's parts have half precision


@dataclass(frozen=True)
class Claims:
    """A run, unpacked.

    Attributes:
        where: file and seed, for messages.
        masks: (n, T + K) int8.
        numbers: theirs (n,).
        correct: what is claimed (n,) bool.
        standing: what the outcome table says that the masks earn.
    """

    where: str
    masks: NDArray[np.int8]
    numbers: NDArray[np.int64]
    correct: NDArray[np.bool_]
    standing: Standing


@dataclass(frozen=True)
class Checked:
    """A submission that agrees with the outcome table of its task.

    Attributes:
        path: its file.
        submission: what it holds.
        task, game: its clips, and what they are paid.
        runs: in the order of the submission's.
        ties: how many answers are claimed to be others than the table's, at near-ties.
    """

    path: Path
    submission: Submission
    task: BenchmarkTask
    game: Game
    runs: tuple[Claims, ...]
    ties: int

    @property
    def reward(self) -> float:
        """Mean over runs."""
        return float(np.mean([claims.standing.reward for claims in self.runs]))

    @property
    def macs(self) -> float:
        """Mean multiply-accumulates of the classifier for a clip, over runs."""
        return float(np.mean([claims.standing.macs for claims in self.runs]))


class Checker:
    """Checks everything that can be checked without a network.

    Args:
        own: suites that do not come with the package, by name.
    """

    def __init__(self, own: Mapping[str, Suite] | None = None):
        self._own = own or {}
        self._games: dict[tuple[str, str], Game] = {}  # the best masks of all clips are looked for once

    def __call__(self, path: Path, submission: Submission) -> Checked:
        """Checks one.

        Args:
            path: of its file.
            submission: what was read from it. It names no file itself: its task is looked up by name.

        Raises:
            InputError: for the first thing that is wrong.
        """
        task = self._task(path, submission)
        game = self._games.setdefault((submission.suite, task.name), task_game(task, "test"))
        _check_identity(path, submission, game)
        claims, ties = [], 0
        for run in submission.runs:
            each = _claims(f"{path}, seed {run.seed}", submission, run, game)
            ties += compare(each, game, game.table.correct(game.rows, each.numbers), "the outcome table")
            _check_figures(each.where, run.test, earned(game, each.masks, each.correct))
            claims.append(each)
        return Checked(path, submission, task, game, tuple(claims), ties)

    def _task(self, path: Path, submission: Submission) -> BenchmarkTask:
        name, own = submission.suite, self._own
        if name not in own and name not in suite_names() and name not in ENVIRONMENTS:  # it may name no file
            raise InputError(
                f"{path}: suite {name[:80]!r} does not come with this package: give its file, --suite FILE"
            )
        try:
            task = find_task(own.get(name, name), submission.task.name)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        theirs, ours = asdict(submission.task), asdict(Rules.of(task))
        differing = [f"{key}={theirs[key]!r:.80} instead of {ours[key]!r}" for key in ours if theirs[key] != ours[key]]
        if differing:
            raise InputError(f"{path} is of a task {task.name} with other rules: {', '.join(differing)}")
        return task


def _check_identity(path: Path, submission: Submission, game: Game) -> None:
    about = game.table.about
    for name, value, other in (
        ("num_frames", about.num_frames, "clips of another length"),
        ("num_stages", game.table.num_stages, "another classifier"),
        ("clips_sha256", about.clips_sha256, "other test clips"),
        ("classifier_sha256", about.classifier_sha256, "another classifier"),
    ):
        if (given := getattr(submission, name)) != value:
            raise InputError(f"{path} is of {other}: {name} is {given!r:.80}, and the task's {value!r}")


def _claims(where: str, submission: Submission, run: SubmittedRun, game: Game) -> Claims:
    try:
        masks, correct = submission.masks(run), submission.correct(run)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if len(masks) != len(game):
        raise InputError(f"{where}: masks of {len(masks):,} clips, and the task has {len(game):,} test clips")
    numbers = mask_numbers(*split_mask(masks, game.table.num_frames, game.table.num_stages))
    return Claims(where, masks, numbers, correct, standing(game, masks))


def _check_figures(where: str, claimed: Standing, found: Standing) -> None:
    for name, value in asdict(found).items():
        given = getattr(claimed, name)
        alike = given == value or (
            isinstance(given, float) and math.isclose(given, value, rel_tol=EXACT, abs_tol=EXACT)
        )
        if not alike:
            raise InputError(f"{where}: {name} is claimed to be {given}, and its masks and outcomes make {value}")


def compare(
    claims: Claims, game: Game, correct: NDArray[np.bool_], who: str, files: NDArray[np.object_] | None = None
) -> int:
    """Holds what is claimed of the first clips against answers on them.

    Args:
        claims: of all clips.
        game: theirs.
        correct: the answers on the first of them, (m,) bool.
        who: gave them, for messages.
        files: of the videos (m,), where they are known.

    Returns:
        How many differ, all of them near-ties.

    Raises:
        InputError: naming the first clip that differs otherwise.
    """
    differing = np.flatnonzero(claims.correct[: len(correct)] != correct)
    near = game.table.is_near_tie(game.rows[differing], claims.numbers[differing])
    if len(wrong := differing[~near]):
        first = int(wrong[0])
        video, view = divmod(int(game.table.arrays["clip"][game.rows[first]]), game.table.about.views)
        file = "" if files is None else f", {Path(files[first]).name}"
        claimed, found = ("right" if each[first] else "wrong" for each in (claims.correct, correct))
        more = f"; {len(wrong) - 1:,} more clips differ" if len(wrong) > 1 else ""
        raise InputError(
            f"{claims.where}: clip {first} (video {video}{file}, view {view}): claimed {claimed}, {who} says "
            f"{found}{more}"
        )
    return len(differing)


def compare_replayed(claims: Claims, game: Game, answers: Replayed) -> int:
    """The same for a network's answers; where rewards are graded by probabilities, their mean too."""
    ties = compare(claims, game, answers.correct, "the network", answers.files)
    if game.reward.reward != "accuracy":
        looked_up = game.values(claims.masks)[: len(answers.reward)].mean()
        allowed = GRADED * 2 * (1 + game.reward.gamma)
        if abs(answers.reward.mean() - looked_up) > allowed:
            raise InputError(f"{claims.where}: the network pays {answers.reward.mean()}, the outcome table {looked_up}")
    return ties

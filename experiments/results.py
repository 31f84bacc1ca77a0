"""What a method reached, one JSON line each, written as it comes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ada3d_gym import parallel
from ada3d_gym.errors import InputError
from ada3d_gym.evaluation import Evaluation, Usage
from ada3d_gym.experiments.claims import claim
from ada3d_gym.files import replacing, writing


@dataclass(frozen=True)
class Result:
    """One method on a test split.

    Attributes:
        method: its name.
        top1, map: percent, of videos.
        gmacs: mean 10^9 multiply-accumulates of the classifier for a clip.
        gmacs_selection: what the policy's own network adds to that.
        frames, stages: kept on average.
        distinct_masks: over all test clips.
        seconds: wall time of the evaluation; after an interruption, of what was left of it.
        seed: of the run.
        by_family, by_class: clip top-1 (percent), frames and stages of each.
        visible_kept, visible_chance: percent of kept frames that show the class, and of all frames that do,
            over clips in which some frames do not; None where there are none.
        reward: mean of the clips' rewards, under the run's own penalty.
        milliseconds: measured time a clip, of the classifier and the policy's own network together, see
            `experiments.timing`; None where it was not measured.
        milliseconds_selection: the part of the policy's own network.
        left_out: numbers of clips and whole videos that could not be decoded, so that all figures are without them, and
            the bad files with their causes; empty where there are none.
        regret: how much more than `reward` the best mask of each clip pays, on average; None where no outcome table of
            these clips and this classifier ships.
        clip_top1: percent, of clips.
        run: all that makes the run again, where the command notes it, with the versions of what it ran on.
        judged: what it was judged on, where the command notes it; see `experiments.judging.record`.
    """

    method: str
    top1: float
    map: float
    gmacs: float
    gmacs_selection: float
    frames: float
    stages: float
    distinct_masks: int
    seconds: float
    seed: int
    by_family: dict[str, dict[str, float]] = field(default_factory=dict)
    visible_kept: float | None = None
    visible_chance: float | None = None
    reward: float | None = None
    by_class: dict[str, dict[str, float]] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    judged: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, Any] = field(default_factory=dict)
    milliseconds: float | None = None
    milliseconds_selection: float | None = None
    regret: float | None = None
    clip_top1: float | None = None

    @property
    def gmacs_total(self) -> float:
        """What a clip costs in all: the classifier and the policy's own network."""
        return self.gmacs + self.gmacs_selection


def with_times(result: Result, times: tuple[float, float]) -> Result:
    """The result with measured milliseconds a clip: of all, and of the policy's own network."""
    total, selection = (round(each, 4) for each in times)
    return replace(result, milliseconds=total, milliseconds_selection=selection)


def summarise(
    method: str,
    evaluation: Evaluation,
    *,
    gmacs_selection: float,
    seconds: float,
    seed: int,
    run: dict[str, Any] | None = None,
    judged: dict[str, Any] | None = None,
    best: float | None = None,
) -> Result:
    """The result of an evaluation; `best` is the mean reward of the best masks, where that is known."""
    usage = evaluation.usage
    return Result(
        method=method,
        top1=round(100 * evaluation.top1, 2),
        clip_top1=round(100 * usage.clip_top1, 4),
        map=round(100 * evaluation.map, 2),
        gmacs=round(usage.macs / 1e9, 6),
        gmacs_selection=round(gmacs_selection, 6),
        frames=round(usage.frames, 3),
        stages=round(usage.stages, 3),
        distinct_masks=evaluation.distinct_masks,
        seconds=round(seconds, 2),
        seed=seed,
        by_family=_groups(evaluation.by_family),
        by_class=_groups(evaluation.by_class),
        run=run or {},
        judged=judged or {},
        left_out=asdict(evaluation.left_out) if evaluation.left_out.clips else {},
        visible_kept=_percent(evaluation.visible_kept),
        visible_chance=_percent(evaluation.visible_chance),
        reward=round(evaluation.reward, 4),
        regret=None if best is None else round(best - evaluation.reward, 4),
    )


def _groups(usages: dict[str, Usage]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "top1": round(100 * usage.clip_top1, 2),
            "frames": round(usage.frames, 3),
            "stages": round(usage.stages, 3),
        }
        for name, usage in usages.items()
    }


class ResultFile:
    """`results.jsonl`: a line a method; a last line that an interruption cut short counts as absent.

    Args:
        path: of the file; its lines are read anew before any is added, as other processes may have added some.
        apart: a method has a line for each thing that it was judged on, instead of one.

    Raises:
        InputError: for a file of anything else, which is left as it is.
    """

    def __init__(self, path: Path, *, apart: bool = False):
        self.path, self.apart = path, apart
        self._lines = self._read()

    @property
    def results(self) -> dict[str, Result]:
        """By method, the last line of each."""
        return {line.method: line for line in self._lines}

    def add(self, result: Result) -> None:
        """Writes a line, in the place of the one that it replaces."""
        if parallel.rank() > 0:
            self._lines = self._with(self._lines, result)
            return
        with writing(self.path), claim(self.path.with_name(f"{self.path.name}.own"), fatal=False, blocking=True):
            self._lines = self._with(self._read(), result)
            with replacing(self.path) as part:
                part.write_text("".join(json.dumps(asdict(line)) + "\n" for line in self._lines))

    def _with(self, lines: Iterable[Result], result: Result) -> list[Result]:
        found = {self._key(line): line for line in lines}
        return list((found | {self._key(result): result}).values())

    def _key(self, line: Result) -> str:
        return line.method + (json.dumps(line.judged, sort_keys=True) if self.apart else "")

    def _read(self) -> list[Result]:
        try:
            lines = self.path.read_text().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError:
            lines = [""]
        results = []
        for number, line in enumerate(lines, start=1):
            try:
                results.append(Result(**json.loads(line)))
            except (json.JSONDecodeError, TypeError):
                if number < len(lines) or not line.startswith("{"):
                    raise InputError(f"{self.path}: not a file of results (line {number}); choose another") from None
        return results


def _percent(share: float) -> float | None:
    return None if np.isnan(share) else round(100 * share, 2)  # NaN is not JSON

"""The runs that the paper's tables and figures are made of, each trained once however many ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ada3d_gym.experiments.paper.options import Composer, PaperOptions
from ada3d_gym.experiments.plan import Row, Task, carry_out, time_rows
from ada3d_gym.experiments.rivals import Rivals
from ada3d_gym.experiments.runs import Run, views_name
from ada3d_gym.experiments.timing import one_thread
from ada3d_gym.experiments.training import saving_every

LEARNED = "Ada3D"
STAGE_1, STAGE_2 = "Ada3D, stage 1 only", "Ada3D, stage 2 only"
HEADS = {"stages learned": "stages", "frames learned": "frames"}


@dataclass(frozen=True)
class Method:
    """How a row is come by.

    Attributes:
        folder: of its run.
        line: of the run's results.
        make: the run.
        needs: folders of runs that must be finished before.
        upper: folder of the run that begins all of its kind, and judges Upper for them; "pretrained" of the environment
            by default.
    """

    folder: Path
    line: str
    make: Callable[[], Run]
    needs: tuple[Path, ...] = ()
    upper: Path | None = None


class PaperRuns:
    """What tables have asked for so far.

    Args:
        options: of the command.

    Attributes:
        tasks: the runs, by folder.
    """

    def __init__(self, options: PaperOptions):
        self.options = options
        self.tasks: dict[Path, Task] = {}
        self._timed: dict[str, dict[str, Row]] = {}  # rows of the first seed, by environment
        self._finished: set[Path] = set()

    def rows(
        self, method: str, *, env: str | None = None, gamma: float | None = None, views: int | None = None
    ) -> list[Row]:
        """A row's runs, one a seed; `finish` trains them.

        Args:
            method: "Upper", "2D only", "Random", "Random FT", "Fixed", "Fixed FT (same operations)", "Fixed FT (same
                accuracy)", "Ada3D", "Ada3D, stage 1 only", "Ada3D, stage 2 only", "stages learned", "frames learned".
            env: an environment's id; that of the options by default.
            gamma: penalty of a wrong answer; the configuration's by default.
            views: judged by so many clips of each video, see `Run.also_views`.
        """
        env = env or self.options.id
        if gamma == self.default_gamma:
            gamma = None
        found = []
        for seed in range(self.options.seeds):
            each = self._methods(env, seed, gamma)[method]
            row = Row(each.folder, each.line if views is None else views_name(each.line, views))
            self._require(env, seed, gamma, each)
            if seed == 0 and gamma is None and views is None:
                self._timed.setdefault(env, {})[method] = row
            found.append(row)
        return found if len({row.folder for row in found}) > 1 else found[:1]  # of one run for all seeds, one

    @property
    def default_gamma(self) -> float:
        """The configuration's."""
        return Composer(self.options, self.options.id, 0, self._shared(self.options.id, "pretrained")).first().gamma

    def finish(self) -> None:
        """Trains and judges what is missing, then measures time, of the first seed's runs.

        Raises:
            RunError, InputError: what went wrong in a run.
        """
        options, device = self.options, self.options.device
        where: Any = {"wait": options.wait or None, "ray": options.ray, "ray_cpus": options.ray_cpus}
        with one_thread(device), saving_every(options.save_minutes):
            self._finished = carry_out(list(self.tasks.values()), device, **where)
            for rows in self._timed.values():
                time_rows({name: row for name, row in rows.items() if row.folder in self._finished}, device)

    def done(self, rows: Iterable[Row]) -> list[Row]:
        """Those of finished runs: all but those in which another process works."""
        return [row for row in rows if row.folder in self._finished]

    def _require(self, env: str, seed: int, gamma: float | None, method: Method) -> None:
        if method.folder in self.tasks:
            return
        known = {each.folder: each for each in self._methods(env, seed, gamma).values()}
        for folder in method.needs:
            self._require(env, seed, gamma, known[folder])
        upper = method.upper or self._shared(env, "pretrained")
        own = method.folder == upper
        needs = method.needs if own else (upper, *method.needs)
        if not own:
            self._require(env, seed, gamma, known[upper])
        self.tasks[method.folder] = Task(method.folder, method.make, needs, None if own else upper)

    def _shared(self, env: str, name: str) -> Path:
        return self.options.folder / env / name

    def _methods(self, env: str, seed: int, gamma: float | None) -> dict[str, Method]:
        pretrained, search = self._shared(env, "pretrained"), self._shared(env, "best-fixed")
        flat = self._shared(env, "uniform")
        first, composed = (Composer(self.options, env, each, pretrained) for each in (0, seed))
        own = self._shared(env, f"seed{seed}")
        if gamma is not None:
            composed, own = Composer(self.options, env, seed, pretrained, gamma), own / f"gamma{gamma:g}"
        learned = own / "reinforce"
        rivals = Rivals(composed, learned, search)
        both = (learned, search)
        same_operations, same_accuracy = rivals.fixed_ft_operations, rivals.fixed_ft_accuracy
        methods = {
            "Upper": Method(pretrained, "Upper", first.first),
            "2D only": Method(flat, "uniform", partial(first, "uniform")),
            "Random": Method(own / "random", "random", rivals.random, (learned,)),
            "Random FT": Method(own / "random-ft", "random", rivals.random_ft, (learned,)),
            "Fixed": Method(search, "best-fixed", Rivals(first, learned, search).best_fixed),
            "Fixed FT (same operations)": Method(own / "fixed-ft-operations", "fixed", same_operations, both),
            "Fixed FT (same accuracy)": Method(own / "fixed-ft-accuracy", "fixed", same_accuracy, both),
            LEARNED: Method(learned, "reinforce", partial(composed, "reinforce")),
            STAGE_1: Method(learned, "reinforce, stage 1 only", partial(composed, "reinforce")),
            STAGE_2: Method(own / "stage-2", "reinforce", partial(composed, "reinforce", {"epochs": 0})),
        }
        for name, head in HEADS.items():
            make = partial(rivals.one_head, head)
            methods[name] = Method(own / f"{head}-learned", "reinforce", make, (learned,))
        return methods

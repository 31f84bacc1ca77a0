"""Runs of Table 2: each trains a method with a seed, and judges it at every setting of its knob, once and for all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ada3d_gym.agents.looking.adaframe_options import Where
from ada3d_gym.agents.looking.adaframe_policy import AdaFramePolicy
from ada3d_gym.agents.looking.adaframe_training import AdaFrameTraining
from ada3d_gym.agents.looking.judging import Judgement, Unrolled, judge, unroll
from ada3d_gym.agents.looking.references import EarlyExit, Oracle, RandomPlaces, Uniform
from ada3d_gym.agents.looking.sb3 import Algorithm, train_sb3
from ada3d_gym.agents.looking.stopping import Confidence, Patience, Stopping, never, published_patience
from ada3d_gym.agents.states import load_state, save_state
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.jobs import claimed_file
from ada3d_gym.experiments.paper.table2_options import Table2Options, plain
from ada3d_gym.experiments.paper.table2_splits import Splits
from ada3d_gym.experiments.timing import one_thread
from ada3d_gym.files import replacing
from ada3d_gym.progress import Progress
from ada3d_gym.untrimmed.protocols import LookPolicy

MUS = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
LSTMS: dict[str, Where] = {"AdaFrame": "learned", "Uniform + LSTM": "uniform"}
RIVALS: dict[str, Algorithm] = {"PPO": "ppo", "RecurrentPPO": "recurrent-ppo"}
SAVE_EVERY = 30.0  # seconds


@dataclass(frozen=True)
class Point:
    """A setting of a method's knob, and what it is worth.

    Attributes:
        rule: "never" stops before all looks are made; "patience" and "confidence" do.
        knob: μ of "patience", the threshold of "confidence"; of "never", the number of looks.
        times: p of "patience".
        val, test: on these videos.
    """

    rule: str
    knob: float
    times: int
    val: Judgement
    test: Judgement


@dataclass(frozen=True)
class LookingJob:
    """A run, and the file that gets its points: it is there once the run is done, and only then."""

    method: str
    clips: int
    seed: int
    options: Table2Options
    splits: Splits

    @property
    def path(self) -> Path:
        name = self.method.lower().replace(" + ", "-").replace(" ", "-")
        return self.options.folder / name / f"clips{self.clips}" / f"seed{self.seed}.json"

    @property
    def folder(self) -> Path:
        """For messages."""
        return self.path

    @property
    def device(self) -> str:
        return self.options.device

    @property
    def title(self) -> str:
        return f"{self.method}, {self.clips} clips, seed {self.seed}"

    def is_done(self) -> bool:
        return self.path.exists()

    def do(self) -> None:
        """Computes the points and writes them, unless that has been done.

        Raises:
            BusyFolder: where another process computes them.
        """
        with claimed_file(self.path), one_thread(self.device):
            if self.is_done():
                return
            start = time.perf_counter()
            points = [asdict(point) for point in self._points()]
            found = {"about": self._about(), "points": points, "seconds": round(time.perf_counter() - start, 1)}
            with replacing(self.path, "choose another --output") as part:
                part.write_text(json.dumps(found, indent=1) + "\n")

    def read(self) -> list[Point] | None:
        """What `do` has written; None if it has not.

        Raises:
            InputError: for a file of a run with other options or networks.
        """
        if not self.is_done():
            return None
        try:
            found = json.loads(self.path.read_text())
            about, points = found["about"], [_point(each) for each in found["points"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}: not this command's ({error}); delete it to run that part again") from None
        if about != json.loads(json.dumps(self._about())):
            raise InputError(f"{self.path} is of a run with other options or networks: choose another --output")
        return points

    def _about(self) -> dict[str, Any]:
        about = {"method": self.method, "clips": self.clips, "seed": self.seed, "asked": self.options.asked}
        return about | {"networks": self.splits.networks, "training": self._training()}

    def _training(self) -> dict[str, Any]:
        if self.method in LSTMS:
            return plain(self.options.adaframe(self.clips, LSTMS[self.method]))
        if self.method in RIVALS:
            return plain(self.options.sb3(self.clips, RIVALS[self.method], len(self.splits.train)))
        return {}

    def _points(self) -> list[Point]:
        clips, device = self.clips, self.device
        if self.method in LSTMS:
            return self._of_lstm(LSTMS[self.method])
        if self.method in RIVALS:
            options = self.options.sb3(clips, RIVALS[self.method], len(self.splits.train))
            return [self._judged(train_sb3(self.splits.train, options, seed=self.seed, device=device))]
        if self.method == "Early exit":
            val, test = (unroll(lambda rule: EarlyExit(clips, rule), each) for each in self._judged_on)
            return _front(val, test, [("confidence", each, 1) for each in THRESHOLDS])
        simple: dict[str, LookPolicy] = {
            "Uniform": Uniform(clips),
            "Random": RandomPlaces(clips, self.seed),
            "Oracle": Oracle(),
        }
        return [self._judged(simple[self.method])]

    def _of_lstm(self, where: Where) -> list[Point]:
        options = self.options.adaframe(self.clips, where)
        training = AdaFrameTraining(self.splits.train, options, seed=self.seed, device=self.device)
        path, saved = self.path.with_suffix(".pt"), time.perf_counter()
        if (state := load_state(path)) is not None:
            training.load_state_dict(state)
        with Progress(options.epochs, self.title, "epoch", training.epoch) as shown:
            while training.epoch < options.epochs:
                training.train_epoch()
                shown.add()
                if time.perf_counter() - saved > SAVE_EVERY or training.epoch == options.epochs:
                    save_state(path, training.state_dict())
                    saved = time.perf_counter()
        network = training.network
        val, test = (
            unroll(lambda rule: AdaFramePolicy(network, self.clips, rule, where), each, network.macs())
            for each in self._judged_on
        )
        patience = sorted({1, 2, published_patience(self.clips)})
        rules = [("never", float(self.clips), 1)]
        rules += [("patience", mu, times) for times in patience if times < self.clips for mu in MUS]
        return _front(val, test, rules + [("confidence", each, 1) for each in THRESHOLDS])

    def _judged(self, policy: LookPolicy) -> Point:
        val, test = (judge(policy, each) for each in self._judged_on)
        return Point("never", float(self.clips), 1, val, test)

    @property
    def _judged_on(self) -> tuple[Any, Any]:
        return self.splits.val, self.splits.test


def _front(val: Unrolled, test: Unrolled, rules: Iterable[tuple[str, float, int]]) -> list[Point]:
    def made(rule: str, knob: float, times: int) -> Stopping:
        if rule == "never":
            return never
        return Patience(knob, times) if rule == "patience" else Confidence(knob)

    return [Point(*each, val.judge(made(*each)), test.judge(made(*each))) for each in rules]


def _point(values: dict[str, Any]) -> Point:
    judged = {name: Judgement(**values[name] | {"counts": tuple(values[name]["counts"])}) for name in ("val", "test")}
    return Point(values["rule"], values["knob"], values["times"], **judged)

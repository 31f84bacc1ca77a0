"""The runs of a start: the policy's own, and what needs no learning of masks beside it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from ada3d_gym.agents.search import CONSTANTS, read_best
from ada3d_gym.experiments.own.choosing import Policy, best_of, keep, train_policies
from ada3d_gym.experiments.own.lists import HEAD
from ada3d_gym.experiments.pipeline import train_run
from ada3d_gym.experiments.plan import Row, Task, carry_out, time_rows
from ada3d_gym.experiments.pretraining import begun_from, pretraining
from ada3d_gym.experiments.results import Result, ResultFile
from ada3d_gym.experiments.rivals import Rivals
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.files import replacing
from ada3d_gym.progress import duration
from ada3d_gym.video.clips import VideoClips

ENV = "Ada3D-Videos-v0"
AGENT = "reinforce"
BEGIN = "begin"  # folder, beside those of policies, of what they begin from
LEARNED, STAGE_1 = "Ada3D", "Ada3D, stage 1 only"
SAME_OPERATIONS, SAME_ACCURACY = "Fixed FT (same operations)", "Fixed FT (same accuracy)"


class Runs:
    """The runs below a folder.

    Args:
        output: holds `lists` and `settings.yaml`, the `policies` and what they begin from, the best of them as `model`,
            and the `rivals`.
        gammas: penalties of a wrong answer, rising; see `own.choosing.train_policies`.
        seed: of all.
        device: where networks run.
        workers: threads that decode; `ada3d_gym.workers.default_workers()` by default.
    """

    def __init__(self, output: Path, gammas: Sequence[float], seed: int, device: str, workers: int | None = None):
        self.output, self.gammas, self.seed = output, gammas, seed
        self.device, self.workers = device, workers
        self.lists, self.settings, self.model = output / "lists", output / "settings.yaml", output / "model"
        self.policies: list[Policy] = []
        search, operations, accuracy = (
            output / "rivals" / name for name in ("best-fixed", "fixed-ft-operations", "fixed-ft-accuracy")
        )
        self.policies_at, self.begin, self.search = output / "policies", output / "policies" / BEGIN, search
        rivals = Rivals(self._beside, self.model, search)
        self._search = Task(search, rivals.best_fixed, upper=self.begin)
        self._tuned = [
            Task(operations, rivals.fixed_ft_operations, upper=self.begin),
            Task(accuracy, rivals.fixed_ft_accuracy, upper=self.begin),
        ]
        self.rows = {
            "Upper": Row(self.model, "Upper"),
            "Fixed": Row(search, "best-fixed"),
            SAME_OPERATIONS: Row(operations, "fixed"),
            SAME_ACCURACY: Row(accuracy, "fixed"),
            STAGE_1: Row(self.model, f"{AGENT}, stage 1 only"),
            LEARNED: Row(self.model, AGENT),
        }

    def write_settings(self, config: dict[str, Any]) -> None:
        """Writes `settings.yaml`, which the runs are composed from.

        Raises:
            OutputError: where it cannot be written.
        """
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        with replacing(self.settings, "choose another --output") as part:
            part.write_text(f"{HEAD}, for 'ada3d train {ENV} --config'\n{text}")

    def compose(self, agent: str, options: dict[str, Any] | None = None, gamma: float | None = None) -> Run:
        """A run that trains everything, by its agent and options."""
        environment = {"data_root": str(self.lists.absolute()), "workers": self.workers}
        gamma = self.gammas[0] if gamma is None else gamma
        return compose(
            ENV, agent, self.seed, config=self.settings, options=options, environment=environment, gamma=gamma
        )

    def command(self) -> str:
        """What trains the same by hand."""
        words = ["ada3d", "train", ENV, "--config", str(self.settings), "--data-root", str(self.lists)]
        gamma = best_of(self.policies).gamma if self.policies else self.gammas[0]
        words += ["--gamma", f"{gamma:g}"] * (gamma != self.gammas[0])
        if (self.search / CONSTANTS).exists():
            words += ["--set", f"begin={self._constant}"]
        words += ["--seed", f"{self.seed}"] * bool(self.seed) + ["--device", self.device] * (self.device != "cpu")
        return shlex.join([*words, "--output", str(self.output / "by-hand")])

    def finish(self, seconds: Mapping[str, float]) -> dict[str, Result]:
        """Trains and judges what is missing; returns all results by method, which `results.jsonl` holds, too.

        Args:
            seconds: that each part was expected to take, see `own.proposal.Proposal`.
        """
        _say("1 of 4: decoding the clips, once", seconds["decoding"])
        for split in ("train", "test"):
            clips = self.compose(AGENT).bandit(split, self.device).source
            assert isinstance(clips, VideoClips)
            clips.fill_cache(f"decoding {split}")
            clips.close()
        _say("2 of 4: training the selection network's trunk and the 3D network", seconds["classifier"])
        train_run(self._first, self.begin, self.device, timed=False)
        _say("3 of 4: the best constant mask, and a policy that begins from it", seconds["selection network"])
        carry_out([self._search], self.device, count=1)
        options = {"begin": self._constant}
        self.policies = train_policies(
            lambda gamma: self._beside(AGENT, options, gamma), self.gammas, self.policies_at, self.begin, self.device
        )
        keep(best_of(self.policies), self.model)
        _say("4 of 4: two fine-tuned constants to compare, time, and the report", seconds["judging and report"])
        carry_out(self._tuned, self.device, count=1)
        time_rows(self.rows, self.device)
        found = ResultFile(self.output / "results.jsonl")
        for method, row in self.rows.items():
            line = Result(**asdict(row.result) | {"method": method})
            if found.results.get(method) != line:
                found.add(line)
        return {method: found.results[method] for method in self.rows}

    @cached_property
    def _first(self) -> Run:
        return pretraining(self.compose(AGENT))

    @property
    def _constant(self) -> str:
        """The constant mask that pays best on the training clips."""
        return read_best(self.search).mask

    def _beside(self, agent: str, options: dict[str, Any] | None = None, gamma: float | None = None) -> Run:
        """A run that begins from the classifier and the trunk that were trained first, as `rivals.Compose` has it."""
        return begun_from(self.compose(agent, options, gamma), self._first, self.begin)


def _say(what: str, seconds: float) -> None:
    print(f"\n== {what} (about {duration(seconds)})", flush=True)

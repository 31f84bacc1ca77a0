"""The runs of a start: the policy's own, and what needs no learning of masks beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ada3d_gym.experiments.own.lists import HEAD
from ada3d_gym.experiments.own.proposal import duration
from ada3d_gym.experiments.plan import Row, Task, carry_out, time_rows
from ada3d_gym.experiments.results import Result, ResultFile
from ada3d_gym.experiments.rivals import Rivals
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.experiments.train import train_run
from ada3d_gym.files import replacing
from ada3d_gym.video.clips import VideoClips

ENV = "Ada3D-Videos-v0"
AGENT = "reinforce"
LEARNED, STAGE_1 = "Ada3D", "Ada3D, stage 1 only"
SAME_OPERATIONS, SAME_ACCURACY = "Fixed FT (same operations)", "Fixed FT (same accuracy)"


class Runs:
    """The runs below a folder.

    Args:
        output: the folder: holds `lists` and `settings.yaml`, the policy's run `model`, and the `rivals`.
        seed: of all.
        device: where networks run.
    """

    def __init__(self, output: Path, seed: int, device: str):
        self.output, self.seed, self.device = output, seed, device
        self.lists, self.settings, self.model = output / "lists", output / "settings.yaml", output / "model"
        self.search = output / "rivals" / "best-fixed"
        self.rivals = rivals = Rivals(self.compose, self.model, self.search)
        both = (self.model, self.search)
        operations, accuracy = (output / "rivals" / f"fixed-ft-{name}" for name in ("operations", "accuracy"))
        self._learned = Task(self.model, partial(self.compose, AGENT))
        self._tasks = [
            self._task(self.search, rivals.best_fixed, (self.model,)),
            self._task(operations, rivals.fixed_ft_operations, both),
            self._task(accuracy, rivals.fixed_ft_accuracy, both),
        ]
        self.rows = {
            "Upper": Row(self.model, "Upper"),
            "Fixed": Row(self.search, "best-fixed"),
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

    def compose(self, agent: str, options: dict[str, Any] | None = None) -> Run:
        """A run by its agent and options, as `rivals.Compose` has it."""
        environment = {"data_root": str(self.lists.absolute())}
        return compose(ENV, agent, self.seed, config=self.settings, options=options, environment=environment)

    def command(self) -> str:
        """What trains the same by hand."""
        words = ["ada3d train", ENV, f"--config {self.settings}", f"--data-root {self.lists}", f"--output {self.model}"]
        words += [f"--seed {self.seed}"] * bool(self.seed) + [f"--device {self.device}"] * (self.device != "cpu")
        return " ".join(words)

    def finish(self, seconds: Mapping[str, float]) -> dict[str, Result]:
        """Trains and judges what is missing; returns all results by method, which `results.jsonl` holds, too.

        Args:
            seconds: that each part was expected to take, see `own.proposal.Proposal`.
        """
        run_ = self.compose(AGENT)
        _say("1 of 4: decoding the clips, once", seconds["decoding"])
        for split in ("train", "test"):
            clips = run_.bandit(split, self.device).source
            assert isinstance(clips, VideoClips)
            clips.fill_cache(f"decoding {split}")
            clips.close()
        learning = seconds["classifier"] + seconds["selection network"]
        _say("2 of 4: training the selection network's trunk, the 3D network, the policy, and both together", learning)
        train_run(run_, self.model, self.device, timed=False)
        _say("3 of 4: the best constant mask, and constants fine-tuned as Ada3D is, to compare", seconds["constants"])
        carry_out([self._learned, *self._tasks], self.device, count=1)
        _say("4 of 4: measuring time, and the report", seconds["judging and report"])
        time_rows(self.rows, self.device)
        found = ResultFile(self.output / "results.jsonl")
        for method, row in self.rows.items():
            line = Result(**asdict(row.result) | {"method": method})
            if found.results.get(method) != line:
                found.add(line)
        return {method: found.results[method] for method in self.rows}

    def _task(self, folder: Path, make: Callable[[], Run], needs: tuple[Path, ...]) -> Task:
        return Task(folder, make, needs, self.model)


def _say(what: str, seconds: float) -> None:
    print(f"\n== {what} (about {duration(seconds)})", flush=True)

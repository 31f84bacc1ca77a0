"""What all commands of the paper take, and the runs that they compose from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from ada3d_gym.building import RANDOM
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.demo import QUICK, QUICK_VIDEOS
from ada3d_gym.experiments.folders import check_output
from ada3d_gym.experiments.pretraining import begun_from, pretraining
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.precision import Precision
from ada3d_gym.registration import ENVIRONMENTS, check_id

MOTIONSHAPES = "Ada3D-MotionShapes-v1"
PROTOCOL_CLIPS = 3  # of a test video in Tables 5 and 6


@dataclass(frozen=True)
class PaperOptions:
    """What is reproduced, on what and where.

    Attributes:
        id: an environment with I3D and clips of 8 frames; tables of other networks and lengths take its siblings.
        seeds: runs of each row, with seeds 0, 1, …
        quick: few videos and one epoch of each kind, to see every part run; its numbers mean nothing.
        output: folder of all runs; OUTPUT/ID/seedN/METHOD has one, OUTPUT/ID/pretrained what they share.
        device: where networks run.
        workers: threads that decode, of each process; its part of the cores by default.
        precision: of all passes that train a network; the configuration's by default.
        data_root: folder of the videos; what the set's environment variable names by default.
        checkpoint: weights of I3D to begin from; for MotionShapes, the shipped ones by default.
        slowonly_checkpoint: the same of SlowOnly; this package's weights of an I3D fit, too.
        backbone: I3D's name, as i3d_tiny for small videos; the id's own by default. SlowOnly follows it.
        size: side of the clips; the paper's by default (224 for training, 256 for testing).
        videos: use the first so many of each split only.
        trunk: weights that the selection network's trunk starts from.
        config: YAML file of settings; experiments/configs/DATASET.yaml by default.
        json: file that gets all results, too.
        ray: address of a Ray cluster that trains the runs, as HOST:PORT; "auto" for the one that this machine belongs
            to, "local" for one of this machine alone. Needs the extra "ray", and an --output that its nodes share.
        ray_cpus: CPU cores that each run has to itself there.
        wait: for runs in which other processes work, and for those that need them; within a SLURM array in any case.
        save_minutes: between states that are saved within a long epoch; 10 by default.
    """

    id: str = MOTIONSHAPES
    seeds: int = 3
    quick: bool = False
    output: Path = Path("runs/paper")
    device: str = "cpu"
    workers: int | None = None
    precision: Precision | None = None
    data_root: Path | None = None
    checkpoint: Path | None = None
    slowonly_checkpoint: Path | None = None
    backbone: str | None = None
    size: int | None = None
    videos: int | None = None
    trunk: str | None = None
    config: Path | None = None
    json: Path | None = None
    ray: str | None = None
    ray_cpus: int = 1
    wait: tyro.conf.FlagCreatePairsOff[bool] = False
    save_minutes: float | None = None

    def check(self) -> None:
        """Raises InputError for what cannot be, before anything is computed."""
        checked_device(self.device)
        check_id(self.id)
        environment = ENVIRONMENTS[self.id]
        if environment["num_frames"] != 8 or not environment["backbone"].startswith("i3d"):
            raise InputError(f"id={self.id}: expected one with I3D and 8 frames, as {self.sibling()}; others follow")
        for name in ("seeds", "ray_cpus"):
            if (least := getattr(self, name)) < 1:
                raise InputError(f"{name}={least}: expected at least 1")
        if self.backbone is not None and not self.backbone.startswith("i3d_"):
            raise InputError(f"backbone={self.backbone}: expected an I3D, such as i3d_tiny")
        for name in ("size", "videos", "workers"):
            if (number := getattr(self, name)) is not None and number < 1:
                raise InputError(f"{name}={number}: expected at least 1")
        for name in ("checkpoint", "slowonly_checkpoint", "trunk"):  # what one process finds later costs minutes
            given = getattr(self, name)
            if given is not None and given != RANDOM and not Path(given).is_file():
                raise InputError(f"{name}={given}: no such file")
        if self.json is not None:
            check_output(self.json, "--json")

    def sibling(self, network: str = "i3d", num_frames: int = 8) -> str:
        """The id of the same videos with another network ("i3d", "slowonly") and length."""
        dataset = ENVIRONMENTS[self.id]["dataset"]
        for name, options in ENVIRONMENTS.items():
            wanted = options["dataset"] == dataset and options["num_frames"] == num_frames
            if wanted and options["backbone"].startswith(network):
                return name
        raise InputError(f"no environment has {dataset} with {network} and {num_frames} frames")

    @property
    def dataset(self) -> str:
        """By its name on command lines."""
        return str(ENVIRONMENTS[self.id]["dataset"])

    @property
    def folder(self) -> Path:
        """Of all runs."""
        return self.output / "quick" if self.quick else self.output


DEFAULTS = PaperOptions()


@dataclass(frozen=True)
class Composer:
    """Makes the runs of an environment and a seed; all but the first begin from what that has trained.

    Attributes:
        options: of the command.
        env: the environment's id.
        seed: of the runs.
        pretrained: folder of the run that trains classifier and selection trunk; finished before others are composed.
        gamma: penalty of a wrong answer (Eq. 4); the configuration's by default.
    """

    options: PaperOptions
    env: str
    seed: int
    pretrained: Path
    gamma: float | None = None

    def first(self) -> Run:
        """The run that the others begin from."""
        return pretraining(self._composed("reinforce"))

    def __call__(self, agent: str, options: dict[str, Any] | None = None) -> Run:
        """A run by its agent and options, as `rivals.Compose` has it."""
        return begun_from(self._composed(agent, options), self.first(), self.pretrained)

    def _composed(self, agent: str, options: dict[str, Any] | None = None) -> Run:
        chosen, own = self.options, dict(options or {})
        slow = "slowonly" in ENVIRONMENTS[self.env]["backbone"]
        backbone = chosen.backbone.replace("i3d", "slowonly") if slow and chosen.backbone else chosen.backbone
        environment = {
            "data_root": chosen.data_root,
            "checkpoint": chosen.slowonly_checkpoint if slow else chosen.checkpoint,
            "backbone": backbone,
            "size": chosen.size,
            "videos": chosen.videos,
            "workers": chosen.workers,
        }
        quick: dict[str, Any] = {}
        if chosen.quick:
            own = QUICK.get(agent, {}) | own
            if chosen.videos is None and chosen.dataset == "motionshapes":
                environment["videos"] = QUICK_VIDEOS
            quick = {"classifier_epochs": 1, "trunk_epochs": 1}
        made = compose(
            self.env,
            agent,
            self.seed,
            config=chosen.config,
            options=own,
            environment=environment,
            gamma=self.gamma,
            trunk=chosen.trunk,
            precision=chosen.precision,
        )
        if quick:
            made = replace(made, **{name: min(getattr(made, name), most) for name, most in quick.items()})
        several = made.settings["num_frames"] == 8 and not slow  # those of Tables 5 and 6
        return replace(made, also_views=(PROTOCOL_CLIPS,)) if several else made

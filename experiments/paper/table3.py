"""The paper's Table 3: a policy learned on some classes, kept as it is, for a 3D network that tells others apart.

    ada3d paper table3
    ada3d paper table3 --half b                 # the other way round
    ada3d paper table3 --source-run runs/Ada3D-MiniKinetics-v0-reinforce-seed0 --id Ada3D-Kinetics-v0 \
        --checkpoint I3D_8x8_R50.pkl --device cuda

On MotionShapes the policy is learned on one half of the classes (two scenes, two objects, three motions) and taken to
the other. The selection network never sees a class of the target: its trunk begins from random weights and is trained
as a classifier of its own half alone, since the trunk that ships knows all 14 classes. The 3D networks begin from the
shipped weights, which do know all classes, as the paper's Kinetics checkpoint does; each gets a fresh head and is
trained on whole clips of its half.

The paper has Upper and the transferred policy with fine-tuning. Beside them: the same without, Ada3D trained on the
target itself, and random and constant masks that spend what the transferred policy does in all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro

from ada3d_gym.building import RANDOM
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.paper.lists import LEARNED, Method, PaperRuns
from ada3d_gym.experiments.paper.options import Composer, PaperOptions
from ada3d_gym.experiments.paper.showing import Section, show
from ada3d_gym.experiments.rivals import Rivals
from ada3d_gym.experiments.runs import Run
from ada3d_gym.experiments.transferring import transferred
from ada3d_gym.shipped import CLASSIFIER

Half = Literal["a", "b"]
AS_IT_IS, FINE_TUNED = "policy from elsewhere", "policy from elsewhere, fine-tuned"
ROWS = ("Upper", "Random", "Random FT", "Fixed (same operations)", "Fixed FT (same operations)", AS_IT_IS, FINE_TUNED)
PRINTED = {FINE_TUNED: "Ada3D policies from Mini-Kinetics"}
# Of networks that begin from random weights, or from a fresh head, on half of the videos.
TRAINING: dict[str, Any] = {"classifier_epochs": 3, "trunk": RANDOM, "trunk_epochs": 45, "trunk_lr": 0.05}
QUICK_VIDEOS = 56


@dataclass(frozen=True)
class TransferOptions(PaperOptions):
    """What is reproduced, on what and where.

    Attributes:
        half: of MotionShapes' classes, that the policy is learned on; the other is the target.
        source_run: folder of a finished run of `ada3d train` whose policy is taken, in the place of one that is learned
            on a half; then all of the classes that `id` has are the target.
        own: train Ada3D on the target itself, too, to compare.
        trust: beside source_run, import an agent's module that it names, and read weights elsewhere that it names.
    """

    half: Half = "a"
    source_run: Path | None = None
    own: bool = True
    trust: bool = False

    def check(self) -> None:
        """Raises InputError for what cannot be, before anything is computed."""
        super().check()
        if self.source_run is None and self.dataset != "motionshapes":
            raise InputError(f"{self.id} has no halves: give --source-run, a finished run on other videos")
        if self.source_run is not None:  # now, since the target's whole training comes before the policy's first run
            transferred(Composer(self, self.id, 0, self.output)("reinforce"), self.source_run, trust=self.trust)


@dataclass(frozen=True)
class HalfComposer(Composer):
    """Makes runs on a half of MotionShapes' classes, or on all classes that there are."""

    half: str | None = None

    def _composed(self, agent: str, options: dict[str, Any] | None = None) -> Run:
        made = replace(super()._composed(agent, options), also_views=())
        if self.half is None:
            return made
        training = TRAINING | ({"classifier_epochs": 1, "trunk_epochs": 1} if self.options.quick else {})
        environment = {"checkpoint": str(CLASSIFIER)} | made.environment | {"classes": self.half}
        if self.options.quick and self.options.videos is None:
            environment["videos"] = QUICK_VIDEOS
        return replace(made, environment=environment, **training)


class TransferRuns(PaperRuns):
    """The runs of Table 3: on the target, and those that its policies come from."""

    options: TransferOptions

    def _methods(self, env: str, seed: int, gamma: float | None) -> dict[str, Method]:
        options = self.options
        half = options.half
        target = {"a": "b", "b": "a"}[half] if options.source_run is None else None
        shared = self._shared(env, f"half-{target}" if target else "transfer")
        own, upper, search = shared / f"seed{seed}", shared / "pretrained", shared / "best-fixed"
        common: dict[str, Method] = {}  # on all classes, Upper, the search and Ada3D are those of Table 1
        if target is None:
            common = super()._methods(env, seed, gamma)
            upper, search = common["Upper"].folder, common["Fixed"].folder
        first, composed = (HalfComposer(options, env, each, upper, half=target) for each in (0, seed))
        learning: dict[str, Method] = {}
        source = options.source_run
        if source is None:
            theirs = self._shared(env, f"half-{half}")
            source, before = theirs / f"seed{seed}" / "reinforce", theirs / "pretrained"
            their_first, they = (HalfComposer(options, env, each, before, half=half) for each in (0, seed))
            learning = {
                "source": Method(source, "reinforce", partial(they, "reinforce"), upper=before),
                "source, pretrained": Method(before, "Upper", their_first.first, upper=before),
            }
        needs = (source,) if learning else ()

        def taken(**changed: Any) -> Run:
            return transferred(composed("reinforce"), source, options=changed, trust=options.trust)

        learned = own / "transferred"
        rivals = Rivals(composed, learned, search)
        both = (learned, search)
        here = {
            "Upper": Method(upper, "Upper", first.first),
            "best-fixed": Method(search, "best-fixed", Rivals(first, learned, search).best_fixed),
            AS_IT_IS: Method(own / "as-it-is", "transferred", partial(taken, joint_epochs=0), needs),
            FINE_TUNED: Method(learned, "transferred", taken, needs),
            "Random": Method(own / "random", "random", rivals.random, (learned,)),
            "Random FT": Method(own / "random-ft", "random", rivals.random_ft, (learned,)),
            "Fixed (same operations)": Method(own / "fixed", "fixed", rivals.fixed_operations, both),
            "Fixed FT (same operations)": Method(own / "fixed-ft", "fixed", rivals.fixed_ft_operations, both),
            LEARNED: Method(own / "reinforce", "reinforce", partial(composed, "reinforce")),
        }
        if common:
            here |= {"Upper": common["Upper"], "best-fixed": common["Fixed"], LEARNED: common[LEARNED]}
        return learning | {row: replace(method, upper=upper) for row, method in here.items()}


def sections(runs: TransferRuns) -> list[Section]:
    """The table."""
    options = runs.options
    where = f"{options.id}, half {options.half} to the other" if options.source_run is None else options.id
    rows = {name: runs.rows(name) for name in (*ROWS, *([LEARNED] if options.own else []))}
    return [Section(f"Table 3: a policy from elsewhere ({where})", rows, PRINTED, lambda row: row.table == "3")]


def table3(options: tyro.conf.OmitArgPrefixes[TransferOptions] = TransferOptions()) -> None:
    """Trains what is missing and prints the table.

    Args:
        options: what is reproduced, on what and where.
    """
    options.check()
    runs = TransferRuns(options)
    made = sections(runs)
    runs.finish()
    show(made, runs)


if __name__ == "__main__":
    run(table3)

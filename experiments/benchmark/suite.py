"""Suites: files of tasks on which algorithms are compared.

    # suites/motionshapes.yaml
    pulls: 26880
    tasks:
      - env: [Ada3D-MotionShapes-v1, Ada3D-MotionShapes-SlowOnly-v1]
        gamma: [1.5, 6.0]
        cost: [usage, macs]

Lists are multiplied out: this suite has eight tasks. A suite of one's own may name outcome tables by their paths, which
count from its own folder.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from ada3d_gym.agents.registry import parse, read_yaml
from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.registration import ENVIRONMENTS, check_id
from ada3d_gym.rewards import Cost, Shaping

SUITES = Path(__file__).parent / "suites"
GAMMA = 6.0
PULLS = 26_880  # eight masks for each training video of MotionShapes


@dataclass(frozen=True)
class BenchmarkTask:
    """An environment, what its masks are paid, and what an agent may spend on learning it.

    Attributes:
        name: in folders and tables; made of the rest by default.
        env: a registered id, which names videos and network.
        gamma: penalty of a wrong answer (Eq. 4), no discount.
        cost, reward: as in `ada3d_gym.rewards.MaskReward`.
        pulls: masks that an agent may try while it learns.
        outcomes, val_outcomes, test_outcomes: outcome tables of the training, validation and test clips: "table" for
            those that ship, or files.
        environment: further arguments of `ada3d_gym.building.build_bandit`.
    """

    env: str
    name: str = ""
    gamma: float = GAMMA
    cost: Cost = "usage"
    reward: Shaping = "accuracy"
    pulls: int = PULLS
    outcomes: str = "table"
    val_outcomes: str = "table"
    test_outcomes: str = "table"
    environment: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_id(self.env)
        if not 0 <= self.gamma < math.inf:
            raise InputError(f"gamma={self.gamma}: expected a finite number of at least 0")
        if self.pulls < 1:
            raise InputError(f"pulls={self.pulls}: expected at least 1")
        if taken := {"split", "gamma", "cost", "reward", "outcomes", "device"} & self.environment.keys():
            raise InputError(f"environment of a task has {', '.join(sorted(taken))}: these are not among its own")
        if not self.name:
            object.__setattr__(self, "name", self._made_name())
        check_name("task", self.name)

    def _made_name(self) -> str:
        settings = ENVIRONMENTS[self.env]
        shaped = "" if self.reward == "accuracy" else f"-{self.reward}"
        backbone = settings["backbone"].removesuffix("_tiny").replace("_", "-")
        return f"{settings['dataset']}-{backbone}-{settings['num_frames']}-{self.cost}{shaped}-gamma{self.gamma:g}"

    @classmethod
    def from_json(cls, text: str) -> BenchmarkTask:
        """The task that `to_json` wrote."""
        task: BenchmarkTask = parse(cls, json.loads(text), "field of a task")
        return task

    def to_json(self) -> str:
        """All of it, in one line: the same for the same task."""
        return json.dumps(asdict(self), sort_keys=True)

    def without_paths(self) -> BenchmarkTask:
        """Tables may have moved; their clips and classifiers tell what they are."""
        return replace(self, outcomes="", val_outcomes="", test_outcomes="")

    def table_of(self, split: str) -> str:
        """The outcome table of a split: "table", or a file."""
        return {"train": self.outcomes, "val": self.val_outcomes, "test": self.test_outcomes}[split]


@dataclass(frozen=True)
class Suite:
    """Attributes:
    name: in folders and tables.
    tasks: all with different names.
    """

    name: str
    tasks: tuple[BenchmarkTask, ...]

    def __post_init__(self) -> None:
        check_name("suite", self.name)
        names = [task.name for task in self.tasks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"suite {self.name} has several tasks called {', '.join(twice)}: give each a name")
        if not self.tasks:
            raise InputError(f"suite {self.name} has no tasks")


def check_name(what: str, name: str) -> None:
    """Raises InputError for a name that is none of a folder."""
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise InputError(f"{what} name {name!r}: expected letters, digits, dots and dashes, a letter or digit first")


def suite_names() -> list[str]:
    """Those that come with the package."""
    return sorted(path.stem for path in SUITES.glob("*.yaml"))


def read_suite(name: str, gammas: Sequence[float] = ()) -> Suite:
    """A suite that comes with the package, one's own by its path, or tasks by an environment's id.

    Args:
        name: of the suite.
        gammas: of an id's tasks, one for each; one task with the usual gamma by default.

    Raises:
        InputError: for what is none, naming the entry that is wrong.
    """
    if name in ENVIRONMENTS:
        return Suite(name, tuple(BenchmarkTask(name, gamma=gamma) for gamma in dict.fromkeys(gammas or (GAMMA,))))
    if gammas:
        raise InputError(f"gammas given beside suite {name}, whose tasks have theirs: give the id of an environment")
    if name in suite_names():
        path = SUITES / f"{name}.yaml"
    elif name.endswith((".yaml", ".yml")):
        path = Path(name)
    else:
        close = did_you_mean([name], [*suite_names(), *ENVIRONMENTS])
        expected = f"one of {', '.join(suite_names())}, a YAML file, or the id of an environment{close}"
        raise InputError(f"unknown suite {name!r}: expected {expected}")
    return _parsed(path, read_yaml(path))


def _parsed(path: Path, content: Mapping[str, Any]) -> Suite:
    if unknown := content.keys() - {"name", "pulls", "tasks"}:
        raise InputError(f"{path}: unknown {', '.join(map(str, unknown))}; expected name, pulls and tasks")
    entries = content.get("tasks")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{path}: expected tasks, a list of entries such as 'env: Ada3D-MotionShapes-v1'")
    common = {"pulls": content["pulls"]} if "pulls" in content else {}
    tasks = [
        parse(BenchmarkTask, common | _placed(each, path.parent), f"setting in {path}, entry {number}")
        for number, entry in enumerate(entries, start=1)
        for each in _multiplied(entry)
    ]
    return Suite(str(content.get("name", path.stem)), tuple(tasks))


def _multiplied(entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    lists = {key: value if isinstance(value, list) else [value] for key, value in entry.items()}
    for values in product(*lists.values()):
        yield dict(zip(lists, values, strict=True))


def _placed(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """With paths of tables that count from the suite's folder."""
    tables = {key for key in (each.name for each in fields(BenchmarkTask)) if key.endswith("outcomes")}
    return {
        key: str(folder / value) if key in tables and isinstance(value, str) and value != "table" else value
        for key, value in values.items()
    }

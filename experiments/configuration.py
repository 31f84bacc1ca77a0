"""What a configuration file may set, and how values are read from it and from the command line."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from ada3d_gym.agents.registry import parse
from ada3d_gym.errors import InputError
from ada3d_gym.precision import Precision, dtype_of

BatchNorm = Literal["train", "frozen"]
Recipe = Literal["finetune", "scratch"]
CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class Config:
    """What a configuration file may set; `experiments/configs` has one for each data set.

    Attributes:
        gamma: penalty of a wrong answer (Eq. 4); larger spends more.
        classifier_epochs: of the classifier on whole clips, before anything else.
        classifier_lr: of its SGD at the start; a cosine takes it to zero.
        classifier_batch: clips in one of its updates. The trunk's likewise.
        classifier_batch_norm: "train" while the classifier is trained on whole clips, or "frozen", for statistics that
            are its own, see `ada3d_gym.finetuning.ClassifierTrainer`.
        classifier_dropout: probability of its dropout then.
        classifier_recipe: "finetune" for that, or "scratch": under random masks, from the weights that ship for the
            backbone where the environment has no checkpoint, else from drawn ones and in 2D first, see
            `experiments.scratch`. Its checkpoint "random" draws them in any case.
        classifier_micro_batch: clips in one pass of its training, and of the trunk's, where a whole batch takes too
            much memory; gradients add up.
        classifier_recompute: compute the classifier's feature maps anew in its backward pass, block by block, and keep
            none of them: less memory for a third more operations.
        precision: of all passes that train a network, see `ada3d_gym.precision`; weights are float32 in any case.
        scratch: options of the recipe "scratch", see `experiments.scratch.options.ScratchOptions`.
        recipes: settings for one recipe, that replace those beside them.
        trunk: weights that the selection network's trunk starts from, see `ada3d_gym.building.build_trunk`.
        trunk_epochs: of the trunk as a classifier of whole clips, for agents that see through one.
        trunk_lr: of its SGD at the start; the classifier's by default.
        interpolated_map: judge by the average precision of ActivityNet's official tool, see `ada3d_gym.metrics`.
        also_views: judge by so many clips of each video, too, beside the data set's protocol; such results are called
            "METHOD, N clips".
        environment: further arguments of `ada3d_gym.building.build_bandit`.
        agents: options of each agent by its name; they replace those of its preset.
    """

    gamma: float = 6.0
    classifier_epochs: int = 0
    classifier_lr: float = 0.01
    classifier_batch: int = 32
    classifier_batch_norm: BatchNorm = "frozen"
    classifier_dropout: float = 0.0
    classifier_recipe: Recipe = "finetune"
    classifier_micro_batch: int | None = None
    classifier_recompute: bool = False
    precision: Precision = "float32"
    scratch: dict[str, Any] = field(default_factory=dict)
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)
    trunk: str | None = None
    trunk_epochs: int = 0
    interpolated_map: bool = False
    also_views: tuple[int, ...] = ()
    trunk_lr: float | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("classifier_epochs", 0), ("trunk_epochs", 0), ("classifier_batch", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)}: expected at least {least}")
        for name in ("classifier_lr", "trunk_lr"):
            if not 0 <= (getattr(self, name) or 0) < math.inf:
                raise InputError(f"{name}={getattr(self, name)}: expected a finite number of at least 0")
        if self.classifier_micro_batch is not None and self.classifier_micro_batch < 1:
            raise InputError(f"classifier_micro_batch={self.classifier_micro_batch}: expected at least 1")
        dtype_of(self.precision)
        if any(views < 1 for views in self.also_views):
            raise InputError(f"also_views={list(self.also_views)}: expected numbers of at least 1")


def of_recipe(read: Config, recipe: str, where: str) -> Config:
    """A file's settings for a recipe."""
    own = dict(read.recipes.get(recipe, {}))
    if "environment" in own:
        own["environment"] = read.environment | own["environment"]
    values = {each.name: getattr(read, each.name) for each in fields(Config)}
    made: Config = parse(Config, values | own, f"setting of {recipe} in {where}") if own else read
    return made


def check_environment(environment: dict[str, Any], where: str) -> None:
    if reserved := [name for name in ("split", "gamma", "device") if name in environment]:
        raise InputError(f"environment in {where} has {', '.join(reserved)}: not its own, but a command's")


def assignment(text: str, options: type) -> tuple[str, Any]:
    """Name and value of an option, for an agent's dataclass of them."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{text!r}: expected an option of the agent as name=value")
    try:
        read = yaml.safe_load(value)
    except (ValueError, RecursionError, yaml.YAMLError):
        raise InputError(f"{text!r}: not a value; one with spaces needs quotes, as 'stages=[0, 1]'") from None
    kinds = {field.name: str(field.type) for field in fields(options)}
    is_text = kinds.get(name) in ("str", "str | None", "<class 'str'>")
    return name, value if is_text and isinstance(read, int | float) else read  # to YAML, the mask 0101 is a number


def plain(values: Any) -> Any:
    """As JSON has it: lists for tuples, names for paths."""
    return json.loads(json.dumps(values, default=str))

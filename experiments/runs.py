"""What a run is: an environment, an agent and their options, from a configuration file and the command line."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields, replace
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import yaml

from ada3d_gym.agents.agent import Agent
from ada3d_gym.agents.registry import agent_class, agent_names, agent_options, make_agent, parse, read_yaml
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import RANDOM, SHIPPED_START, SMALL, build_bandit, build_clips
from ada3d_gym.datasets import EMBEDDED_SETS, observation_side
from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.experiments.folders import INPUTS, OPTIONS
from ada3d_gym.experiments.scratch.options import ScratchOptions
from ada3d_gym.experiments.trust import check_files, check_modules
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.precision import Precision, dtype_of
from ada3d_gym.registration import arguments_of, check_id
from ada3d_gym.seeding import Stream, spawn, torch_seed
from ada3d_gym.shipped import shipped_start
from ada3d_gym.video.clips import VideoClips

TRUNK = "trunk.safetensors"  # in a run's folder
PRETRAINED = "pretrained.safetensors"  # the classifier there, as it was before the agent
# What a run with another's policy keeps of it, by the setting that names each file.
POLICY = {
    "options.state": "policy.pt",
    "options.agent_options.weights": "policy-weights.safetensors",
    "environment.features": TRUNK,
}
# How videos are read, which is nothing that they show.
MACHINE = ("data_root", "workers", "cache_bytes", "ahead_bytes", "strict", "max_bad_share")
BatchNorm = Literal["train", "frozen"]
Recipe = Literal["finetune", "scratch"]
SMALL_NETWORKS = ("i3d_tiny", "slowonly_tiny", "i3d_small")  # beside which the paper's selection network is no bargain
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


@dataclass(frozen=True)
class Run:
    """One training, in one folder; its fields are those of `Config`, with one agent's full options.

    Attributes:
        transfer: folder of the run whose policy it takes, see `experiments.transferring`.
    """

    env: str
    agent: str
    seed: int
    gamma: float
    classifier_epochs: int
    classifier_lr: float
    classifier_batch: int
    trunk: str | None
    trunk_epochs: int
    environment: dict[str, Any]
    options: dict[str, Any]
    classifier_batch_norm: BatchNorm = "frozen"
    classifier_dropout: float = 0.0
    interpolated_map: bool = False
    also_views: tuple[int, ...] = ()
    trunk_lr: float | None = None
    transfer: str | None = None
    classifier_recipe: Recipe = "finetune"
    classifier_micro_batch: int | None = None
    classifier_recompute: bool = False
    precision: Precision = "float32"
    scratch: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of `build_bandit`."""
        shown = agent_class(self.agent).shown(agent_options(self.agent, self.options))
        return {"observation": shown, **arguments_of(self.env), **self.environment}

    @property
    def milestones(self) -> dict[int, str]:
        """Epochs after which the agent is judged too, and what these results are called."""
        found = agent_class(self.agent).milestones(agent_options(self.agent, self.options))
        return {epoch: f"{self.agent}, {suffix}" for epoch, suffix in sorted(found.items())}

    @property
    def methods(self) -> list[str]:
        """What its results are called, in order."""
        return ["Upper", *self.milestones.values(), self.agent]

    @property
    def sees_through_trunk(self) -> bool:
        """Whether the agent has a trunk, or is shown features, without saying which weights."""
        shown = self.settings["observation"] == "features" and "features" not in self.environment
        return shown or ("weights" in self.options and self.options["weights"] is None)

    @property
    def selects(self) -> bool:
        """Whether the agent looks at clips through a trunk, whatever its weights."""
        return self.settings["observation"] == "features" or "weights" in self.options

    def with_trunk(self, path: Path | str) -> Run:
        """The run with these weights of the trunk, in features and in the agent."""
        open_ = "weights" in self.options and self.options["weights"] is None
        options = self.options | ({"weights": str(path)} if open_ else {})
        return replace(self, environment=self.environment | {"features": str(path)}, options=options)

    def file(self, setting: str) -> str | None:
        """What a setting names, such as "environment.checkpoint", where it is given."""
        found: Any = asdict(self)
        for key in setting.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        return None if found is None else str(found)

    def with_file(self, setting: str, path: Path | str) -> Run:
        """The run with another file in a setting, of its tables `options` and `environment`."""
        *tables, key = setting.split(".")
        changed = asdict(self)
        place = changed
        for table in tables:
            place = place[table]
        place[key] = str(path)
        return Run(**changed)

    def bandit(self, split: str, device: str, **replaced: Any) -> ClipBandit:
        """The environment's core, of a split; an outcome table is what is learned from, and nothing else."""
        own = {**self.settings, **replaced} | ({} if split == "train" else {"outcomes": None})
        drawn = own.get("checkpoint") in (RANDOM, SHIPPED_START) or ":" in own["backbone"]  # by a function of one's own
        weights = torch_seed(spawn(self.seed, Stream.CLASSIFIER_WEIGHTS)) if drawn else nullcontext()
        with warnings.catch_warnings(), weights:
            if (self.classifier_epochs or self.classifier_recipe == "scratch") and split == "train":
                warnings.filterwarnings("ignore", message=".*must be trained")
            if self.precision != "float32" and own.get("outcomes") is None:  # a table's answers have a precision
                own.setdefault("precision", self.precision)
            bandit = build_bandit(**own, split=split, gamma=self.gamma, device=device)
        if isinstance(bandit.classifier, NetworkClassifier):  # of all that trains it, the agent too
            bandit.classifier.precision = self.precision  # also where it answers in another
            bandit.classifier.micro_batch = self.classifier_micro_batch
            bandit.classifier.network.recompute = self.classifier_recompute
        return bandit

    def clips(self, split: str) -> VideoClips:
        """The environment's clips of a split, without a network."""
        bandits = signature(build_bandit).parameters.keys() - {"dataset", "num_frames", "views", "videos"}
        own = {key: value for key, value in self.settings.items() if key not in bandits}
        return build_clips(**own, split=split)

    def make_agent(self, bandit: ClipBandit, device: str) -> Agent:
        return make_agent(self.agent, bandit, self.options, seed=self.seed, device=device)


def views_name(method: str, views: int) -> str:
    """What a method's result by `also_views` is called."""
    return f"{method}, {views} clips"


def compose(
    env: str,
    agent: str,
    seed: int,
    *,
    config: Path | None = None,
    assignments: tuple[str, ...] = (),
    options: Mapping[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
    scratch: Mapping[str, Any] | None = None,
    scratch_assignments: tuple[str, ...] = (),
    **replaced: Any,
) -> Run:
    """A run from its data set's configuration file, or another, and what the command line says.

    Args:
        env: a registered id, or module:ID, whose module is imported.
        agent: as in `agents.registry.agent_class`.
        seed: of everything random.
        config: another file than the data set's own.
        assignments: options of the agent, as "epochs=3"; values as in YAML.
        options: the same by name; None stands for what the file says.
        environment: further arguments of `build_bandit`; None stands for what the file says, here and in `replaced`.
        scratch: options of the recipe "scratch" by name, likewise.
        scratch_assignments: the same as "batch=16".
        replaced: fields of `Config`.

    Raises:
        InputError: for an unknown environment, agent, field or option, or a wrong value, by name.
    """
    known_arguments = arguments_of(env)
    path = config or _own_config(known_arguments["dataset"])
    read: Config = parse(Config, read_yaml(path), f"setting in {path.name}")
    given_values = {key: value for key, value in replaced.items() if value is not None}
    precision = given_values.get("precision", None if read.precision == "float32" else read.precision)
    recipe = given_values.get("classifier_recipe", read.classifier_recipe)
    read = _of_recipe(read, recipe, path.name)
    known = agent_names()
    if misspelt := [name for name in read.agents if ":" not in name and name not in known]:
        close = did_you_mean(misspelt, known)
        raise InputError(f"unknown agent in {path.name}: {', '.join(misspelt)}{close}")
    given = {key: value for key, value in (options or {}).items() if value is not None}
    own = (
        read.agents.get(agent, {}) | given | dict(assignment(each, agent_class(agent).Options) for each in assignments)
    )
    if precision and "precision" in (each.name for each in fields(agent_class(agent).Options)):
        own = {"precision": precision} | own
    settings = read.environment | {key: value for key, value in (environment or {}).items() if value is not None}
    _check_environment(settings, path.name)
    recipes_own = {key: value for key, value in (scratch or {}).items() if value is not None}
    recipes_own |= dict(assignment(each, ScratchOptions) for each in scratch_assignments)
    if recipe == "scratch":
        if given_values.get("classifier_epochs"):
            raise InputError("classifier_epochs are of the recipe finetune: give --scratch epochs_2d=… epochs_3d=…")
        own_epochs = {"classifier_epochs": 0, "trunk_epochs": given_values.get("trunk_epochs", 0)}
        made = parse(ScratchOptions, read.scratch | recipes_own, "option of the scratch recipe")
        given_values |= {**own_epochs, "scratch": plain(asdict(made))}
        backbone = settings.get("backbone", known_arguments["backbone"])
        if ":" in backbone:
            raise InputError(f"classifier_recipe=scratch is not for backbone {backbone}: give classifier_epochs")
        settings.setdefault("checkpoint", SHIPPED_START if shipped_start(backbone) else RANDOM)
    elif recipes_own:
        raise InputError(
            f"{', '.join(recipes_own)}: of the recipe scratch, not of {recipe}: give --classifier-recipe scratch"
        )
    settings = _observed(known_arguments, settings)
    settled = asdict(replace(read, **given_values))
    del settled["agents"], settled["recipes"]
    all_options = plain(asdict(agent_options(agent, own)))
    return Run(env=env, agent=agent, seed=seed, **settled | {"environment": plain(settings), "options": all_options})


def _of_recipe(read: Config, recipe: str, where: str) -> Config:
    """A file's settings for a recipe."""
    own = dict(read.recipes.get(recipe, {}))
    if "environment" in own:
        own["environment"] = read.environment | own["environment"]
    values = {each.name: getattr(read, each.name) for each in fields(Config)}
    made: Config = parse(Config, values | own, f"setting of {recipe} in {where}") if own else read
    return made


def _own_config(dataset: str) -> Path:
    """The configuration file of a data set: of one of somebody's own, that of lists of one's own."""
    path = CONFIGS / f"{dataset}.yaml"
    return path if path.exists() else CONFIGS / "videos.yaml"


def _observed(arguments: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with smaller frames for the policy beside a small network: it then sees through a smaller one itself."""
    known = arguments | settings
    small = known["dataset"] not in EMBEDDED_SETS and known["backbone"] in SMALL_NETWORKS
    if small and "observation_size" not in known and observation_side(known.get("size")) > SMALL:
        return settings | {"observation_size": SMALL}
    return settings


def _check_environment(environment: dict[str, Any], where: str) -> None:
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


def read_run(folder: Path, *, trust: bool = False) -> Run:
    """The run in a folder, as `ada3d train` left it.

    Args:
        folder: of the run; it may be somebody else's.
        trust: import modules that it names, and read weights outside of it that it names.

    Raises:
        InputError: for what is no run, and for one that has to be trusted.
    """
    path = folder / OPTIONS
    try:
        written = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} holds no run of 'ada3d train' ({error})") from error
    if not isinstance(written, dict):
        raise InputError(f"{folder} holds no run of 'ada3d train' ({path} is no table of settings)")
    run: Run = parse(Run, {key: value for key, value in written.items() if key != INPUTS}, f"setting in {path}")
    if not trust:
        check_modules(run, folder)
    if ":" not in run.env:  # a module is imported when it is used
        check_id(run.env)
    _check_environment(run.environment, str(path))
    if run.transfer:
        for setting, name in POLICY.items():
            run = run.with_file(setting, folder / name) if (folder / name).exists() else run
    elif (folder / TRUNK).exists():
        run = run.with_trunk(folder / TRUNK)
    if not trust:
        check_files(run, folder)
    return run


def tuning_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """How REINFORCE of these options trains the classifier in its second stage, as options of agents that do no more
    than that."""
    names = ("joint_epochs", "classifier_lr", "freeze_batch_norm", "classifier_dropout")
    size = options["joint_batch_size"] or options["batch_size"]
    return {"joint_batch_size": size} | {name: options[name] for name in names}

"""Agents by name: those here, those that other packages announce, and any class of one's own."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Mapping
from dataclasses import fields as fields_of
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from ada3d_gym.agents.agent import Agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.named import imported

GROUP = "ada3d_gym.agents"  # of entry points
PRESETS = Path(__file__).parent / "presets"

AGENTS = {
    "reinforce": "ada3d_gym.agents.ada3d:Ada3D",
    "ppo": "ada3d_gym.agents.sb3:PPOAgent",
    "a2c": "ada3d_gym.agents.sb3:A2CAgent",
    "trpo": "ada3d_gym.agents.sb3:TRPOAgent",
    "dqn": "ada3d_gym.agents.sb3:DQNAgent",
    "qrdqn": "ada3d_gym.agents.sb3:QRDQNAgent",
    "sac": "ada3d_gym.agents.sb3:SACAgent",
    "thompson": "ada3d_gym.agents.per_bit:Thompson",
    "ucb": "ada3d_gym.agents.per_bit:UCB",
    "epsilon-greedy": "ada3d_gym.agents.epsilon_greedy:EpsilonGreedy",
    "exact": "ada3d_gym.agents.exact:Exact",
    "supervised": "ada3d_gym.agents.supervised:Supervised",
    "upper": "ada3d_gym.agents.fixed:Upper",
    "pretrained": "ada3d_gym.agents.fixed:Pretrained",
    "uniform": "ada3d_gym.agents.fixed:Uniform",
    "fixed": "ada3d_gym.agents.fixed:FixedMask",
    "best-fixed": "ada3d_gym.agents.search:BestFixed",
    "random": "ada3d_gym.agents.fixed:RandomMasks",
}

# Not to be asked for by name: `ada3d train ID --transfer RUN` fills in their options.
OF_COMMANDS = {"transferred": "ada3d_gym.agents.transferred:Transferred"}


def agent_names() -> list[str]:
    """All names that `agent_class` knows without a module."""
    announced = [entry.name for entry in importlib.metadata.entry_points(group=GROUP)]
    return list(dict.fromkeys([*AGENTS, *OF_COMMANDS, *announced]))


def agent_class(name: str) -> type[Agent]:
    """The class of an agent.

    Args:
        name: one of `AGENTS`, an entry point of the group "ada3d_gym.agents", or `module:Class`.

    Raises:
        ValueError: for an unknown name, and for what is no subclass of `Agent`.
    """
    where = (AGENTS | OF_COMMANDS).get(name, name)
    if ":" not in where:
        entries = importlib.metadata.entry_points(group=GROUP, name=name)
        if not entries:
            expected = f"one of {', '.join(agent_names())}, or module:Class{did_you_mean([name], agent_names())}"
            raise InputError(f"unknown agent {name!r}: expected {expected}")
        entry = next(iter(entries))
        where = f"{entry.module}:{entry.attr}"
    found = imported("agent", where, "module:Class, such as examples.own_agent:BudgetByMotion")
    if not (isinstance(found, type) and issubclass(found, Agent)):
        raise InputError(f"agent {name!r} is {found!r}: expected a subclass of ada3d_gym.agents.Agent")
    if missing := ", ".join(sorted(found.__abstractmethods__)):
        raise InputError(f"agent {name!r} does not define {missing}")
    return found


def preset(name: str, other: str | None = None) -> dict[str, Any]:
    """Options that `presets/NAME.yaml` sets, none where there is no such file; or those of `presets/NAME-OTHER.yaml`.

    Raises:
        InputError: for another preset that there is not.
    """
    path = PRESETS / (f"{name}.yaml" if other is None else f"{name}-{other}.yaml")
    if other is not None and not path.exists():
        known = [each.stem.removeprefix(f"{name}-") for each in sorted(PRESETS.glob(f"{name}-*.yaml"))]
        expected = f"expected one of {', '.join(known)}" if known else f"{name} has no other than its own"
        raise InputError(f"option of {name}: unknown preset {other!r}: {expected}")
    return read_yaml(path) if path.exists() else {}


def agent_options(name: str, given: Mapping[str, Any]) -> Any:
    """An agent's options, checked: those given, else its preset's, else its defaults.

    Among those given, `preset` chooses another preset than its own, as "paper" for REINFORCE.

    Raises:
        ValueError: for an option that it does not have, and for a value of another type or out of range.
    """
    kind, own = agent_class(name).Options, dict(given)
    has_its_own = any(field.name == "preset" for field in fields_of(kind))
    other = None if has_its_own else own.pop("preset", None)
    options = parse(kind, preset(name, other) | own, f"option of {name}")
    for field in fields_of(kind):
        value, rate = getattr(options, field.name), field.name == "lr" or field.name.endswith("_lr")
        if not isinstance(value, int | float):
            continue
        if (field.name in ("epochs", "joint_epochs") or rate) and value < 0:
            raise InputError(f"option of {name}: {field.name}={value}: expected 0 or more")
        if math.isnan(value) or (rate and math.isinf(value)):
            raise InputError(f"option of {name}: {field.name}={value}: expected a finite number")
    return options


def make_agent(
    name: str, bandit: ClipBandit, options: Mapping[str, Any] | None = None, *, seed: int = 0, device: str = "cpu"
) -> Agent:
    """An agent by its name; arguments as in `agent_class`, `agent_options` and `Agent`."""
    return agent_class(name)(bandit, agent_options(name, options or {}), seed=seed, device=device)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file of names and values.

    Raises:
        ValueError: for a file that is none.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; expected a YAML file of settings") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: no text, or no such date
        raise InputError(f"{path}: not a readable YAML file ({error})") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected names and values, got {type(content).__name__}")
    return content


def parse(kind: type, values: Mapping[str, Any], what: str) -> Any:
    """An instance of a dataclass, its fields checked by their types.

    Raises:
        ValueError: naming each unknown field and each wrong value.
    """
    known = _adapter(kind)
    fields = kind.__dataclass_fields__  # type: ignore[attr-defined]
    if unknown := [str(name) for name in values if name not in fields]:
        expected = f"expected some of {', '.join(fields)}{did_you_mean(unknown, fields)}"
        raise InputError(f"unknown {what}: {', '.join(unknown)}; {expected}")
    try:
        return known.validate_python(dict(values))
    except ValidationError as error:
        raise InputError(f"{what}: {'; '.join(map(_complaint, error.errors()))}") from None


@lru_cache(maxsize=64)
def _adapter(kind: type) -> TypeAdapter[Any]:
    """What checks a dataclass; to make it takes longer than to use it."""
    return TypeAdapter(kind)


def _complaint(error: ErrorDetails) -> str:
    if error["loc"]:
        return f"{'.'.join(map(str, error['loc']))}: {error['msg']}, got {error['input']!r}"
    return error["msg"].removeprefix("Value error, ")  # of the options' own check, which names what it got

"""The examples in docstrings of what users make run as they stand, and say what comes out."""

from __future__ import annotations

import doctest
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from ada3d_gym.agents.agent import Agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.envs.vector_env import Ada3DVectorEnv
from ada3d_gym.envs.wrappers import CodedAction, HeadRewards, VectorCodedAction, VectorHeadRewards
from ada3d_gym.evaluation import evaluate
from ada3d_gym.networks.conversion.convert import convert
from ada3d_gym.sb3 import Ada3DVecEnv, SelectionPolicy, VecCodedAction
from ada3d_gym.untrimmed.env import LookingEnv
from ada3d_gym.untrimmed.vector_env import LookingVectorEnv
from tests.processes import ROOT

EXAMPLES = (
    Ada3DEnv,
    Ada3DVectorEnv,
    Ada3DVecEnv,
    Agent,
    ClipBandit,
    CodedAction,
    HeadRewards,
    LookingEnv,
    LookingVectorEnv,
    SelectionPolicy,
    VecCodedAction,
    VectorCodedAction,
    VectorHeadRewards,
    convert,
    evaluate,
)


@pytest.mark.parametrize("which", EXAMPLES, ids=lambda which: which.__name__)
def test_an_example_runs(which: Any):
    (found,) = doctest.DocTestFinder(recurse=False).find(inspect.unwrap(which), which.__name__, globs={})
    told: list[str] = []
    failed, attempted = doctest.DocTestRunner().run(found, out=told.append)
    assert attempted and not failed, "".join(told)


def test_there_are_no_others():
    """So that none stands in a docstring without being run."""
    ours = {Path(str(sys.modules[each.__module__].__file__)).resolve() for each in EXAMPLES}
    files = (path for folder in ("ada3d_gym", "agents", "experiments") for path in (ROOT / folder).rglob("*.py"))
    lines = [(path, line.strip()) for path in files for line in path.read_text().splitlines()]
    assert {path.resolve() for path, line in lines if line.startswith(">>> ") and "+SKIP" not in line} == ours

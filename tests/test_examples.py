"""The examples run as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import ROOT, run

EXAMPLES = sorted((ROOT / "examples").glob("[!_]*.py"))

SHORTER = {
    "cleanrl_ppo": ("--updates", "2", "--num-envs", "8", "--minibatch", "32", "--videos", "28"),
    "rllib_ppo": ("--iterations", "2", "--num-envs", "8", "--videos", "28"),
    "tianshou_ppo": ("--updates", "2", "--num-envs", "8", "--videos", "28"),
}
LIBRARIES = {"rllib_ppo": "ray.rllib", "tianshou_ppo": "tianshou"}  # installations of their own
TRAINED = {"own_agent": "BudgetByMotion"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path):
    if path.stem in LIBRARIES:
        pytest.importorskip(LIBRARIES[path.stem])
    if path.stem in TRAINED:
        agent = f"examples.{path.stem}:{TRAINED[path.stem]}"
        where = ("--videos", "14", "--output", str(tmp_path / "run"))
        command = ("experiments.train", "Ada3D-MotionShapes-v1", "--agent", agent, *where)
    else:
        command = (f"examples.{path.stem}", *SHORTER.get(path.stem, ()))
    assert "top-1" in run("-m", *command)

"""The examples run as they stand."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml

from ada3d_gym.experiments.train import train
from tests.few import show_few
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
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    shorter = SHORTER.get(path.stem, ())
    if path.stem in LIBRARIES:
        pytest.importorskip(LIBRARIES[path.stem])
        assert "top-1" in run("-m", f"examples.{path.stem}", *shorter)
        return
    if path.stem in TRAINED:
        agent = f"examples.{path.stem}:{TRAINED[path.stem]}"
        train("Ada3D-MotionShapes-v1", agent, videos=14, output=tmp_path / "run")
    else:
        show_few(monkeypatch, 28)
        monkeypatch.setattr("sys.argv", [str(path), *shorter])
        runpy.run_path(str(path), run_name="__main__")
    assert "top-1" in capsys.readouterr().out


@pytest.mark.slow
def test_the_recipe_for_rl_zoo3(tmp_path: Path):
    """Of docs/bandits-with-sb3.md, with fewer videos and steps."""
    for library in ("rl_zoo3", "requests"):
        pytest.importorskip(library)
    name, settings = "Ada3D-MotionShapes-v1", tmp_path / "ppo.yaml"
    recipe = yaml.safe_load((ROOT / "examples" / "rl_zoo3_ppo.yaml").read_text())
    recipe[name]["env_kwargs"]["videos"] = 28
    settings.write_text(yaml.safe_dump(recipe))
    what = ("--algo", "ppo", "--env", name, "--gym-packages", "ada3d_gym", "-f", str(tmp_path))
    shown = ("observation:'features'", "outcomes:'table'", "gamma:6.0", "videos:14")
    how = ("--conf-file", str(settings), "--eval-env-kwargs", "split:'val'", *shown)
    run("-m", "rl_zoo3.train", *what, *how, "-n", "512", "--eval-freq", "256", "--eval-episodes", "14")
    with np.load(next(tmp_path.rglob("evaluations.npz"))) as rounds:
        assert rounds["results"].shape == (2, 14)
    judge = ("--no-render", "--load-best", "-n", "28", "--env-kwargs", "split:'test'")
    assert "28 Episodes" in run("-m", "rl_zoo3.enjoy", *what, *judge)

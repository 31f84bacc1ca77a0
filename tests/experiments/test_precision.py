"""A run's precision, and how its passes are parted: on command lines and in files, and what that reaches."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.folders import OPTIONS
from ada3d_gym.experiments.paper.options import Composer, PaperOptions
from ada3d_gym.experiments.pipeline import train_run
from ada3d_gym.experiments.runs import compose
from ada3d_gym.sb3 import Ada3DVecEnv, JointFineTuneCallback

MOTION = "Ada3D-MotionShapes-v1"


def test_one_name_reaches_all_that_trains():
    run = compose(MOTION, "reinforce", 0, precision="bfloat16", classifier_micro_batch=4, classifier_recompute=True)
    assert run.options["precision"] == "bfloat16"
    bandit = run.bandit("train", "cpu", videos=14)
    classifier: Any = bandit.classifier
    assert (classifier.precision, classifier.dtype, classifier.micro_batch) == ("bfloat16", torch.bfloat16, 4)
    assert classifier.network.recompute
    agent: Any = replace(run, options=run.options | {"micro_batch": 2}).make_agent(bandit, "cpu")
    assert agent.config.micro_batch == 2 and agent.trainer.classifier.precision == "bfloat16"
    assert compose(MOTION, "ppo", 0, precision="float16").precision == "float16"
    assert (
        compose(MOTION, "reinforce", 0).options["precision"] == compose(MOTION, "reinforce", 0).precision == "float32"
    )


def test_what_an_agent_is_told_itself_goes_before_it(tmp_path: Path):
    told = compose(MOTION, "reinforce", 0, precision="bfloat16", assignments=("precision=float32",))
    assert (told.precision, told.options["precision"]) == ("bfloat16", "float32")
    file = tmp_path / "own.yaml"
    file.write_text("precision: float16\n")
    read = compose(MOTION, "reinforce", 0, config=file)
    assert (read.precision, read.options["precision"]) == ("float16", "float16")
    asked = compose(MOTION, "reinforce", 0, config=file, precision="float32")
    assert (asked.precision, asked.options["precision"]) == ("float32", "float32")
    with pytest.raises(InputError, match="int8"):
        compose(MOTION, "reinforce", 0, precision="int8")


def test_the_papers_runs_have_it_too():
    composer = Composer(PaperOptions(precision="bfloat16"), MOTION, 0, Path("none"))
    assert composer.first().precision == "bfloat16"


@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_a_run_in_half_precision_and_passes(tmp_path: Path):
    options = {"epochs": 1, "joint_epochs": 1, "batch_size": 4, "samples": 2, "micro_batch": 3}
    half: Any = {"precision": "bfloat16", "classifier_micro_batch": 3, "classifier_recompute": True}
    run = compose(MOTION, "reinforce", 0, options=options, environment={"videos": 7}, classifier_epochs=1, **half)
    results = train_run(run, tmp_path, "cpu", timed=False)
    assert [result.method for result in results] == ["Upper", "reinforce, stage 1 only", "reinforce"]
    noted = json.loads((tmp_path / OPTIONS).read_text())
    assert noted["precision"] == "bfloat16" and noted["classifier_recompute"]
    with pytest.raises(InputError, match="precision: 'bfloat16' there"):
        train_run(replace(run, precision="float16"), tmp_path, "cpu", timed=False)


def test_stable_baselines3_trains_the_classifier_in_it():
    from stable_baselines3 import A2C

    from ada3d_gym.building import build_bandit
    from ada3d_gym.sb3 import policy_kwargs

    bandit = build_bandit(split="val", videos=14, observation="features")
    model = A2C("MlpPolicy", Ada3DVecEnv(4, bandit), n_steps=2, policy_kwargs=policy_kwargs(bandit))
    callback = JointFineTuneCallback(0.01, 8, precision="float16")
    model.learn(8, callback=callback)
    assert callback.trainer is not None
    assert callback.trainer.state_dict()["scale"]["scale"] > 1

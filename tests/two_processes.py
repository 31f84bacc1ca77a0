"""What each of two processes does in `test_two_processes.py`: trains, counts what they tell each other, and writes."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from ada3d_gym import parallel
from ada3d_gym.agents.registry import make_agent
from ada3d_gym.agents.reinforce import Reinforce
from ada3d_gym.building import build_bandit
from ada3d_gym.experiments.train import train
from ada3d_gym.networks.checkpoints.weights import save_weights

VIDEOS = 11
MOTION, WHOLE_RUN = "Ada3D-MotionShapes-v1", 21  # videos of a run of `ada3d train`
OPTIONS = ("epochs=1", "joint_epochs=1", "batch_size=8", "samples=2", "baseline=leave_one_out")
CASES: dict[str, dict[str, Any]] = {
    "plain": {"baseline": "leave_one_out", "batch_size": 6},
    # of four clips, two each, of three, two and one: processes take different numbers of passes
    "passes": {"baseline": "value", "batch_size": 4, "accumulate": 2, "micro_batch": 1},
    # many clips keep no frame, so that a process may have none to learn from
    "few": {"baseline": "batch_mean", "batch_size": 3, "keep": 0.12, "micro_batch": 2},
    "bfloat16": {"baseline": "none", "batch_size": 6, "micro_batch": 2, "precision": "bfloat16", "optimizer": "sgd"},
}


def trained(case: str) -> Reinforce:
    """An agent of a case, after its joint epoch."""
    options = {"epochs": 0, "joint_epochs": 1, "samples": 2, **CASES[case]}
    bandit = build_bandit(split="val", videos=VIDEOS)
    bandit.classifier.micro_batch = options.get("micro_batch")
    bandit.classifier.precision = options.get("precision", "float32")
    agent = make_agent("reinforce", bandit, options)
    agent.learn(1, lambda epoch, figures: None)
    return agent


def write(folder: Path, cases: list[str]) -> None:
    with parallel.joined("cpu"):
        train(MOTION, videos=WHOLE_RUN, classifier_epochs=1, set=OPTIONS, output=folder / "run")
        told = {}
        for case in cases:
            with profile(activities=[ProfilerActivity.CPU]) as seen:
                agent = trained(case)
            events = (
                seen.profiler.kineto_results.events()
            )  # as recorded: `seen.events()` takes as long as all trainings
            told[case] = Counter(event.name() for event in events if event.name().startswith("gloo:"))
            weights = {"selection": agent.selection, "classifier": agent.bandit.classifier.network}
            for name, network in weights.items():
                values = torch.cat([each.flatten() for each in network.state_dict().values()])
                assert torch.equal(*parallel.gather(values)), f"{case}: processes have other weights of {name}"
                if parallel.rank() == 0:
                    save_weights(network, folder / f"{case}-{name}.safetensors")
        if parallel.rank() == 0:
            (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2:])

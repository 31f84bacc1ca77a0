"""What outcome tables cost to make, and how fast they answer.

    python -m benchmarks.outcomes            # I3D on MotionShapes
    python -m benchmarks.outcomes --quick    # fewer clips and rounds

One process, one thread; ratios are of each way's fastest turns, taken in turn. `build_over_brute` is the time of all
masks of a clip with what they share computed once, over that of one mask after the other. `exact_gradient_over_forward`
is a whole step of the exact gradient for 256 clips (forward, the expectation over all masks, backward, Adam) over a
forward pass of the selection network alone in training, and `exact_value_over_forward` the part of the expectation
with its gradient. `reinforce_epoch_table_over_live` is an epoch of REINFORCE's first stage on the table over one on the
network, on decoded clips.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from json import dumps
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from ada3d_gym.agents.ada3d import Ada3D
from ada3d_gym.agents.registry import agent_options
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.envs.vector_env import Ada3DVectorEnv
from ada3d_gym.experiments.cli import run
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.selection import MaskLogits
from ada3d_gym.outcomes.cells import answering
from ada3d_gym.outcomes.classifier import TableClassifier
from ada3d_gym.outcomes.expectation import ExpectedReward
from ada3d_gym.outcomes.table import load_table
from ada3d_gym.progress import counted
from ada3d_gym.rewards import MaskReward
from benchmarks.timing import fastest

GAMMA = 6.0
ENVS = 4096
CLIPS = 256  # of a gradient step


def build_over_brute(bandit: ClipBandit, clips: int) -> dict[str, float]:
    """`build_over_brute`, and the seconds a clip of both."""
    classifier = bandit.classifier
    assert isinstance(classifier, NetworkClassifier)
    shared = answering(classifier, bandit.num_frames)
    brute = answering(classifier, bandit.num_frames, shared=False)
    clip = bandit.source.clips(np.arange(1))
    seconds = fastest({"shared": lambda: shared(clip), "brute": lambda: brute(clip)}, least=clips, most=2 * clips)
    return {
        "build_over_brute": seconds["shared"] / seconds["brute"],
        "build_seconds_a_clip": seconds["shared"],
        "brute_seconds_a_clip": seconds["brute"],
    }


def pulls(bandit: ClipBandit, rounds: int) -> dict[str, float]:
    """`pulls_per_second` of the vector face, infos included, and `lookups_per_second` of the table alone."""
    classifier = bandit.classifier
    assert isinstance(classifier, TableClassifier)
    table, rng = classifier.table, np.random.default_rng(0)
    env = Ada3DVectorEnv(ENVS, bandit)
    env.reset(seed=0)
    masks = rng.integers(0, 2, (ENVS, bandit.num_frames + bandit.num_stages)).astype(np.int8)
    rows, numbers = rng.integers(len(table), size=2**20), rng.integers(table.num_masks, size=2**20)
    seconds = fastest(
        {"step": lambda: env.step(masks), "look up": lambda: table.correct(rows, numbers)},
        least=rounds,
        most=4 * rounds,
    )
    return {"pulls_per_second": ENVS / seconds["step"], "lookups_per_second": len(rows) / seconds["look up"]}


def load_seconds(path: Path, rounds: int) -> float:
    """From the file to a table that answers."""
    rows = np.zeros(1, np.int64)
    return fastest({"load": lambda: load_table(path).correct(rows, rows)}, least=rounds, most=4 * rounds)["load"]


def gradient(bandit: ClipBandit, rounds: int) -> dict[str, float]:
    """`exact_gradient_over_forward` and `exact_value_over_forward`."""
    classifier, reward = bandit.classifier, bandit.reward
    assert isinstance(classifier, TableClassifier) and isinstance(reward, MaskReward)
    options = replace(agent_options("reinforce", {}), joint_epochs=0)
    selection = Ada3D(bandit, options).selection.eval()
    expected = ExpectedReward(classifier.table, reward)
    ids = np.arange(CLIPS)
    rows = classifier.table.rows(ids)
    clips = torch.from_numpy(bandit.source.observations(ids))
    adam = torch.optim.Adam(selection.parameters(), 1e-9)
    with torch.no_grad():
        known: MaskLogits = selection(clips)

    def value_of(logits: MaskLogits) -> torch.Tensor:
        frames, stages = torch.sigmoid(logits.frames), torch.sigmoid(logits.stages)
        return expected(frames, stages, rows, own_gradient=True).sum(0).mean()

    def forward() -> object:
        with torch.no_grad():
            return selection(clips)

    def value() -> None:
        value_of(MaskLogits(*(part.clone().requires_grad_() for part in known))).backward()

    def step() -> None:
        adam.zero_grad()
        (-value_of(selection(clips))).backward()
        adam.step()

    seconds = fastest({"forward": forward, "value": value, "step": step}, least=rounds, most=4 * rounds)
    return {
        "exact_gradient_over_forward": seconds["step"] / seconds["forward"],
        "exact_value_over_forward": seconds["value"] / seconds["forward"],
    }


def reinforce_epochs(backbone: str, videos: int) -> float:
    """`reinforce_epoch_table_over_live`, of a second epoch, for which all is decoded and known."""
    seconds = {}
    for outcomes in ("table", None):
        bandit = build_bandit(split="train", views=1, videos=videos, backbone=backbone, gamma=GAMMA, outcomes=outcomes)
        bandit.source.clips(np.arange(len(bandit.source)))
        agent = Ada3D(bandit, replace(agent_options("reinforce", {}), epochs=2, joint_epochs=0))
        times: list[float] = []
        agent.learn(2, lambda *_, times=times: times.append(time.perf_counter()))
        seconds[outcomes] = times[1] - times[0]
    return seconds["table"] / seconds[None]


def outcomes(quick: bool = False, backbone: str = "i3d_tiny", json: Path | None = None) -> None:
    """Measures and prints.

    Args:
        quick: fewer clips and rounds.
        backbone: i3d_tiny or slowonly_tiny, for which tables ship.
        json: file for all figures.
    """
    torch.set_num_threads(1)
    rounds = 5 if quick else 20
    live = build_bandit(split="test", videos=70, backbone=backbone)
    options = {"backbone": backbone, "outcomes": "table", "gamma": GAMMA}
    of_train = build_bandit(split="train", **options)  # type: ignore[arg-type]
    of_test = build_bandit(split="test", observation="index", **options)  # type: ignore[arg-type]
    assert isinstance(of_train.classifier, TableClassifier)
    path = of_train.classifier.table.path
    assert path is not None
    parts: list[Callable[[], dict[str, float]]] = [
        lambda: build_over_brute(live, 2 if quick else 5),
        lambda: pulls(of_test, rounds),
        lambda: {"load_seconds": load_seconds(path, rounds)},
        lambda: gradient(of_train, rounds),
        lambda: {"reinforce_epoch_table_over_live": reinforce_epochs(backbone, 280 if quick else 1120)},
    ]
    summary: dict[str, float] = {}
    for part in counted(parts, len(parts), "measuring outcome tables", "part"):
        summary |= part()
    print(tabulate(summary.items(), ["figure", "value"], floatfmt=".4g"))
    if json is not None:
        json.write_text(dumps({"summary": summary, "backbone": backbone, "torch": torch.__version__}, indent=2))


if __name__ == "__main__":
    run(outcomes)

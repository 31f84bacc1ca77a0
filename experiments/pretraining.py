"""What runs of one environment have alike before any agent learns: the classifier's training on whole clips, and the
trunk's. It is done once, in a run of its own, and others begin from what that leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ada3d_gym.experiments.runs import PRETRAINED, TRUNK, Run

AGENT = "pretrained"


def trains_first(run: Run) -> bool:
    """Whether a run trains classifier or trunk before its agent learns."""
    return bool(run.classifier_epochs or (run.sees_through_trunk and run.trunk_epochs))


def pretraining(run: Run) -> Run:
    """The run that does what a run does before its agent learns, and judges Upper."""
    return replace(run, agent=AGENT, options={"weights": None} | _aggregation(run))


def begun_from(run: Run, first: Run, folder: Path) -> Run:
    """A run that begins from what another has trained, as far as that is its own.

    Args:
        run: of any agent, in the same environment.
        first: the other run, made by `pretraining`.
        folder: the other run's.
    """
    if first.classifier_epochs:
        checkpoint = {"checkpoint": str(folder / PRETRAINED)}
        run = replace(run, classifier_epochs=0, environment=run.environment | checkpoint)
    if first.trunk_epochs and (not run.sees_through_trunk or _aggregation(run) == _aggregation(first)):
        run = replace(run, trunk=str(folder / TRUNK), trunk_epochs=0)
    return run


def _aggregation(run: Run) -> dict[str, str]:
    """A trunk of another aggregation has other weights; "concat" is that of agents that do not say."""
    return {"aggregation": run.options.get("aggregation", "concat")}

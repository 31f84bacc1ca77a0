"""Judging a run's agent, trained or not, beside any classifier and on any split."""

from __future__ import annotations

from pathlib import Path

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.networks.classifier import NetworkClassifier
from agents.agent import Agent
from experiments.runs import Run


def trained_agent(run_: Run, bandit: ClipBandit, folder: Path, device: str) -> Agent:
    """The policy of a run's folder, before a bandit whose classifier stays as it is.

    Raises:
        CheckpointError: where the folder has no state of such an agent.
    """
    agent = run_.make_agent(bandit, device)
    classifier = bandit.classifier
    assert isinstance(classifier, NetworkClassifier)
    before = {name: value.clone() for name, value in classifier.network.state_dict().items()}
    agent.load_policy(folder / "agent.pt")
    classifier.network.load_state_dict(before)  # an agent of one's own may keep a classifier's weights in any place
    return agent

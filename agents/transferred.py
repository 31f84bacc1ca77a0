"""A policy that was learned elsewhere and stays as it is; the classifier is trained under its masks (Table 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.agents.agent import Agent
from ada3d_gym.agents.blind import BlindAgent, TuningAgent, TuningOptions
from ada3d_gym.agents.portable import Portable
from ada3d_gym.agents.reference import Blind
from ada3d_gym.agents.registry import agent_class, agent_options, make_agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.observers import Observation
from ada3d_gym.seeding import Stream


@dataclass(frozen=True)
class TransferredOptions(TuningOptions):
    """The policy, which `ada3d train ID --transfer RUN` fills in, and how the classifier is trained under its masks.

    Attributes:
        agent: name of the agent whose policy it is, see `ada3d_gym.agents.registry.agent_class`.
        agent_options, agent_seed: its options and seed.
        state: file that it was saved to.
    """

    agent: str = ""
    agent_options: dict[str, Any] = field(default_factory=dict)
    agent_seed: int = 0
    state: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.agent and self.state):
            raise InputError("transferred has no policy: 'ada3d train ID --transfer RUN' takes that of another run")


class Transferred(TuningAgent):
    """Acts by another agent's policy, always by its best known masks, and never changes it.

    Raises:
        CheckpointError: for a state that cannot be read, or is that of a policy of other clips or stages.
    """

    Options = TransferredOptions
    data_parallel = True
    stream = Stream.TRANSFER

    def __init__(self, bandit: ClipBandit, options: TransferredOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        own, seed = options.agent_options, options.agent_seed
        self.policy = make_agent(options.agent, bandit, own, seed=seed, device=device)
        self.policy.load_policy(Path(options.state))
        self.macs = self.policy.macs

    @classmethod
    def shown(cls, options: TransferredOptions) -> Observation:
        """What its policy is shown."""
        return agent_class(options.agent).shown(agent_options(options.agent, options.agent_options))

    def tuned_for(self) -> Blind | Agent:
        """Itself; of a policy that looks at nothing the draws, which go on after an interruption where they were."""
        return self.policy.tuned_for() if isinstance(self.policy, BlindAgent) else self

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        masks: NDArray[np.int8] = self.policy.act(observations)
        return masks

    def portable(self) -> Portable | None:
        return self.policy.portable()

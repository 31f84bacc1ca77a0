"""Which algorithms run on the environments, and through what, tried one by one:

ada3d compatibility    # a short training of each; writes docs/compatibility.md

A test runs every row that needs no library of its own, and holds the page to the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sb3_contrib import QRDQN, TRPO
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from tabulate import tabulate

from ada3d_gym.building import build_bandit
from ada3d_gym.experiments.cli import run
from ada3d_gym.files import writing
from ada3d_gym.observers import Observation
from ada3d_gym.progress import counted
from ada3d_gym.sb3 import Ada3DVecEnv, SelectionPolicy, VecCodedAction, policy_kwargs, selection_kwargs

PAGE = Path(__file__).resolve().parents[1] / "docs" / "compatibility.md"


@dataclass(frozen=True)
class Case:
    """An algorithm and what it needs.

    Attributes:
        library, algorithm: as they are called.
        face: of the environment.
        actions: what the action space is turned into, if anything.
        policy: what sees the observations.
        observations: that were tried.
        how: where the code is.
        attempt: a short training, or None for a recipe that needs an installation of its own.
    """

    library: str
    algorithm: str
    face: str
    actions: str
    policy: str
    observations: tuple[Observation, ...]
    how: str
    attempt: Callable[[Observation], Any] | None = None


def _sb3(algorithm: type[Any], coding: str | None = None, **options: Any) -> Callable[[Observation], Any]:
    def attempt(observation: Observation) -> Any:
        bandit = build_bandit(split="test", videos=14, observation=observation)
        plain = Ada3DVecEnv(8, bandit)
        env = plain if coding is None else VecCodedAction(plain, coding)
        heads = coding is None
        settings = selection_kwargs(bandit) if heads else policy_kwargs(bandit) | {"net_arch": [32]}
        policy = SelectionPolicy if heads else "MlpPolicy"
        return algorithm(policy, env, policy_kwargs=settings, seed=0, device="cpu", **options).learn(64)

    return attempt


_ALL: tuple[Observation, ...] = ("pixels", "features", "index")
_ON: dict[str, Any] = {"n_steps": 4}
_OFF: dict[str, Any] = {"buffer_size": 200, "learning_starts": 16}
_GUIDE = "[guide](bandits-with-sb3.md)"
CASES = (
    Case(
        "Stable-Baselines3", "PPO", "`Ada3DVecEnv`", "", "paper's heads", _ALL, _GUIDE, _sb3(PPO, batch_size=16, **_ON)
    ),
    Case("Stable-Baselines3", "A2C", "`Ada3DVecEnv`", "", "paper's heads", _ALL, _GUIDE, _sb3(A2C, **_ON)),
    Case("sb3-contrib", "TRPO", "`Ada3DVecEnv`", "", "paper's heads", _ALL, _GUIDE, _sb3(TRPO, batch_size=16, **_ON)),
    Case("Stable-Baselines3", "DQN", "`Ada3DVecEnv`", "Discrete", "MLP", _ALL, _GUIDE, _sb3(DQN, "discrete", **_OFF)),
    Case(
        "sb3-contrib",
        "QR-DQN",
        "`Ada3DVecEnv`",
        "Discrete",
        "MLP",
        ("features",),
        _GUIDE,
        _sb3(QRDQN, "discrete", **_OFF),
    ),
    Case("Stable-Baselines3", "SAC", "`Ada3DVecEnv`", "Box", "MLP", _ALL, _GUIDE, _sb3(SAC, "box", **_OFF)),
    Case("Stable-Baselines3", "TD3", "`Ada3DVecEnv`", "Box", "MLP", ("features",), _GUIDE, _sb3(TD3, "box", **_OFF)),
    Case("CleanRL's manner", "PPO", "`make_vec`", "", "MLP", ("features",), "[example](../examples/cleanrl_ppo.py)"),
    Case("Tianshou 2.0", "PPO", "`gym.Env`", "", "MLP", ("features",), "[example](../examples/tianshou_ppo.py)"),
    Case(
        "RLlib 2.60",
        "PPO",
        "`Ada3DVectorEnv`",
        "MultiDiscrete",
        "MLP",
        ("features",),
        "[example](../examples/rllib_ppo.py)",
    ),
    Case(
        "RL Baselines3 Zoo 2.9",
        "PPO",
        "`gym.Env`",
        "",
        "paper's heads",
        ("features",),
        "[recipe](bandits-with-sb3.md#rl-baselines3-zoo)",
    ),
)


def page() -> str:
    """The page as Markdown."""
    rows = []
    for case in CASES:
        shown = ", ".join(case.observations)
        actions = case.actions or "as they are"
        rows.append([case.library, case.algorithm, case.face, actions, case.policy, shown, case.how])
    headers = ["library", "algorithm", "environment", "actions", "policy", "observations tried", "how"]
    return f"""# Which algorithms run

`ada3d compatibility` writes this table. For each row that links to the guide, it first trains the algorithm for a few
steps on MotionShapes, as the tests do. The other rows link to code that we ran as it stands.

"Environment" is the class that the algorithm steps. "Actions" is the space that a [wrapper](wrappers.md) turns masks
into, where the algorithm needs one. "Paper's heads" are the two outputs of the selection network: one for frames, one
for stages.

{tabulate(rows, headers, tablefmt="github")}

- RecurrentPPO of sb3-contrib (2.9.2) does not run: it crashes on MultiBinary.
- RLlib's PPO refuses MultiBinary, but takes the same bits as MultiDiscrete. It steps all environments as one batch.
  With the [autoreset mode](wrappers.md#gymnasiums-vector-wrappers) that it expects, it learns from every pull.
- Tianshou and the Zoo make vectors of single environments, and each environment has a forward pass of its own. In
  Tianshou's example they share one `ClipBandit` (`Ada3DEnv(bandit)`), so there is one network in memory.
"""


def compatibility(output: Path | None = None) -> None:
    """Tries every case and writes the page.

    Args:
        output: the page; docs/compatibility.md of a clone by default, and printed where there is no clone.
    """
    attempts = [(case, shown) for case in CASES if case.attempt for shown in case.observations]
    for case, shown in counted(attempts, len(attempts), "trying", "case"):
        assert case.attempt is not None
        case.attempt(shown)
    if output is None and not PAGE.exists():
        print(page())
        return
    output = output or PAGE
    with writing(output):
        output.write_text(page())


if __name__ == "__main__":
    run(compatibility)

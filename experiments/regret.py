"""How far agents are from the best possible, exactly, on training and on test clips:

    ada3d regret Ada3D-MotionShapes-v1
    ada3d regret Ada3D-MotionShapes-v1 --agents reinforce exact --seeds 5 --picture regret.png

Every agent learns on the outcome table of the training clips, with the classifier as it is. Its greedy masks of all
clips of the training table and of the test table are then looked up: what they pay, and how much less that is than what
each clip's best mask pays (regret). The regret on training clips is what learning has left undone; what it grows by on
test clips is what did not carry over. Beside the agents stand constant masks chosen on the training clips: one for all,
one for each family and one for each class (which have to be told that), and each clip's own best mask.

Runs are those of `ada3d train --outcomes table`, in folders of their own, and are resumed.
"""

from __future__ import annotations

import json as json_
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from tabulate import tabulate

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.figures import plot_regret
from ada3d_gym.experiments.folders import check_output, folder_name
from ada3d_gym.experiments.intervals import interval
from ada3d_gym.experiments.plan import Task, carry_out
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.files import replacing, writing
from ada3d_gym.masks import mask_numbers, split_mask
from ada3d_gym.outcomes.classifier import TableClassifier
from ada3d_gym.outcomes.values import Constant, Game, GroupConstants

SPLITS = ("train", "test")
BATCH = 256  # clips that an agent is shown together


@dataclass(frozen=True)
class Standing:
    """What a method earns on the clips of a split.

    Attributes:
        method: its name.
        split: of the table.
        seed: of the run; None of what has none.
        reward, regret: means over clips.
        accuracy: share of clips that are right.
        macs: mean multiply-accumulates of the classifier for a clip.
        macs_selection: what the policy's own network adds to that; the rewards do not count it.
        masks: how many different ones.
    """

    method: str
    split: str
    seed: int | None
    reward: float
    regret: float
    accuracy: float
    macs: float
    macs_selection: int
    masks: int


def regret(
    env: tyro.conf.Positional[str],
    agents: tuple[str, ...] = ("reinforce", "ppo", "a2c", "exact", "supervised"),
    seeds: int = 3,
    gamma: float | None = None,
    videos: int | None = None,
    outcomes: str = "table",
    test_outcomes: str = "table",
    config: Path | None = None,
    device: str = "cpu",
    output: Path = Path("runs/regret"),
    json: Path | None = None,
    picture: Path | None = None,
) -> None:
    """Trains what is missing, looks up and prints.

    Args:
        env: a registered id.
        agents: names or module:Class.
        seeds: runs of each agent, with seeds 0, 1, …
        gamma: penalty of a wrong answer (Eq. 4); the config's by default.
        videos: use the first so many of each split only.
        outcomes: table of the training clips: table, for the one that ships, or a file.
        test_outcomes: table of the test clips, likewise.
        config: YAML file of settings for all.
        device: where networks run.
        output: folder of the runs' folders.
        json: file that gets all figures.
        picture: file that gets a picture of them, as PNG.
    """
    checked_device(device)
    if not agents:
        raise InputError("no agents: expected names or module:Class")
    for option, given in (("outcomes", outcomes), ("test_outcomes", test_outcomes)):
        if given == "live":
            raise InputError(f"{option}='live': regret is known on a table alone; give table or a file")
    if seeds < 1:
        raise InputError(f"seeds={seeds}: expected at least 1")
    for path, option in ((json, "--json"), (picture, "--picture")):
        if path is not None:
            check_output(path, option)
    composed = partial(compose, env, config=config, gamma=gamma, environment={"outcomes": outcomes, "videos": videos})
    runs: dict[Path, Callable[[], Run]] = {}
    names: dict[Path, tuple[str, int]] = {}
    for seed in range(seeds):
        for agent in dict.fromkeys(agents):
            folder = output / f"{folder_name(env)}-{folder_name(agent)}-seed{seed}"
            runs[folder], names[folder] = partial(_without_joint, composed, agent, seed), (agent, seed)
    first = next(iter(runs))
    made = runs[first]()
    bandits = {
        split: _bandit(made, split, device, {"train": outcomes, "test": test_outcomes}[split]) for split in SPLITS
    }
    tasks = [Task(folder, make, upper=None if folder == first else first) for folder, make in runs.items()]
    finished = carry_out(tasks, device)
    found = _references(bandits)
    for folder, (agent, seed) in names.items():
        if folder in finished:
            found += [_standing(folder, agent, seed, split, outcomes, test_outcomes, device) for split in SPLITS]
    print("\n" + report(found))
    if json is not None:
        with writing(json, "choose another --json"), replacing(json) as part:
            part.write_text(json_.dumps([asdict(each) for each in found], indent=1) + "\n")
    if picture is not None:
        plot_regret([(each.method, each.split, each.regret) for each in found], picture)
        print(f"\npicture: {picture}")


def report(found: Sequence[Standing]) -> str:
    """A row a method: means over its runs with 95 % intervals, on training and on test clips."""
    methods = list(dict.fromkeys(each.method for each in found))
    rows = []
    for method in methods:
        row = [method]
        for split in SPLITS:
            runs = [each for each in found if (each.method, each.split) == (method, split)]
            row += [interval([each.reward for each in runs], 2), interval([each.regret for each in runs], 2)]
        row.append(interval([100 * each.accuracy for each in runs], 1))
        row.append(interval([each.macs / 1e6 for each in runs], 2))
        row.append(f"{runs[0].macs_selection / 1e6:.2f}")
        row.append(interval([each.masks for each in runs], 0))
        rows.append(row)
    headers = [
        "",
        "reward, train",
        "regret, train",
        "reward, test",
        "regret, test",
        "% right",
        "MMACs",
        "selection",
        "masks",
    ]
    align = ("left", *["right"] * (len(headers) - 1))
    return str(tabulate(rows, headers, tablefmt="github", disable_numparse=True, colalign=align))


def _without_joint(composed: Callable[..., Run], agent: str, seed: int) -> Run:
    """A run that leaves the classifier as it is, as a table needs it."""
    made = composed(agent=agent, seed=seed)
    return composed(agent=agent, seed=seed, options={"joint_epochs": 0}) if "joint_epochs" in made.options else made


def _bandit(made: Run, split: str, device: str, outcomes: str) -> ClipBandit:
    """On the table of a split, whatever the run itself has learned from."""
    settings = {**made.settings, "outcomes": outcomes}
    return build_bandit(**settings, split=split, gamma=made.gamma, device=device)


def _references(bandits: dict[str, ClipBandit]) -> list[Standing]:
    """What needs no learning, chosen on the training clips."""
    games = {split: _game(bandit) for split, bandit in bandits.items()}
    train = games["train"]
    bits = bandits["train"].num_frames + bandits["train"].num_stages
    everything = np.ones(bits, np.int8)
    constant = train.best_constant()
    families, classes = train.best_by(train.families), train.best_by(train.labels)
    found = []
    for split, game in games.items():
        masks = {
            "everything": everything,
            "best constant": constant.mask,
            "best of each family": masks_of_groups(families, constant, game.families),
            "best of each class": masks_of_groups(classes, constant, game.labels),
            "best of each clip": game.oracle().masks,
        }
        found += [_measured(name, split, None, game, each) for name, each in masks.items()]
    return found


def masks_of_groups(groups: GroupConstants, constant: Constant, wanted: NDArray[Any]) -> NDArray[np.int8]:
    """The mask of each clip's group; the one for all where the training clips have none of the group."""
    return np.stack([groups.constants.get(group, constant).mask for group in wanted.tolist()])


def _standing(
    folder: Path, agent: str, seed: int, split: str, outcomes: str, test_outcomes: str, device: str
) -> Standing:
    """Of a finished run."""
    own = read_run(folder, trust=True)
    bandit = _bandit(own, split, device, outcomes if split == "train" else test_outcomes)
    policy = own.make_agent(bandit, device)
    policy.load_policy(folder / "agent.pt")
    game, clips = _game(bandit), _clips(bandit)
    batches = [clips[start : start + BATCH] for start in range(0, len(clips), BATCH)]
    masks = np.concatenate([policy.act(bandit.observer(batch)) for batch in batches])
    return _measured(agent, split, seed, game, masks, policy.macs)


def _game(bandit: ClipBandit) -> Game:
    assert isinstance(bandit.classifier, TableClassifier)
    table = bandit.classifier.table
    return Game(table, bandit.reward, table.rows(_clips(bandit)))


def _clips(bandit: ClipBandit) -> NDArray[np.int64]:
    """Those that the table has, which may be of more videos."""
    assert isinstance(bandit.classifier, TableClassifier)
    clips: NDArray[np.int64] = bandit.classifier.table.arrays["clip"]
    return clips[clips < len(bandit.source)]


def _measured(
    method: str, split: str, seed: int | None, game: Game, masks: NDArray[Any], macs_selection: int = 0
) -> Standing:
    masks = np.broadcast_to(masks, (len(game), masks.shape[-1]))
    numbers = mask_numbers(*split_mask(masks, game.table.num_frames, game.table.num_stages))
    right, macs = game.table.correct(game.rows, numbers), game.table.macs[numbers]
    return Standing(
        method,
        split,
        seed,
        reward=game.value(masks),
        regret=game.regret(masks),
        accuracy=float(right.mean()),
        macs=float(macs.mean()),
        macs_selection=macs_selection,
        masks=len(np.unique(numbers)),
    )


if __name__ == "__main__":
    run(regret)

"""The command `ada3d`: every command by its name, as `python -m experiments.NAME` runs them in a clone."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from ada3d_gym import __version__
from ada3d_gym.errors import did_you_mean
from ada3d_gym.experiments.ending import quiet_ending

COMMANDS = {
    "demo": ("demo:demo", "the paper's comparison on the embedded videos, in some minutes"),
    "train": ("train:train", "trains an agent on an environment and judges it"),
    "evaluate": ("evaluate:evaluate", "judges a trained run, or an agent that needs no training"),
    "compare": ("compare:compare", "trains and judges several agents on several seeds"),
    "ablations": ("ablations:ablations", "the paper's Tables 1, 5 and 6 on the embedded videos"),
    "index-videos": ("index_videos:index_videos", "finds and checks the videos of a data set, once"),
    "pretrain": ("pretrain:pretrain", "trains the networks that ship with the package"),
    "tabulate": ("tabulate:tabulate", "plays out every mask of every clip, once and for all"),
    "regret": ("regret:regret", "how far agents are from the best possible, exactly"),
    "croissant": ("croissant:croissant", "describes outcome tables for data set searches"),
    "giveaways": ("giveaways:giveaways", "what tells a motion of the embedded videos without its motion"),
    "gflops": ("gflops:gflops", "the paper's GFLOPs beside ours"),
    "fixtures": ("fixtures:fixtures", "writes a tiny set of videos in each data set's layout"),
    "compatibility": ("compatibility:compatibility", "tries which Stable-Baselines3 algorithms run"),
}
EXTRAS = "pip install 'ada3d-gym[experiments]'"


def main() -> None:
    """Runs the command that the command line names, or lists all."""
    arguments = sys.argv[1:]
    name = next((each for each in arguments if each != "--debug"), "--help")
    with quiet_ending():
        if name in ("-h", "--help"):
            print(_help())
        elif name == "--version":
            print(f"ada3d-gym {__version__}")
        elif name in COMMANDS:
            arguments.remove(name)
            _run(name, arguments)
        else:
            expected = f"expected one of {', '.join(COMMANDS)}{did_you_mean([name], COMMANDS)}"
            sys.exit(f"error: unknown command {name!r}: {expected}")


def _help() -> str:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {help}" for name, (_, help) in COMMANDS.items())
    return f"usage: ada3d COMMAND …\n\n{listed}\n\nada3d COMMAND --help lists a command's options."


def _run(name: str, arguments: list[str]) -> None:
    module, _, function = COMMANDS[name][0].partition(":")
    try:
        command = getattr(import_module(f"ada3d_gym.experiments.{module}"), function)
        from ada3d_gym.experiments.cli import run
    except ModuleNotFoundError as error:
        if (error.name or "ada3d_gym").startswith("ada3d_gym"):
            raise
        sys.exit(f"error: ada3d {name} needs {error.name}, which is not installed: {EXTRAS}")
    sys.path.insert(0, os.getcwd())  # where `--agent module:Class` is looked for, as `python -m` does
    run(command, program=f"ada3d {name}", arguments=arguments)


if __name__ == "__main__":
    main()

"""The command `ada3d`: every command by its name, as `python -m experiments.NAME` runs them in a clone."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module

from ada3d_gym import __version__
from ada3d_gym.errors import did_you_mean
from ada3d_gym.experiments.ending import quiet_ending

COMMANDS = {
    "demo": ("demo:demo", "the paper's comparison on the embedded videos, in some minutes"),
    "train": ("train:train", "trains an agent on an environment and judges it"),
    "evaluate": ("evaluate:evaluate", "judges a trained run, or an agent that needs no training"),
    "start": ("start:start", "from a folder of your own videos to a trained policy and a report"),
    "predict": ("predict:predict", "what a trained run says of new videos, and what it looked at"),
    "export": ("export:export", "writes a run as a model folder to carry, with ONNX graphs and a model card"),
    "benchmark": ("benchmark.commands:COMMANDS", "which algorithm finds better policies: suites, reports, submissions"),
    "paper": ("paper.commands:COMMANDS", "the paper's tables and figures, each as a command"),
    "index-videos": ("index_videos:index_videos", "finds and checks the videos of a data set, once"),
    "shards": ("shards:shards", "writes indexed videos into few large files, smaller and quick to seek in if wanted"),
    "pretrain": ("pretrain:pretrain", "trains the networks that ship with the package"),
    "pretrain-untrimmed": (
        "pretrain_untrimmed:pretrain_untrimmed",
        "trains the classifier that ships for untrimmed videos",
    ),
    "pretrain-primitives": (
        "pretrain_primitives:pretrain_primitives",
        "trains the network that small sets of one's own begin from",
    ),
    "tabulate": ("tabulate:tabulate", "plays out every mask of every clip, once and for all"),
    "regret": ("regret:regret", "how far agents are from the best possible, exactly"),
    "croissant": ("croissant:croissant", "describes outcome tables for data set searches"),
    "giveaways": ("giveaways:giveaways", "what tells a motion of the embedded videos without its motion"),
    "film": ("film:film", "a moving picture of a policy that learns"),
    "places": ("places:places", "what clips of the embedded long videos tell, by where they lie"),
    "gflops": ("gflops:gflops", "the paper's GFLOPs beside ours"),
    "fixtures": ("fixtures:fixtures", "writes a tiny set of videos in each data set's layout"),
    "about": ("about:about", "versions, devices, decoders, cache folder and ids: what a bug report should say"),
    "compatibility": ("compatibility:compatibility", "tries which Stable-Baselines3 algorithms run"),
}
EXTRAS = "pip install 'ada3d-gym[experiments]'"


def main() -> None:
    """Runs the command that the command line names, or lists all."""
    dispatch("ada3d", COMMANDS, sys.argv[1:])


def dispatch(program: str, commands: Mapping[str, tuple[str, str]], arguments: list[str]) -> None:
    """Runs the command that the first argument names, or lists all.

    Args:
        program: what was typed so far.
        commands: by name, "module:function" below `experiments`, or "module:COMMANDS" for commands of their own, and a
            line of help.
        arguments: what comes after.
    """
    name = next((each for each in arguments if each != "--debug"), "--help")
    with quiet_ending():
        if name in ("-h", "--help"):
            print(_help(program, commands))
        elif name == "--version":
            print(f"ada3d-gym {__version__}")
        elif name in commands:
            arguments.remove(name)
            _run(f"{program} {name}", commands[name][0], arguments)
        else:
            expected = f"expected one of {', '.join(commands)}{did_you_mean([name], commands)}"
            sys.exit(f"error: unknown command {name!r}: {expected}")


def _help(program: str, commands: Mapping[str, tuple[str, str]]) -> str:
    width = max(map(len, commands))
    listed = "\n".join(f"  {name:<{width}}  {help}" for name, (_, help) in commands.items())
    return f"usage: {program} COMMAND …\n\n{listed}\n\n{program} COMMAND --help lists a command's options."


def _run(program: str, where: str, arguments: list[str]) -> None:
    module, _, attribute = where.partition(":")
    try:
        command = getattr(import_module(f"ada3d_gym.experiments.{module}"), attribute)
        from ada3d_gym.experiments.cli import run
    except ModuleNotFoundError as error:
        if (error.name or "ada3d_gym").startswith("ada3d_gym"):
            raise
        sys.exit(f"error: {program} needs {error.name}, which is not installed: {EXTRAS}")
    if isinstance(command, Mapping):
        return dispatch(program, command, arguments)
    sys.path.insert(0, os.getcwd())  # where `--agent module:Class` is looked for, as `python -m` does
    return run(command, program=program, arguments=arguments)


if __name__ == "__main__":
    main()

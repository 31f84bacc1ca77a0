"""Judges an agent on every clip of a split:

    ada3d evaluate runs/Ada3D-MotionShapes-v1-ppo-seed0
    ada3d evaluate Ada3D-MotionShapes-v1 --agent uniform --set frames=4 stages=[0,1]
    ada3d evaluate Ada3D-MotionShapes-v1 --agent mine:Policy
    torchrun --nproc-per-node 8 -m ada3d_gym.experiments.evaluate runs/Ada3D-FCVID-v0-ppo-seed0 --device cuda

The first form takes a folder of `ada3d train`, the second an agent that need not be trained. Both print a row of
the paper's columns, and add a line to a file that holds all figures, those of families and classes, and what repeats
them: the run, and all that it was judged on. A run judged on other videos, another split or other weights than before
has a line of its own beside that of `ada3d train`. Interrupted and started again, the command goes on where it
was.
"""

from __future__ import annotations

from pathlib import Path

import tyro

from ada3d_gym import parallel
from ada3d_gym.datasets import count_videos
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import check_output
from ada3d_gym.experiments.judging import Trial, name_beside
from ada3d_gym.experiments.profiles import EVALUATED, profiled
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.results import ResultFile, with_times
from ada3d_gym.experiments.runs import compose
from ada3d_gym.experiments.tables import single_table, write_json
from ada3d_gym.experiments.timing import Timed, milliseconds
from ada3d_gym.observers import SPLITS
from ada3d_gym.precision import Precision
from ada3d_gym.prediction.config import CLASSIFIER
from ada3d_gym.profiling import phase
from ada3d_gym.registration import ENVIRONMENTS

_RECORDED = {"checkpoint": "checkpoint_sha256"}  # by what a judgement's record tells an argument


def evaluate(
    what: tyro.conf.Positional[str],
    agent: str | None = None,
    config: Path | None = None,
    set: tuple[str, ...] = (),
    split: str = "test",
    views: int | None = None,
    data_root: Path | None = None,
    checkpoint: Path | None = None,
    backbone: str | None = None,
    size: int | None = None,
    videos: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    workers: int | None = None,
    precision: Precision | None = None,
    output: Path | None = None,
    json: Path | None = None,
    trust: bool = False,
    profile: bool = False,
) -> None:
    """Judges.

    Args:
        what: a run's folder, or a registered id, or module:ID of a data set of your own.
        agent: beside an id, a name or module:Class; upper by default.
        config: beside an id, YAML file of settings.
        set: beside an id, options of the agent, as frames=4.
        split: train, val or test.
        views: uniform clips of each video, whatever the split; the data set's protocol by default (10; MotionShapes 4).
        data_root: folder of the videos.
        checkpoint: weights of the 3D network.
        backbone: the 3D network.
        size: side of the clips; the paper's for testing by default (256).
        videos: judge on the first so many only.
        seed: beside an id, of everything random.
        device: where networks run.
        workers: threads that decode; the cores of this machine over the processes on it by default.
        precision: in which they compute: bfloat16 or float16; float32 by default.
        output: file that gets the line; results.jsonl of the run's folder, or runs/evaluations.jsonl.
        json: file that gets the result, too.
        trust: import modules that a run's folder names, of its agent, videos, reward or network, and read weights
            elsewhere that it names.
        profile: measure where the time goes, and write `profile-evaluate.json` beside the output file.
    """
    checked_device(device)
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: expected one of {', '.join(SPLITS)}")
    given = {"data_root": data_root, "checkpoint": checkpoint, "backbone": backbone, "size": size, "videos": videos}
    folder = Path(what) if Path(what).is_dir() else None
    if folder is None and what not in ENVIRONMENTS and ":" not in what:
        known = ", ".join(ENVIRONMENTS) + did_you_mean([what], ENVIRONMENTS)
        raise InputError(f"{what!r} is neither the folder of a run nor a registered id ({known}), nor module:ID")
    judging = {**given, "views": views, "precision": precision}
    asked = {key: value for key, value in judging.items() if value is not None}
    replaced = asked | {"workers": workers}  # not those of the machine that it was trained on
    if folder is None:
        run_ = compose(what, agent or "upper", seed, config=config, assignments=set, environment=given)
    elif agent or set or config:
        raise InputError(f"{folder} is a trained run: its agent, options and configuration are fixed")
    else:
        _refuse_list(folder)
        run_ = read_run(folder, trust=trust)
        if checkpoint is None and not (folder / CLASSIFIER).exists():
            raise InputError(f"{folder}: the run is not finished; start its 'ada3d train' command again, which goes on")
        replaced.setdefault("checkpoint", folder / CLASSIFIER)
        if videos is None and (trained := run_.environment.get("videos")):  # a smaller split has no more than it has
            root = data_root or run_.environment.get("data_root")
            replaced["videos"] = min(
                trained, count_videos(run_.settings["dataset"], split, root, run_.environment.get("classes"))
            )
    if json is not None:
        check_output(json, "--json")
    path = output or (folder / "results.jsonl" if folder else Path("runs") / "evaluations.jsonl")
    check_output(path)
    results = ResultFile(path, apart=True)
    with parallel.joined(device) as own_device, profiled(path.with_name(EVALUATED), own_device, profile, fresh=True):
        trial = Trial.prepare(run_, split, own_device, **replaced)
        line = None
        if folder is None:
            made, state = trial.untrained_agent(own_device), None
            if made.total_epochs:
                how = f"ada3d train {run_.env} --agent {run_.agent}"
                raise InputError(f"{run_.agent} has to be trained: give the folder of a run of '{how}'")
            method = f"{run_.agent} {' '.join(set)}".strip()
        else:
            made, state = trial.trained_agent(folder, own_device), folder / "agent.pt"
            line = ResultFile(folder / "results.jsonl").results.get(run_.agent)
            own = {"precision": "float32", **line.judged} if line and line.judged else {}
            if not own:  # of before it was noted: what is given here differs
                own = {"split": "test"} | dict.fromkeys(_RECORDED.get(name, name) for name in asked)
            method = name_beside(run_.agent, own, trial.judged)
        verdict = trial.judge(method, made, path.parent, state)
        result = verdict.result
        if parallel.rank() == 0:
            methods = {"Upper": Timed.everything(trial.bandit), method: Timed(verdict.u, verdict.v, made)}
            with phase("timed"):
                times = milliseconds(trial.bandit, methods)
            result = with_times(result, times[method])
        own_line = line if method == run_.agent else None
        if own_line and own_line.milliseconds is not None and own_line.milliseconds_selection is not None:
            # measured beside the other methods of its table: its ratio to theirs is to stay
            results.add(with_times(result, (own_line.milliseconds, own_line.milliseconds_selection)))
        else:
            results.add(result)
        if parallel.rank() == 0:
            print("\n" + single_table([result]) + f"\n\nkeeping everything: {times['Upper'][0]:.3f} ms a clip")
            print(f"written to {path}")
            if json is not None:
                write_json(json, {method: [result]})
        parallel.wait()  # for the first process, which measured time


def _refuse_list(folder: Path) -> None:
    """Raises InputError for a folder that holds the folders of runs."""
    runs = sorted(path.parent.name for path in folder.glob(f"*/{CLASSIFIER}"))
    if runs and not (folder / CLASSIFIER).exists():
        raise InputError(f"{folder} holds several runs: give the folder of one, such as {folder / runs[0]}")


if __name__ == "__main__":
    run(evaluate)

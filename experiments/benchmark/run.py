"""Which algorithm finds better policies: runs of agents on a suite of tasks.

    ada3d benchmark run motionshapes --agents reinforce ppo thompson --seeds 20
    ada3d benchmark run my_suite.yaml --track trunk --agents reinforce my_package.agents:MyAgent
    ada3d benchmark run Ada3D-FCVID-v0 --gammas 1.5 3 6 --track full --agents reinforce ppo --seeds 3
    ada3d benchmark run motionshapes --ray auto

A run is a task, an agent and a seed, and leaves one file. Runs that are done are not done again: interrupted and
started again, or asked for more, the command goes on with what is missing; started several times at once, on any
machines that share the folder, each process takes runs that no other has.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import tyro

from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.full import FullOptions, run_full
from ada3d_gym.experiments.benchmark.jobs import pending, suite_jobs
from ada3d_gym.experiments.benchmark.labels import check_sets
from ada3d_gym.experiments.benchmark.pool import do_all
from ada3d_gym.experiments.benchmark.ray_pool import do_all_on_ray
from ada3d_gym.experiments.benchmark.record import Track
from ada3d_gym.experiments.benchmark.suite import read_suite
from ada3d_gym.experiments.workers import processes

NO_OPTIONS = FullOptions()
OUTPUT = Path("runs/benchmark")
AGENTS: dict[Track, tuple[str, ...]] = {
    "heads": (
        *("reinforce", "reinforce@self-critical", "reinforce@paper"),
        *("ppo", "a2c", "thompson", "ucb", "epsilon-greedy", "exact", "random"),
    ),
    "trunk": ("reinforce", "ppo", "a2c", "exact"),
    "full": ("reinforce", "ppo", "a2c", "trpo", "dqn"),
}


def run_suite(
    suite: tyro.conf.Positional[str],
    track: Track = "heads",
    agents: tuple[str, ...] = (),
    seeds: int = 20,
    set: tuple[str, ...] = (),
    gammas: tuple[float, ...] = (),
    workers: int | None = None,
    device: str = "cpu",
    output: Path = OUTPUT,
    ray: str | None = None,
    ray_cpus: int = 1,
    full: tyro.conf.OmitArgPrefixes[FullOptions] = NO_OPTIONS,
) -> None:
    """Does all runs that are missing.

    Args:
        suite: motionshapes, quick, a YAML file of tasks, or the id of an environment.
        track: what agents learn: "heads" on the same fixed features of frames, "trunk" with the backbone that sees the
            frames trained too, or "full", with the classifier fine-tuned along.
        agents: names, NAME@PRESET or module:Class; by default ten for heads, and fewer for the others.
        seeds: runs of each agent on each task, with seeds 0, 1, …
        set: options of all agents that have them, as lr=0.001.
        gammas: penalties of a wrong answer, each a task, for a suite that is the id of an environment.
        workers: processes; one a CPU core, at most 4, by default. With --ray, runs sent at once; as many as the cluster
            has room for by default. With track=full, threads of each process that decode; its part of the cores by
            default.
        device: where networks run.
        output: folder of all suites' folders.
        ray: address of a Ray cluster that computes the runs, as HOST:PORT; "auto" for the one that this machine belongs
            to, "local" for one of this machine alone. Needs the extra "ray".
        ray_cpus: CPU cores that a run has to itself on the cluster.
        full: for track=full alone.
    """
    if ray is None:  # it is the nodes that need it otherwise
        checked_device(device)
    elif track == "full":
        raise InputError(
            "--ray with track=full: its runs need each other's files; start the command on each machine, in a folder "
            "that all share"
        )
    for name, number in (("seeds", seeds), ("workers", workers), ("ray_cpus", ray_cpus)):
        if number is not None and number < 1:
            raise InputError(f"{name}={number}: expected at least 1")
    tasks, agents = read_suite(suite, gammas), tuple(dict.fromkeys(agents or AGENTS[track]))
    check_sets(agents, set)
    if track == "full":
        run_full(tasks, agents, seeds, output, options=replace(full, sets=set, workers=workers), device=device)
        return
    if full != NO_OPTIONS:
        given = ", ".join(each.name for each in fields(full) if getattr(full, each.name) != each.default)
        raise InputError(f"{given} given: for --track full alone; a suite's tasks name what {track} learns on")
    jobs = suite_jobs(tasks, track, agents, seeds, output, set, device)
    left = pending(jobs)
    if done := len(jobs) - len(left):
        print(f"{done} of {len(jobs)} runs were done before")
    if ray is None:
        others = do_all(left, workers or processes(device), "benchmark", done) if left else []
    else:
        others = do_all_on_ray(left, ray, ray_cpus, workers, done) if left else []
    if others:
        print(f"{len(others)} runs are left to other processes, which work on them")
    where = f" --track {track}" if track != "heads" else ""
    where += f" --output {output}" if output != OUTPUT else ""
    where += f" --gammas {' '.join(f'{gamma:g}' for gamma in gammas)}" if gammas else ""
    told = f"'ada3d benchmark report {suite}{where}' reads them"
    print(f"{len(jobs) - len(others)} runs in {output / tasks.name / track}: {told}")

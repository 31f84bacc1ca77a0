"""Ray clusters: how a command reaches one, how what it sends finds its files there, and what becomes of it."""

from __future__ import annotations

import os
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.workers import Outcome, RunError

EXTRA = "pip install 'ada3d-gym[ray]'"
AHEAD = 2  # runs sent for each place that computes: one waits, so that no place does
ATTEMPTS = 2  # of a run whose worker dies: a node that is taken away is nobody's fault, a run that kills two is its own


def connected(address: str, cpus: int) -> Any:
    """The module `ray`, connected.

    Args:
        address: as HOST:PORT; "auto" for the cluster that this machine belongs to, "local" for one of this machine
            alone, which ends with this process.
        cpus: CPU cores that each run has to itself.

    Raises:
        InputError: without Ray, or such a cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError(f"--ray {address}: Ray is not installed ({error}): {EXTRA}") from error
    try:
        _reach(address)
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except Exception as error:  # it raises many kinds, plain ones too
        remedy = "'ray status' on a node tells whether one runs; --ray local starts one on this machine"
        raise InputError(f"--ray {address}: no Ray cluster there ({error}): {remedy}") from error
    largest = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
    if largest < cpus:
        told = f"--ray-cpus {cpus}: the largest node has {largest:g} CPUs"
        if address == "local":
            ray.shutdown()
            raise InputError(told)
        print(f"{told}, so runs wait until the cluster gets a larger one", file=sys.stderr)
    return ray


def _reach(address: str) -> None:
    """Raises OSError where nobody listens; Ray itself would try for minutes, then end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def enter(folder: str) -> None:
    """Makes a node's process work in the driver's folder, where the node has it.

    Relative paths, and modules of agents, count from there.
    """
    if os.path.isdir(folder):
        os.chdir(folder)
        if folder not in sys.path:
            sys.path.insert(0, folder)


def options_of(device: str, cpus: int, title: str) -> dict[str, Any]:
    """What a run asks of its node."""
    return {
        "num_cpus": cpus,
        "num_gpus": int(device.startswith("cuda")),
        "max_retries": 0,  # told here, and tried again from here
        "name": title,
    }


class Answers:
    """What nodes answer, each with its run's outcome and what belongs to it.

    Args:
        ray: the module.
        next: what becomes of a run whose worker has died, for messages.
    """

    def __init__(self, ray: Any, next: str):
        self._ray, self._next = ray, next
        self._deaths: Counter[Path] = Counter()  # of workers, by run

    def of(self, reference: Any, path: Path) -> tuple[Outcome, Any] | None:
        """The answer of a run that has ended; None where its worker has died, and the run is to be sent once more.

        Args:
            reference: Ray's.
            path: of the run, for messages.

        Raises:
            RunError, RuntimeError: where the run failed, no node can compute it, or it has killed its last worker.
        """
        try:
            kind, told = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # not even begun: nodes catch what is raised in a run
            why = str(error).strip().splitlines()[-1]
            raise RunError(
                f"a Ray node cannot compute the run of {path} ({why}): each needs this version of ada3d-gym"
            ) from error
        except self._ray.exceptions.RayError as error:
            self._deaths[path] += 1
            name = type(error).__name__
            if self._deaths[path] == ATTEMPTS:
                raise RunError(f"{ATTEMPTS} Ray workers died in the run of {path} ({name})") from error
            tqdm.write(f"{path}: its Ray worker has died ({name}), and {self._next}", file=sys.stderr)
            return None
        if kind == "failed":
            raise RunError(f"{told} (in the run of {path})")
        if kind == "fault":
            raise RuntimeError(f"in the run of {path}:\n{told}")
        return kind, told

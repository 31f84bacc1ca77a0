"""Ray clusters: how a command reaches one, and how what it sends finds its files there."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from ada3d_gym.errors import InputError

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

"""Two machines: network namespaces with a cable between them; where there may be none, two loopback addresses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ENDED = 60  # seconds that a group of processes may take to end


@dataclass(frozen=True)
class Node:
    """Where processes run.

    Attributes:
        address: of its own, that the other one reaches.
        interface: that the address belongs to.
        within: what commands that run there begin with.
    """

    address: str
    interface: str
    within: tuple[str, ...] = ()

    def torchrun(
        self, head: str, arguments: list[str], *, log: Path, restarts: int = 0, more: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Starts one of the two groups of one process that train a run; `head` is HOST:PORT of the first."""
        launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
        launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", head, "--rdzv-id", "test"]
        launch += ["--rdzv-conf", f"is_host={int(head.startswith(f'{self.address}:'))}"]  # it would ask the host's name
        launch += ["--local-addr", self.address, "--max-restarts", str(restarts)]
        store = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}  # else a node that comes back waits for ever
        return self._start([*launch, *arguments], log, store | dict(more or {}))

    def start(
        self, head: str, rank: int, arguments: list[str], *, log: Path, more: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Starts one of the two processes, of this number, without torchrun, which takes as long to import PyTorch."""
        address, port = head.split(":")
        group = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "RANK": str(rank), "LOCAL_RANK": "0"}
        group |= {"MASTER_ADDR": address, "MASTER_PORT": port}
        return self._start([sys.executable, *arguments], log, group | dict(more or {}))

    def _start(self, command: list[str], log: Path, more: Mapping[str, str]) -> subprocess.Popen[str]:
        own = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "GLOO_SOCKET_IFNAME": self.interface}
        with log.open("a") as file:
            return subprocess.Popen(
                [*self.within, *command],
                env=os.environ | own | dict(more),
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # a group of their own, that can be killed as a machine is
            )


def kill(group: subprocess.Popen[str]) -> None:
    """All processes of a node at once, as when it loses its power; their workers have sessions of their own."""
    for pid in [*_descendants(group.pid), group.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    group.wait(ENDED)


def _descendants(pid: int) -> list[int]:
    import psutil

    try:
        return [each.pid for each in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextmanager
def two_nodes() -> Iterator[tuple[Node, Node]]:
    """Two network namespaces that reach each other, and nothing else, by a cable (veth); removed at the end."""
    names = [f"ada3d-{os.getpid()}-{each}" for each in range(2)]
    if not _permitted(names[0]):
        yield Node("127.0.0.2", "lo"), Node("127.0.0.3", "lo")
        return
    try:
        for name in names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("link", "add", "cable0", "netns", names[0], "type", "veth", "peer", "name", "cable1", "netns", names[1])
        for each, name in enumerate(names):
            _ip("-n", name, "addr", "add", f"10.77.0.{each + 1}/24", "dev", f"cable{each}")
            _ip("-n", name, "link", "set", f"cable{each}", "up")
        first, second = (
            Node(f"10.77.0.{each + 1}", f"cable{each}", ("ip", "netns", "exec", name))
            for each, name in enumerate(names)
        )
        yield first, second
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def cut(node: Node) -> None:
    """Takes the cable out, so that what is sent is lost and no connection is closed."""
    _ip("-n", node.within[-1], "link", "set", node.interface, "down")


def _permitted(name: str) -> bool:
    if shutil.which("ip") is None:
        return False
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        _ip("netns", "delete", name)
    return made


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)

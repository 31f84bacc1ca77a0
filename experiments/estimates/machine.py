"""What this machine has left, for this process: memory, also where a container is allowed less, and disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil
import torch

_MOUNT, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# Of cgroups version 2, and of version 1 below a folder of the controller: limit, usage, and pages that can be dropped.
_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory(device: str) -> int:
    """Bytes that a device's memory has left; of a CPU, within the limits of the control groups that this process is in.

    What other processes take later is theirs: who starts several trainings at once divides.
    """
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return min([int(psutil.virtual_memory().available), *_left_in_groups(_MOUNT, _OWN)])


def sharing(device: str) -> int:
    """How many processes that torchrun has started share a device's memory; a GPU is one's alone."""
    return 1 if torch.device(device).type == "cuda" else int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def free_disk(folder: Path) -> int:
    """Bytes left on the disk that a folder is, or will be, on."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free


def _left_in_groups(mount: Path, own: Path) -> list[int]:
    """Bytes left in each control group around this process that has a limit.

    Args:
        mount: where control groups are.
        own: what lists this process's, a line "number:controllers:/path" each.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    found = []
    for controllers, path in (line.split(":", 2)[1:] for line in lines if line.count(":") >= 2):
        if controllers and "memory" not in controllers.split(","):
            continue
        root = mount / "memory" if controllers else mount
        group = root / path.lstrip("/")
        for each in (group, *group.parents):  # in a container the path may be that outside, of which the root is there
            if each.is_relative_to(root) and (left := _left(each)) is not None:
                found.append(left)
    return found


def _left(group: Path) -> int | None:
    for limit, usage, droppable in _FILES:
        try:
            most = int((group / limit).read_text())  # "max" where there is none
            used = int((group / usage).read_text())
            listed = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        return max(0, most - used + int(listed.get(droppable, 0)))
    return None

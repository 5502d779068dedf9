"""The end of a chapter: the lab is closed, and nothing of it is left on the host."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox import cgroup
from kernelbox.agent.groups import own
from kernelbox.kernel.errors import KernelboxError
from kernelbox.plumbing import paths

if TYPE_CHECKING:
    from kernelbox.cgroup import Cgroup
    from kernelbox.lab.notebook import Lab

_PATIENCE = 5.0  # seconds: the kernel takes a moment to remove a network namespace


@dataclass(frozen=True)
class Left:
    """What is left of a lab, counted in the kernel.

    Attributes:
        processes: That the agent had started, and the agent.
        groups: Control groups.
        mounts: That this notebook sees.
        links: Network links.
    """

    processes: int
    groups: int
    mounts: int
    links: int

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return bool(self.processes or self.groups or self.mounts or self.links)

    def __repr__(self) -> str:
        return (
            f"processes left: {self.processes}\ncontrol groups left: {self.groups}\n"
            f"mounts left: {self.mounts}\nlinks left: {self.links}"
        )


def clean(box: Lab) -> Left:
    """Close a lab, and count what is left of it: processes, control groups, mounts and links."""
    processes = _family(box.agent)
    containers = sorted(box.made)
    links = [f"veth{one[:7]}" for one in containers] + sorted(box.bridges)
    groups = []
    with suppress(KernelboxError, OSError):  # no control groups, or no agent any more
        groups = [cgroup.of(one) for one in containers]
        groups.append(own(box.agent))
    box.close()
    deadline = time.monotonic() + _PATIENCE
    while (left := _count(processes, containers, groups, links)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _count(
    processes: set[tuple[int, str]], containers: list[str], groups: list[Cgroup], links: list[str]
) -> Left:
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    return Left(
        sum(_started(pid) == start for pid, start in processes),
        sum(group.exists() for group in groups),
        sum(f"{paths.container(one)}/" in mounts for one in containers),
        sum(os.path.exists(f"/sys/class/net/{one}") for one in links),
    )


def _family(eldest: int) -> set[tuple[int, str]]:
    """Return a process and all that descends from it: each by its pid and when it started."""
    children: dict[int, list[int]] = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(OSError, ValueError):
            children.setdefault(int(_stat(pid)[1]), []).append(pid)
    found, ahead = set(), [eldest]
    while ahead:
        pid = ahead.pop()
        found.add((pid, _started(pid)))
        ahead += children.get(pid, [])
    return {(pid, start) for pid, start in found if start}


def _started(pid: int) -> str:
    """Return when a process started; empty if it has ended, or is but a zombie."""
    try:
        fields = _stat(pid)
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on. Source: proc_pid_stat(5)."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return re.sub(r".*\)\s*", "", text, count=1, flags=re.DOTALL).split()

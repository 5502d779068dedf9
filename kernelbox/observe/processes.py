"""Processes that matter to a container, from one pass over /proc.

Those are the processes in a container's control group, kernelbox's own (commands, agents,
monitors), whatever an agent holds or has left behind, and the ancestors of all these up to PID 1.
Everything else on the host is left out: other programs, the kernel's threads, and what belongs to
another root (`KERNELBOX_ROOT`). Of an ancestor that is not kernelbox's own only the program's name
is shown, since arguments may hold secrets and a snapshot ends up in a notebook.

Leaves reading /proc to process_table.py.
"""

from __future__ import annotations

import dataclasses
import functools
import os

from kernelbox.container import state
from kernelbox.observe import process_table
from kernelbox.observe.model import Process
from kernelbox.observe.procfs import read
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from kernelbox.observe.process_table import Seen


def look(only: Collection[str] | None = None) -> tuple[Process, ...]:
    """Return the processes that matter, in the order of pids; see the top of this file.

    Args:
        only: Ids of containers: then nothing but their processes, their monitors and those'
            ancestors. None for everything.

    Source: proc(5); proc_pid_status(5); cgroups(7), "/proc files"; namespaces(7).
    """
    seen = process_table.scan()
    scene = _Scene(seen, set(state.every()))
    looked_at = (scene.process(pid) for pid in sorted(scene.kept(only)))
    found = {one.pid: one for one in looked_at if one is not None}
    for pid in _known.keys() - seen.keys():
        del _known[pid]
    # A parent may have ended since the pass, and left its child.
    return tuple(
        one if one.ppid in found else dataclasses.replace(one, ppid=0) for one in found.values()
    )


# What was told of a process last time, and of what: of one that slept it is still true.
_known: dict[int, tuple[Seen, tuple[str, str], Process]] = {}


class _Scene:
    """All processes, and which of them belongs to what."""

    def __init__(self, seen: dict[int, Seen], containers: set[str]) -> None:
        self._seen = seen
        self._root = paths.root()
        self._sides: dict[int, tuple[str, str]] = {}
        monitors = self._monitors(containers)
        agents = {pid for pid in seen.keys() - monitors if self._is_ours(pid, "kernelbox.agent")}
        for pid, one in seen.items():
            if one.group in containers:
                self._sides[pid] = ("container", one.group)
            elif one.ppid in monitors and self._is_born(pid):
                self._sides[pid] = ("container", monitors[one.ppid])
            elif pid in monitors:
                self._sides[pid] = ("runtime", monitors[pid])
            elif inherited := self._inherited(pid, containers, agents):
                self._sides[pid] = inherited
            elif self._is_ours(pid):
                self._sides[pid] = ("runtime", "")

    def _monitors(self, containers: set[str]) -> dict[int, str]:
        """Return the monitor of each container: the parent, outside it, of its processes.

        If the container has no process yet, its lock names the monitor.
        """
        seen = self._seen
        monitors = {}
        for one in seen.values():
            if one.group in containers:
                parent = seen.get(one.ppid)
                if parent and parent.group != one.group and self._is_kernelbox(one.ppid):
                    monitors[one.ppid] = one.group
        for container in containers - set(monitors.values()):
            lock = (read(f"{paths.container(container)}/lock") or b"").split()
            if lock and self._is_ours(int(lock[0])):
                monitors[int(lock[0])] = container
        return monitors

    def _is_born(self, pid: int) -> bool:
        """Whether a monitor's child is the container's, though it may not be in the group yet.

        It is in another PID namespace than its parent; a program that the monitor runs is not.
        """
        one = self._seen[pid]
        return len(one.nspid) > len(self._seen[one.ppid].nspid)

    def kept(self, only: Collection[str] | None) -> set[int]:
        """Return the pids of those that matter, and of their ancestors."""
        kept = set()
        for pid, (_, container) in self._sides.items():
            if only is None or container in only:
                while pid in self._seen and pid not in kept:
                    kept.add(pid)
                    pid = self._seen[pid].ppid
        return kept

    def process(self, pid: int) -> Process | None:
        """Look at the rest of one process; None if it is gone."""
        seen, belongs = self._seen[pid], self._sides.get(pid, ("host", ""))
        if pid in _known:
            of, to, told = _known[pid]
            if of is seen and to == belongs:
                return told
        side, container = belongs
        command, namespaces = seen.memory.command(), seen.memory.namespaces()
        if namespaces is None:
            return None
        told = Process(
            pid=pid,
            ppid=seen.ppid,
            inside_pid=seen.nspid[-1],
            name=seen.name,
            command=command[:1] if side == "host" else command,
            side=side,
            container=container,
            uid=seen.uid,
            cgroup=seen.cgroup,
            capabilities=seen.capabilities,
            namespaces=namespaces,
        )
        _known[pid] = seen, belongs, told
        return told

    def _inherited(
        self, pid: int, containers: set[str], agents: set[int]
    ) -> tuple[str, str] | None:
        """Return the side that a process is on because of its ancestors.

        A zombie is in no control group any more, if that is v1's; an agent's descendants are what
        it holds, or what was left behind.
        """
        for _ in range(len(self._seen)):
            one = self._seen.get(pid)
            if one is None:
                return None
            if one.group in containers:
                return ("container", one.group)
            if pid in agents:
                return ("runtime", "")
            pid = one.ppid
        return None

    def _is_kernelbox(self, pid: int, module: str = "") -> bool:
        """Whether a process is kernelbox itself, or this module of it.

        It is a Python, or a script by this name; nobody else's command line is read for this.
        """
        name = self._seen[pid].name if pid in self._seen else ""
        if "python" not in name and name != "kernelbox":
            return False
        running = _module(self._seen[pid].memory.command())
        return running != "" and module in ("", running)

    def _is_ours(self, pid: int, module: str = "") -> bool:
        """Whether a process is kernelbox, and works on the same root as this one."""
        if not self._is_kernelbox(pid, module):
            return False
        return self._seen[pid].memory.root() == self._root


@functools.lru_cache(1024)
def _module(command: tuple[str, ...]) -> str:
    """Return what of kernelbox a Python's command line starts; empty if it is something else.

    `kernelbox lab` is something else: it serves the notebooks, and asks the kernel for nothing.

    Source: python(1), the interface options end at the first word that is none, or after -m.
    """
    words = iter(command)
    next(words, "")
    for word in words:
        if word == "-m":
            module = next(words, "")
            return module if module.partition(".")[0] == "kernelbox" else ""
        if not word.startswith("-"):
            is_command = os.path.basename(word) == "kernelbox"
            return "kernelbox" if is_command and next(words, "") != "lab" else ""
    return ""

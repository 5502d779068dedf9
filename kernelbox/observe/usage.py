"""What containers use of CPU, memory, pids and I/O, from the counters of their control groups.

Whoever looks again and again finds most of it as it was: files stay open, and what all of them say
as before is not taken apart again.
"""

from __future__ import annotations

import dataclasses
import operator
import os
import time

from kernelbox import cgroup
from kernelbox.cgroup import stats, translation
from kernelbox.cgroup.tree import INSIDE
from kernelbox.container import state
from kernelbox.kernel.errors import KernelboxError
from kernelbox.observe.model import Usage
from kernelbox.observe.procfs import Kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from kernelbox.cgroup import Hierarchy

# What a Usage does not tell. They are not read: memory.stat costs more than all the others.
_IDLE = ("memory.stat", "memory.max_usage_in_bytes", "memory.peak", "pids.events")
_PATIENCE = 5.0  # seconds after which the files of a group that nobody looks at are closed

_known: dict[str, _Group] = {}


def look(containers: Iterable[str]) -> tuple[Usage, ...]:
    """Return the usage of each container that has a control group, in the order given.

    Args:
        containers: Ids.

    Raises:
        KernelboxError: The host has no control groups.

    Source: cgroup-v2.rst; `Documentation/admin-guide/cgroup-v1/`.
    """
    host = cgroup.find()
    found = []
    for container in containers:
        group = _known.get(container) or _Group(host, container)
        _known[container] = group
        usage = group.look()
        if usage is not None:
            found.append(usage)
        else:
            group.close()
            del _known[container]
    now = time.monotonic()
    for container in [one for one, group in _known.items() if now - group.at > _PATIENCE]:
        _known.pop(container).close()
    return tuple(found)


class _Group:
    """The files of one container's group, and what they said.

    Args:
        host: Where the control groups are.
        container: Whose; or the path of a group below `/kernelbox`.

    Attributes:
        at: When it was looked at last.
    """

    def __init__(self, host: Hierarchy, container: str) -> None:
        self.at = 0.0
        self._host = host
        self._container = container
        self._name = ""
        self._files: dict[str, list[Kept]] = {}
        self._said: dict[str, bytes | None] = {}
        self._told: tuple[Any, ...] | None = None  # all of a Usage behind its time

    def look(self) -> Usage | None:
        """Return its usage; None if the group is gone."""
        self.at, now = time.monotonic(), time.time()
        said = {file: _first(places) for file, places in self._files.items()}
        if self._told is None or said != self._said:
            self._name = self._name or self._find_name()
            self._said = said
            self._told = self._taken_apart()
            # Asked last: what vanished while it was read is not half there.
            if not os.path.isdir(f"{self._host.parents[0]}/{self._name}"):
                return None
        return Usage(self._container, now, *self._told)

    def close(self) -> None:
        """Let go of its files."""
        for places in self._files.values():
            for one in places:
                one.close()

    def _find_name(self) -> str:
        """Return the path of its group below `/kernelbox`: its id, or in another one."""
        if os.path.isdir(f"{self._host.parents[0]}/{self._container}"):
            return self._container
        try:
            return state.group(self._container).name
        except KernelboxError:  # damaged, or no group at all
            return self._container

    def _text(self, file: str) -> str | None:
        """Return what a file has said, by its name in the host's version; None if there is none."""
        if file in _IDLE:
            return None
        if file not in self._files:
            mount = self._host.mounts.get(file.partition(".")[0])
            local = (f"{INSIDE}/{file}",) if file in translation.LOCAL else ()
            self._files[file] = [
                Kept(f"{mount}/kernelbox/{self._name}/{one}") for one in (*local, file) if mount
            ]
            self._said[file] = _first(self._files[file])
        text = self._said[file]
        return None if text is None else text.decode(errors="replace")

    def _taken_apart(self) -> tuple[Any, ...]:
        def text(file: str) -> str:
            return self._text(file) or ""

        is_v2 = self._host.version == 2
        counted = stats.of_version_2(self._text) if is_v2 else stats.version_1(text)
        told = Usage(
            container=self._container,
            time=0.0,
            cpu_usec=counted.cpu_usec,
            throttled=counted.throttled_usec,
            memory=counted.memory_current,
            memory_limit=counted.memory_limit,
            pids=counted.pids_current,
            pids_limit=counted.pids_limit,
            io_read=counted.io_read_bytes,
            io_write=counted.io_write_bytes,
            oom_kills=counted.oom_kill,
            pressure=_pressure(text) if is_v2 else None,
            cpu_limit=_cpu_limit(text, "cpu.max" if is_v2 else "cpu.cfs_quota_us"),
        )
        return _WHOLE(told)[2:]


_WHOLE = operator.attrgetter(*(one.name for one in dataclasses.fields(Usage)))


def _first(places: list[Kept]) -> bytes | None:
    """Return what the first of these files says that is there; None if none is."""
    for one in places:
        if (text := one.read()) is not None:
            return text
    return None


def _cpu_limit(text: Callable[[str], str], file: str) -> float | None:
    """Return how many processors the group may use. Source: cgroup-v2.rst, cpu.max."""
    quota, _, period = text(file).partition(" ")
    if not quota.strip().isdigit():  # `max`, -1, or nothing
        return None
    return int(quota) / int(period or text("cpu.cfs_period_us"))


def _pressure(text: Callable[[str], str]) -> dict[str, float] | None:
    """Return for how many percent of the last 10 seconds some process had to wait.

    Source: `Documentation/accounting/psi.rst`: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`.
    """
    found = {}
    for resource in ("cpu", "memory", "io"):
        _, _, after = text(f"{resource}.pressure").partition("some avg10=")
        if after:
            found[resource] = float(after.partition(" ")[0])
    return found or None

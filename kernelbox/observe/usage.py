"""What containers use of CPU, memory, pids and I/O, from the counters of their control groups."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

from kernelbox import cgroup
from kernelbox.cgroup import stats, translation
from kernelbox.cgroup.tree import INSIDE
from kernelbox.container import state
from kernelbox.kernel.errors import KernelboxError
from kernelbox.observe.model import Usage
from kernelbox.observe.procfs import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kernelbox.cgroup import Hierarchy

# What a Usage does not tell. They are not read: memory.stat costs more than all the others.
_IDLE = ("memory.stat", "memory.max_usage_in_bytes", "pids.events")


def look(containers: Iterable[str]) -> tuple[Usage, ...]:
    """Return the usage of each container that has a control group, in the order given.

    Args:
        containers: Ids.

    Raises:
        KernelboxError: The host has no control groups.

    Source: cgroup-v2.rst; `Documentation/admin-guide/cgroup-v1/`.
    """
    host = cgroup.find()
    with ExitStack() as opened:
        groups = _Groups(host, opened)
        found = [_usage(groups, container) for container in containers]
    return tuple(one for one in found if one is not None)


class _Groups:
    """The `/kernelbox` of each hierarchy, opened once for all containers."""

    def __init__(self, host: Hierarchy, opened: ExitStack) -> None:
        self.version = host.version
        self._parent = host.parents[0]
        fds: dict[str, int] = {}
        for mount in set(host.mounts.values()):
            try:
                fds[mount] = os.open(f"{mount}/kernelbox", os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:  # no container has been started yet
                continue
            opened.callback(os.close, fds[mount])
        self._fds = {name: fds[mount] for name, mount in host.mounts.items() if mount in fds}

    def name(self, container: str) -> str:
        """Return the path of a container's group below `/kernelbox`: its id, or in another one."""
        if os.path.isdir(f"{self._parent}/{container}"):
            return container
        try:
            return state.group(container).name
        except KernelboxError:  # damaged, or no group at all
            return container

    def directory(self, name: str) -> str:
        """Return the path of a group, or of the first of them in v1."""
        return f"{self._parent}/{name}"

    def text(self, name: str, file: str) -> str:
        """Return the text of a file, by its name in the host's version; empty if there is none."""
        fd = self._fds.get(file.partition(".")[0])
        if fd is None or file in _IDLE:
            return ""
        text = read(f"{name}/{INSIDE}/{file}", dir_fd=fd) if file in translation.LOCAL else b""
        text = text or read(f"{name}/{file}", dir_fd=fd) or b""
        return text.decode(errors="replace")


def _usage(groups: _Groups, container: str) -> Usage | None:
    """Return the usage of one container; None if its group is gone."""
    now = time.time()
    name = groups.name(container)

    def text(file: str) -> str:
        return groups.text(name, file)

    directory = groups.directory(name)
    is_v2 = groups.version == 2
    counted = stats.version_2(directory) if is_v2 else stats.version_1(text)
    usage = Usage(
        container=container,
        time=now,
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
    # Asked last: what vanished while it was read is not half there.
    return usage if os.path.isdir(directory) else None


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

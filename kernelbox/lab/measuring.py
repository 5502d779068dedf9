"""What a notebook measures over a while: processors, disks, percentiles; what limits a process.

    from kernelbox.lab.measuring import cpu_groups, cpu_max, moved, percentile, used
    from kernelbox.lab.measuring import memory_groups, memory_max

They only read: everybody may.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox import cgroup
from kernelbox.cgroup import reading
from kernelbox.lab.groups import Group

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernelbox.cgroup import Cgroup
    from kernelbox.lab.started import Container


def group_of(thing: Group | Container) -> Cgroup:
    """Return the control group of a notebook's, or that of a container, to be read."""
    return thing.found if isinstance(thing, Group) else cgroup.of(thing.id)


def used(*things: Group | Container, seconds: float = 1.0) -> list[float]:
    """Return how many processors each group or container uses, on average over the next seconds.

    All of them are looked at over the same while.
    """
    groups = [group_of(thing) for thing in things]
    began, before = time.monotonic(), [_cpu(group) for group in groups]
    time.sleep(seconds)
    passed, after = time.monotonic() - began, [_cpu(group) for group in groups]
    return [(late - early) / passed for early, late in zip(before, after, strict=True)]


def _cpu(group: Cgroup) -> float:
    """Return the CPU time that a group has used, seconds; 0 where that is not counted."""
    return (group.stats().cpu_usec or 0) / 1e6


def moved(thing: Group | Container, disk: str, seconds: float = 1.0) -> dict[str, float]:
    """Return what a group or container moves to and from a disk, each a second, on average.

    Args:
        thing: The group or container.
        disk: The disk's numbers, such as `7:0`.
        seconds: How long it is looked at.

    Returns:
        What `io_counters` has, in a second.
    """
    began, before = time.monotonic(), io_counters(thing, disk)
    time.sleep(seconds)
    passed, after = time.monotonic() - began, io_counters(thing, disk)
    return {name: (after[name] - before[name]) / passed for name in after}


def io_counters(thing: Group | Container, disk: str) -> dict[str, int]:
    """Return what `io.stat` of a group or container says of a disk, by its numbers.

    Returns:
        Bytes and requests, read and written: `rbytes`, `wbytes`, `rios`, `wios`. With v1, from
        Linux 6.10 on, the kernel counts once any group has had a limit of the disk, also `max`.

    Source: cgroup-v2.rst, io.stat; blk_throtl_init() in the kernel.
    """
    found = dict.fromkeys(("rbytes", "wbytes", "rios", "wios"), 0)
    for line in group_of(thing).get("io.stat").splitlines():
        device, *pairs = line.split()
        if device == disk:
            told = dict(pair.split("=") for pair in pairs)
            found |= {name: int(told[name]) for name in found if name in told}
    return found


def io_stat(directory: str | Path) -> str:
    """Return what `io.stat` says in a directory of cgroupfs, also where the host has v1.

    Source: cgroup-v2.rst, io.stat.
    """
    place = Path(directory)
    if cgroup.find().version == 2:
        return (place / "io.stat").read_text().strip()
    return reading.TABLE["io.stat"](lambda name: (place / name).read_text())


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the value that so many percent of the values do not exceed: the nearest rank.

    Raises:
        ValueError: There are no values.
    """
    ranked = sorted(values)
    if not ranked:
        raise ValueError("no values have been measured yet")
    return ranked[max(math.ceil(len(ranked) * percent / 100), 1) - 1]


def cpu_groups(pid: int) -> list[Path]:
    """Return the directories of a process's groups in the hierarchy of the CPU controller.

    Its own comes first, then the one that this lies in, and so on; the root, which has no limit,
    is left out.

    Raises:
        OSError: ENOENT, ESRCH: there is no such process.

    Source: cgroups(7), /proc/PID/cgroup.
    """
    return _groups(pid, "cpu")


def cpu_max(directory: Path) -> str:
    """Return what `cpu.max` says in a directory of `cpu_groups`, also where the host has v1.

    `max 100000` is no limit, and so is a group to which the controller is not passed down.
    """
    if cgroup.find().version == 2:
        file = directory / "cpu.max"
        return file.read_text().strip() if file.exists() else "max 100000"
    return reading.TABLE["cpu.max"](lambda name: (directory / name).read_text())


def memory_groups(pid: int) -> list[Path]:
    """Return the directories of a process's groups as `cpu_groups` does, for the memory controller.

    Raises:
        OSError: ENOENT, ESRCH: there is no such process.
    """
    return _groups(pid, "memory")


def memory_max(directory: Path) -> str:
    """Return what `memory.max` says in a directory of `memory_groups`, also where the host has v1.

    A number of bytes; or `max`: no limit, or a group to which the controller is not passed down.
    """
    if cgroup.find().version == 2:
        file = directory / "memory.max"
        return file.read_text().strip() if file.exists() else "max"
    return reading.TABLE["memory.max"](lambda name: (directory / name).read_text())


def _groups(pid: int, controller: str) -> list[Path]:
    host = cgroup.find()
    text = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") or (not controllers and host.version == 2):
            parts = Path(path.lstrip("/")).parts
            mount = host.mounts[controller]
            return [Path(mount, *parts[:end]) for end in range(len(parts), 0, -1)]
    return []

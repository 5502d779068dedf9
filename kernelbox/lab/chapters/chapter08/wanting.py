"""What the checks of chapter 08 see: who wants to run, on which CPUs, and below which quota."""

from __future__ import annotations

import os
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from kernelbox.lab import reading
from kernelbox.lab.exercises.verdict import Verdict, failed
from kernelbox.lab.groups import Group
from kernelbox.lab.measuring import cpu_groups, cpu_max, group_of
from kernelbox.lab.started import Container

_LOOKS, _PAUSE = 30, 0.02  # seconds
_TRIES = 3


class Quota(NamedTuple):
    """What limits a process: so many processors, and the group in whose `cpu.max` that stands."""

    processors: Fraction
    group: Path


def not_a_group(thing: object, name: str) -> Verdict | None:
    """Return the verdict on what is no control group of the lab's, and no container."""
    if not isinstance(thing, Group | Container):
        return failed(f"{name} is {thing!r:.80}", "what box.cgroup() or box.start() returned")
    if isinstance(thing, Container) and not reading.alive(thing.pid):
        return failed(f"the container {name} has ended", "one that is there to be looked at")
    if not group_of(thing).exists():
        return failed(f"the control group {name} has been removed", "one that is there")
    return None


def members(thing: Group | Container) -> list[int]:
    """Return the processes of a group, or of a container wherever they have been moved."""
    found = set(group_of(thing).processes())
    ahead = [thing.pid] if isinstance(thing, Container) else []
    while ahead:
        found.add(ahead[-1])
        ahead += reading.children(ahead.pop())
    return sorted(pid for pid in found if reading.alive(pid))


def wanting(thing: Group | Container, least: int = 1) -> list[int]:
    """Return the threads in a group or container that want to run all the time, by their numbers.

    Whoever waits for its turn, or for the end of a throttled period, is in state R like one that
    runs. So a thread counts that was in this state at nine looks of ten. Where fewer than `least`
    are found, some may just have been started: they get a second chance, and a third.

    Source: proc_pid_stat(5), state; sched(7).
    """
    found: list[int] = []
    for _ in range(_TRIES):
        found = _wanting(members(thing))
        if len(found) >= least:
            break
    return found


def _wanting(pids: list[int]) -> list[int]:
    seen: Counter[int] = Counter()
    for _ in range(_LOOKS):
        for pid in pids:
            seen.update(thread for thread, fields in _threads(pid) if fields[0] == "R")
        time.sleep(_PAUSE)
    return sorted(thread for thread, times in seen.items() if times >= 0.9 * _LOOKS)


def cpu_time(pids: list[int]) -> float:
    """Return the CPU time that some processes have used, seconds. Source: proc_pid_stat(5)."""
    ticks = [int(fields[11]) + int(fields[12]) for pid in pids for _, fields in _threads(pid)]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def _threads(pid: int) -> list[tuple[int, list[str]]]:
    """Return the threads of a process: number, and the fields of `stat` from the third on."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has just ended
            continue
        found.append((int(path.parent.name), text.rpartition(") ")[2].split()))
    return found


def quota(pid: int) -> Quota | None:
    """Return the lowest quota of a process's groups; None if none has any."""
    found = []
    for directory in cpu_groups(pid):
        most, period = cpu_max(directory).split()
        if most != "max":
            found.append(Quota(Fraction(int(most), int(period)), directory))
    return min(found, default=None)


def cpus(pids: list[int]) -> set[int]:
    """Return the CPUs that some threads may run on. Source: sched_getaffinity(2), cpuset(7)."""
    return {cpu for pid in pids for cpu in os.sched_getaffinity(pid)}

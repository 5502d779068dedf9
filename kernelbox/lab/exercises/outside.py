"""What checks ask the kernel, from outside the process that they look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox import cgroup
from kernelbox.lab import reading
from kernelbox.lab.exercises.verdict import Verdict, failed
from kernelbox.lab.held import Held

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab


def own(box: Lab, pid: int) -> set[str]:
    """Return the kinds of namespaces (as in /proc/PID/ns) that a process does not share with us.

    Raises:
        LabError: There is no such process.
    """
    theirs, hosts = box.namespaces(pid), box.namespaces(box.agent)
    return {kind for kind in hosts if theirs[kind] != hosts[kind]}


def hostname(box: Lab, process: Held) -> str:
    """Return the hostname of a process: another one enters its UTS namespace, and looks."""
    witness = box.hold()
    try:
        witness.setns(process, "uts")
        return str(witness.look().inside["hostname"])
    finally:
        witness.end()


def limit(container_id: str, name: str) -> str:
    """Return what a file of a container's control group says, by its name in cgroup v2.

    Raises:
        OSError: ENOENT: no hierarchy has such a file.
    """
    places = [Path(where, name) for where in cgroup.of(container_id).directories]
    there = [place for place in places if place.exists()]
    return (there or places)[0].read_text().strip()


def mounts(pid: int) -> list[list[str]]:
    """Return the fields of each line of /proc/PID/mountinfo. Source: proc_pid_mountinfo(5)."""
    return [line.split() for line in reading.mountinfo(pid)]


def has_ended(pid: int) -> bool:
    """Say whether a process has ended, or can no longer do anything else."""
    try:
        status, stat = (Path(f"/proc/{pid}/{file}").read_text() for file in ("status", "stat"))
    except OSError:
        return True
    fields = stat.rpartition(")")[2].split()
    return fields[0] in "ZX" or reading.is_ending(fields, status)


def not_held(thing: object, name: str) -> Verdict | None:
    """Return the verdict on something that is no running process under remote control."""
    if not isinstance(thing, Held):
        return failed(f"{name} is {thing!r:.80}", "a process that box.hold() or fork() returned")
    if has_ended(thing.pid):
        return failed(f"the process {name} has ended", "one that is there to be looked at")
    return None

"""What checks ask the kernel, from outside the process that they look at."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox import cgroup
from kernelbox.lab import reading
from kernelbox.lab.exercises.verdict import Verdict, failed
from kernelbox.lab.held import Held

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.started import Container


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


def not_its_init(box: Lab, container: Container) -> Verdict | None:
    """Return the verdict on a container whose `pid` is not that of its init, says the lab."""
    known = {one["Id"]: one["State"]["Pid"] for one in box.containers(every=True)}
    if known.get(container.id) != container.pid:
        return failed("its `pid` is not the one of its first process", "as box.start() returned it")
    return None


def does_not_run(container: Container, *words: str) -> Verdict | None:
    """Return the verdict on a container in which nobody runs a command that begins with these.

    A program that is about to end is still there for a moment: so it is asked for by its words.
    """
    deadline = time.monotonic() + 1  # a shell, or an init, may be about to start it
    while [*words] not in [_command(pid)[: len(words)] for pid in members(container)]:
        if has_ended(container.pid):
            return failed("its program has ended, and the container with it", "one that runs")
        if time.monotonic() > deadline:
            runs = " ".join(_command(container.pid))
            return failed(f"the container runs {runs!r}", repr(" ".join(words)))
        time.sleep(0.02)
    return None


def members(container: Container) -> list[int]:
    """Return the PIDs in the control group that a container's processes are in; none, if none."""
    file = Path(cgroup.of(container.id).inside.directories[0], "cgroup.procs")
    with suppress(FileNotFoundError):  # it has gone, with the container
        return [int(pid) for pid in file.read_text().split()]
    return []


def _command(pid: int) -> list[str]:
    """Return the words of a process's command: its program without a path, nor busybox's name."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has just ended
        return []
    program, *words = text.removesuffix("\0").split("\0")
    program = os.path.basename(program)
    return words if program == "busybox" and words else [program, *words]


def not_pids(value: object) -> str:
    """Say what stands in the place of a set of PIDs, or of one of them; empty if all are numbers.

    A text that looks like a PID is none: told apart, nobody looks for a process that is missing.
    """
    if not isinstance(value, set | list):
        return f"{value!r}, and no set of PIDs"
    strange = next((one for one in value if type(one) is not int), None)
    return "" if strange is None else f"{strange!r:.80} is among yours, and no whole number"


def not_held(thing: object, name: str) -> Verdict | None:
    """Return the verdict on something that is no running process under remote control."""
    if not isinstance(thing, Held):
        return failed(f"{name} is {thing!r:.80}", "a process that box.hold() or fork() returned")
    if has_ended(thing.pid):
        return failed(f"the process {name} has ended", "one that is there to be looked at")
    return None

"""What processes take of the memory: every page counted once, however many have it.

A page that three processes map is a third of a page for each of them: their *proportional* set
size (PSS). It is the only number of a process's that may be added up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernelbox.lab import reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernelbox.lab.held import Held
    from kernelbox.lab.started import Container

KIB = 1 << 10


class Taken(NamedTuple):
    """What some processes take together, bytes.

    Attributes:
        resident: The sum of what each has mapped in memory (RSS): shared pages count for everybody.
        proportional: The sum of their shares (PSS).
        own: What nobody else has mapped: it would be free without them (USS).
    """

    resident: int
    proportional: int
    own: int


def rollup(text: str) -> dict[str, int]:
    """Return what a process's `smaps_rollup` says, bytes by name: `Rss`, `Pss`, `Private_Dirty`.

    Source: proc_pid_smaps(5); `Documentation/ABI/testing/procfs-smaps_rollup`.
    """
    lines = (line.split() for line in text.splitlines()[1:])
    return {name.removesuffix(":"): int(number) * KIB for name, number, _ in lines}


def taken(witness: Held, pids: Iterable[int]) -> Taken:
    """Return what processes take together.

    Args:
        witness: Who looks: a process that has the right to (ptrace(2), PTRACE_MODE_READ).
        pids: As the host counts.

    Raises:
        LabError: ESRCH, ENOENT: one of them has ended.
    """
    paths = [f"/proc/{pid}/smaps_rollup" for pid in pids]
    found = [rollup(text) for text in witness.evaluate(f"[open(one).read() for one in {paths}]")]
    return Taken(
        sum(one["Rss"] for one in found),
        sum(one["Pss"] for one in found),
        sum(one["Private_Clean"] + one["Private_Dirty"] for one in found),
    )


def people(containers: Iterable[Container]) -> list[int]:
    """Return the PIDs that containers with one program are made of: it, and its monitor.

    The monitor is the program's parent: it stays for as long, keeps the log, and takes the exit
    code, as conmon and containerd-shim do for others.

    Raises:
        OSError: ESRCH, ENOENT: one of them has ended.
    """
    found = []
    for one in containers:
        found += [one.pid, int(reading.status(one.pid)["PPid"])]
    return found

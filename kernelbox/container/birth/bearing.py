"""Whether who enters a container stays outside of its PID namespace, and bears the program there.

A process with CAP_SYS_PTRACE in there could look into whoever comes in: see stepping_stone.py. From
all others PR_SET_DUMPABLE hides it, and it comes in itself: who bears a child is a process more, of
as many as the container may have. It does so, too, where no child can be born that is just the
program:

    a user namespace        who is in there has no power over a process from outside
    a filter                that forbids, or leaves to somebody else, what the stone calls
    AppArmor                it is told in /proc/self, which is not there for who comes from outside;
                            it lets nobody look into a process that it does not hold
    a scheduling policy     no child need inherit that
    another machine         there is no such stone for it

Source: ptrace(2), "Ptrace access mode checking"; proc_pid_status(5), CapPrm and CapBnd.
"""

from __future__ import annotations

import os

from kernelbox import namespaces
from kernelbox.kernel import flags as k
from kernelbox.kernel import process, stepping_stone
from kernelbox.kernel.execution import PROCESSES
from kernelbox.kernel.stepping_stone import Errand
from kernelbox.plumbing.light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernelbox.container.birth.confinement import Filter
    from kernelbox.kernel.stepping_stone import Stone


def lay(
    first: int,
    entered: Iterable[str],
    confined: Filter | None,
    limits: Iterable[tuple[str, int, int]],
    *,
    terminal: bool,
    dies_with_parent: bool = False,
    possible: bool = True,
) -> Stone:
    """Return a stone for who enters a container: one that bears a child, if that can be.

    Args:
        first: The container's first process, as the host counts.
        entered: The namespaces of the container that are not ours, as /proc calls them.
        confined: The filter that its program has; None without one.
        limits: What the program may use: `RLIMIT_NPROC` and its kin, soft and hard limit.
        terminal: Whether it has a terminal of its own.
        dies_with_parent: Whether it is killed at the end of whoever waits for it.
        possible: Whether nothing else that it has is against it.
    """
    of_user = [(soft, hard) for name, soft, hard in limits if name == PROCESSES]
    errand = Errand(terminal, dies_with_parent, of_user[0] if of_user else None)
    kinds = set(entered)
    wanted = possible and "pid" in kinds and "user" not in kinds and _is_watched(first)
    return stepping_stone.lay(errand if wanted and _can_be(confined, errand) else None)


def _is_watched(first: int) -> bool:
    """Whether a thread in a process's PID namespace has CAP_SYS_PTRACE, or may gain it."""
    theirs = namespaces.identity(first, "pid")
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):  # it has just ended
            if namespaces.identity(pid, "pid") == theirs:
                for thread in os.listdir(f"/proc/{pid}/task"):
                    sets = process.status(int(thread))
                    if (int(sets["CapPrm"], 16) | int(sets["CapBnd"], 16)) >> k.CAP_SYS_PTRACE & 1:
                        return True
    return False


def _can_be(confined: Filter | None, errand: Errand) -> bool:
    machine = os.uname().machine
    if not stepping_stone.can_bear(machine):
        return False
    if confined is None:
        return True
    if confined.watched:  # somebody would be asked about what is not the program's
        return False
    from kernelbox.seccomp import machines, verdict  # only for who is filtered

    return verdict.lets_pass(
        confined.program, machines.this(), stepping_stone.calls(machine, errand)
    )

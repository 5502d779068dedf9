"""Whether who enters a container stays outside of its PID namespace, and bears the program there.

A process with CAP_SYS_PTRACE in there could look into whoever comes in: see stepping_stone.py. But
where no child can be born that is just the program, it comes in itself:

    a user namespace        who is in there has no power over a process from outside
    a filter                that forbids, or leaves to somebody else, what the stone calls
    AppArmor                it is told in /proc/self, which is not there for who comes from outside;
                            it lets nobody look into a process that it does not hold
    a scheduling policy     no child need inherit that
    another machine         there is no such stone for it

Source: ptrace(2), "Ptrace access mode checking".
"""

from __future__ import annotations

import os

from kernelbox.kernel import stepping_stone
from kernelbox.kernel.execution import PROCESSES
from kernelbox.kernel.stepping_stone import Errand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernelbox.container.birth.confinement import Filter
    from kernelbox.kernel.stepping_stone import Stone


def lay(
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
    wanted = possible and "pid" in kinds and "user" not in kinds
    return stepping_stone.lay(errand if wanted and _can_be(confined, errand) else None)


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

"""The fork limit: one control group for all held processes, with an end to their forks.

A student who forks without end fills the group, and not the machine: the kernel says EAGAIN. All of
them weigh less than the agent that is to end them, and they are frozen before they are killed. It
belongs to the root, like the bridge: it is made when first needed, written into the host's ledger
before, and `kernelbox reset` removes it.

Source: cgroup-v2.rst, "PID", pids.max; clone(2), EAGAIN.
"""

from __future__ import annotations

import errno
import os
from contextlib import closing, contextmanager, suppress

from kernelbox import cgroup
from kernelbox.agent import whose
from kernelbox.cgroup import tree
from kernelbox.container import state
from kernelbox.container.ledger import Ledger
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.cgroup import Cgroup, Entrance

MOST = 512  # processes of all notebooks below one root
SHARES = 256  # of CPU time, for all of them together: a single process outside has 1024
_PATIENCE = 10.0  # seconds that so many may take to stand still


def name() -> str:
    """Return the name of this root's group."""
    return f"held-{paths.suffix()}"


@contextmanager
def opened() -> Iterator[Entrance | None]:
    """Open the way into the group, which is made if it is missing.

    None where there can be none: a process under remote control is of use without it.
    """
    try:
        entrance = _entrance()
    except (KernelboxError, OSError):  # no control groups, or none to write to
        yield None
        return
    with closing(entrance):
        yield entrance


def take_in(pid: int) -> None:
    """Move a process into the group, as far as there can be one.

    Raises:
        KernelError: ESRCH if there is no such process.
    """
    with opened() as entrance:
        if entrance is not None:
            cgroup.of(name()).add(pid)


def kill_descendants(ancestor: int) -> None:
    """Kill all in the group that descend from a process, while nobody there can fork.

    One after the other they would fork faster than they die. What is another notebook's stands
    still for that moment, too.

    Args:
        ancestor: A child subreaper: who loses its parent below it is its child.
    """
    group = cgroup.of(name())
    with suppress(KernelboxError, OSError):
        if not group.processes():
            return
        try:
            group.freeze(_PATIENCE)
            for pid in group.processes():
                if whose.descends(pid, {ancestor}):
                    tree.kill(pid, f"{group.host.base}/{group.name}")
        finally:
            group.thaw()


def _entrance() -> Entrance:
    group = cgroup.of(name())
    try:
        return group.open()
    except KernelError as missing:
        if missing.errno != errno.ENOENT:
            raise
    with state.housekeeping():
        try:
            return group.open()  # another notebook's agent was quicker
        except KernelError:
            _make(group)
    return group.open()


def _make(group: Cgroup) -> None:
    ledger = Ledger(paths.host())
    for parent in cgroup.parents():
        if not os.path.isdir(parent):
            ledger.record("cgroup-parent", parent)
    ledger.record("cgroup", group.name)
    group.remove()  # what a crash may have left half-made
    group.create()
    group.limit_pids(MOST)
    group.weigh_cpu(SHARES)

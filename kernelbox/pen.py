"""The pen: one control group for all processes under remote control, with an end to their forks.

A student who forks without end fills the pen, and not the machine: the kernel says EAGAIN. It
belongs to the root, like the bridge: it is made when first needed, written into the host's ledger
before, and `kernelbox reset` removes it.

Source: cgroup-v2.rst, "PID", pids.max; clone(2), EAGAIN.
"""

from __future__ import annotations

import errno
import os
from binascii import crc32
from contextlib import closing, contextmanager

from kernelbox import cgroup, paths, state
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.ledger import Ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.cgroup import Cgroup, Entrance

MOST = 512  # processes of all notebooks below one root


def name() -> str:
    """Return the name of this root's group."""
    root = os.path.realpath(paths.root())
    return f"held-{crc32(os.fsencode(root)) & 0xFFFFF:05x}"


@contextmanager
def opened() -> Iterator[Entrance | None]:
    """Open the way into the pen, which is made if it is missing.

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
    """Move a process into the pen, as far as there can be one.

    Raises:
        KernelError: ESRCH if there is no such process.
    """
    with opened() as entrance:
        if entrance is not None:
            cgroup.of(name()).add(pid)


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

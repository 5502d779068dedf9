"""Joining: the other way in, a process more for a container that runs (`exec`).

A container's first process makes namespaces; every later one enters those.
"""

from __future__ import annotations

import os
from contextlib import closing

from kernelbox import cgroup, init, namespaces, users
from kernelbox.channel import Channel
from kernelbox.kernel import flags as k
from kernelbox.kernel import process, record, syscalls
from kernelbox.kernel.errors import KernelboxError
from kernelbox.runtime import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.spec import Process, Spec


def join(pid: int, spec: Spec, what: Process, stdio: tuple[int, int, int]) -> Container:
    """Start a process more inside the running container whose init is `pid`.

    The caller itself moves into the container's namespaces (but for the cgroup namespace, which
    only the new process enters, from within the cgroup): it must be a process made for this.

    Raises:
        KernelboxError: The container is gone, or the program cannot be executed.

    Source: setns(2), with a pidfd; Docker, "docker exec".
    """
    pidfd = process.pidfd_open(pid)
    differing = [kind for kind in namespaces.KINDS if _differs(pid, kind.proc)]
    others = [kind.proc for kind in differing if kind.proc != "cgroup"]
    if spec.userns != "host":
        users.own_pipes(stdio)
    ours, theirs = Channel.pair()
    with closing(cgroup.of(spec.id).open()) as entrance:
        # Nobody inside may look at this interpreter once it shares their PID namespace.
        syscalls.prctl(k.PR_SET_DUMPABLE, 0)
        syscalls.setns(pidfd, namespaces.flags(others), f"nsenter --all -t {pid}")
        child, child_pidfd = process.clone3(0, entrance.clone_fd)
        if child == 0:
            ours.close()
            _joined(pidfd, entrance, theirs, what, stdio)
    theirs.close()
    os.close(pidfd)
    container = Container(child, child_pidfd, ours)
    try:
        container.listen(until="started")
    except KernelboxError:
        process.wait_exit(child)  # the container's own init may never ask for a dead stranger
        raise
    container.control.close()
    return container


def _joined(
    pidfd: int,
    entrance: cgroup.Entrance,
    control: Channel,
    what: Process,
    stdio: tuple[int, int, int],
) -> None:
    """Be the process that `join` adds: the same end as a container's init, without its building."""
    with init.reporting(control, record.sink is not None, record.gate is not None):
        process.die_with_parent()
        entrance.enter()
        syscalls.setns(pidfd, k.CLONE_NEWCGROUP)
        terminal = init.open_terminal(control) if what.terminal else None
        init.run(what, control, terminal, stdio)


def _differs(pid: int, kind: str) -> bool:
    try:
        return namespaces.identity(pid, kind) != namespaces.identity("self", kind)
    except FileNotFoundError:
        return False

"""Whose a process is: what a request may touch is what the lab has made.

A held process, with all that descends from it; a container of this root, with all that is in its
PID namespace or descends from there; and, for what only confines it, a descendant of the notebook.
The agent has root's rights, and a mistaken number means somebody else's process.
"""

from __future__ import annotations

import os
from contextlib import suppress

from kernelbox import namespaces
from kernelbox.container import state
from kernelbox.container.lifecycle import stopping
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set


def demand(fds: list[int], ancestors: Set[int]) -> int:
    """Return the process id behind a pidfd, of a process of the lab's.

    Args:
        fds: What came with the request: the pidfd, and nothing else.
        ancestors: Whose descendants are the lab's.

    Raises:
        UsageError: It is another one's process, or no pidfd.
        ProcessLookupError: It has ended, and was collected.
    """
    try:
        (pidfd,) = fds
        pid = process.pid_behind(pidfd)
    except ValueError as error:
        raise UsageError(
            f"{len(fds)} descriptors name no process: {error}", "Send one pidfd"
        ) from error
    if pid == -1:
        raise ProcessLookupError
    if not is_the_labs(pid, ancestors):
        raise UsageError(
            f"process {pid} is none of this lab's",
            "Only what the lab itself has started may be confined or get a signal from it",
        )
    return pid


def is_the_labs(pid: int, ancestors: Set[int]) -> bool:
    """Whether a process descends from one of these, or is a container's; the agent itself is not.

    Frozen with what it holds, the agent could end nothing.
    """
    return pid != os.getpid() and (descends(pid, ancestors) or _is_in_a_container(pid))


def descends(pid: int, ancestors: Set[int]) -> bool:
    """Whether a process descends from one of these. Source: proc_pid_stat(5), ppid."""
    while pid := process.parent(pid):
        if pid in ancestors:
            return True
    return False


def _is_in_a_container(pid: int) -> bool:
    homes = _homes()
    with suppress(OSError):  # one of the line has ended
        while pid > 0:
            if namespaces.identity(pid, "pid") in homes:
                return True
            pid = process.parent(pid)
    return False


def _homes() -> set[int]:
    """Return the PID namespaces of the containers of this root that run."""
    found = set()
    for container_id in state.every():
        with suppress(KernelboxError, OSError):  # damaged, not running, or just ended
            pidfd = stopping.pidfd_of_init(container_id)
            try:
                found.add(namespaces.identity(process.pid_behind(pidfd), "pid"))
            finally:
                os.close(pidfd)
    return found - {namespaces.identity("self", "pid")}

"""Directories of groups: making them, who is in them, taking them away. The same in v1 and v2."""

from __future__ import annotations

import errno
import os
import time

from kernelbox.kernel import files, process
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.plumbing.light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PATIENCE = 2.0  # seconds
INSIDE = (
    "inside"  # what the group in a group is called whose processes are a container's: see v1.py
)


def read(path: str) -> str:
    """Return the text of a kernel file; empty if it, or what it speaks of, does not exist."""
    try:
        return files.read(path)
    except OSError as refusal:
        # A threaded v2 group refuses to list processes (EOPNOTSUPP): the group above lists them.
        if refusal.errno in (errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.EOPNOTSUPP):
            return ""
        raise


def make(directory: str) -> None:
    """Make one group in one hierarchy.

    Raises:
        KernelError: EEXIST, EACCES, EROFS, ENOSPC.
    """
    try:
        files.mkdir(directory)
    except KernelError as refusal:
        refusal.hint = _WHY_NOT_MADE.get(refusal.errno, refusal.hint)
        raise


_WHY_NOT_MADE = {
    errno.EEXIST: "A control group of this name exists: another container's, or left by a crash",
    errno.EROFS: "cgroupfs is read-only here, as inside a container that is not privileged",
    errno.ENOSPC: "The kernel has no room for another control group: see /proc/cgroups",
}


def make_unless_there(directory: str) -> None:
    """Make one group in one hierarchy, unless it is there: another start may be faster.

    Raises:
        KernelError: EACCES, EROFS, ENOSPC.
    """
    if os.path.isdir(directory):
        return
    try:
        make(directory)
    except KernelError as refusal:
        if refusal.errno != errno.EEXIST:
            raise


def below(directory: str) -> Iterator[str]:
    """Yield every group below `directory` and then itself, the deepest first."""
    try:
        with os.scandir(directory) as entries:
            children = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return
    for child in children:
        yield from below(child)
    yield directory


def processes(directories: Iterable[str]) -> list[int]:
    """Return the pids in these groups and below, in order, each once.

    Source: cgroups(7), cgroup.procs.
    """
    found: set[int] = set()
    for directory in directories:
        for group in below(directory):
            found.update(map(int, read(f"{group}/cgroup.procs").split()))
    # A process outside our PID namespace is listed as 0; as a target 0 would mean ourselves.
    return sorted(found - {0})


def kill(pid: int, path: str) -> None:
    """Send SIGKILL to `pid` if it is a member of the group at `path`, or of one below it.

    A pid may come to mean another process at any time, so it is held by a pidfd first.

    Source: pidfd_open(2); proc(5), /proc/PID/cgroup.
    """
    try:
        pidfd = process.pidfd_open(pid)
    except KernelError:
        return  # it has ended
    try:
        groups = read(f"/proc/{pid}/cgroup").splitlines()
        if any(f"{path}/" in f"{group}/" for group in groups):
            process.pidfd_send_signal(pidfd, signal.SIGKILL)
    except KernelError as refusal:
        if refusal.errno != errno.ESRCH:
            raise
    finally:
        os.close(pidfd)


def remove(directory: str, patience: float = PATIENCE, base: str = "/kernelbox") -> None:
    """Remove a group of kernelbox's and every group below it; a missing one is fine.

    A process leaves its group a little after it was waited for, so EBUSY is retried.

    Args:
        directory: On cgroupfs, as a ledger names it.
        patience: Seconds for that.
        base: What the group has to lie in.

    Raises:
        KernelError: EBUSY if processes remain.
        UsageError: It does not.

    Source: cgroups(7), "Removing cgroups".
    """
    if f"{base}/" not in f"{directory}/" or os.path.normpath(directory) != directory:
        raise UsageError(f"{directory} is not a control group that kernelbox made")
    deadline = time.monotonic() + patience
    pause = 0.001
    while os.path.isdir(directory):
        try:
            return files.rmdir(directory)
        except KernelError as refusal:
            if refusal.errno == errno.ENOENT:
                return
            if refusal.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
        for group in below(directory):
            if group != directory:
                remove(group, base=base)
        time.sleep(pause)
        pause = min(2 * pause, 0.05)

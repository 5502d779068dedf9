"""Who looks after a container: the lock that its monitor holds for as long as it lives.

    containers/<id>/lock    PID START_TIME of the monitor, and in the end the exit code

A container that is neither finished nor locked has lost its monitor to a crash.
"""

from __future__ import annotations

import fcntl
import os

from kernelbox.container import names, state
from kernelbox.kernel import process
from kernelbox.plumbing import paths, storage
from kernelbox.plumbing.light import cache, signal
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.container.spec import Spec
    from kernelbox.container.state import State


class Life(NamedTuple):
    """One life of a container, which is about to begin.

    Attributes:
        spec: What it shall be.
        lock: Held by the monitor, from `monitor_lock`.
        before: Where it was before; None in its first life, which nobody has created apart.
    """

    spec: Spec
    lock: int
    before: State | None


def reserve(container_id: str, name: str, config: dict[str, Any]) -> int:
    """Make a container's directory, take its name and its lock, all at once; return the lock.

    Without a name it is given one here, where nobody else can take the same meanwhile.

    The lock is a POSIX record lock: the container's processes, forked from this one, do not
    inherit it, and it ends with this process, however that ends. Or when this process closes the
    file, whichever descriptor it has opened that by.

    Raises:
        UsageError: The name is in use.
        OSError: ENOSPC, EROFS, EACCES.
    """
    directory = paths.container(container_id)
    with state.housekeeping():
        name = names.free(name)
        os.mkdir(directory, 0o711)
        lock = os.open(f"{directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.lockf(lock, fcntl.LOCK_EX)
        note_exit(lock, "")
        names.take(name, container_id)
        config["kernelbox"]["name"] = name
        state.write_config(container_id, config)
        return lock


def take(container_id: str) -> int | None:
    """Take the lock of a container that is there; return it, or None if somebody has it.

    To be called while housekeeping.

    Raises:
        OSError: ENOENT; ENOSPC, EROFS.
    """
    lock = os.open(f"{paths.container(container_id)}/lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    note_exit(lock, "")
    return lock


def looked_after(container_id: str) -> bool:
    """Whether a monitor is alive for the container."""
    try:
        fd = os.open(f"{paths.container(container_id)}/lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def monitor(container_id: str) -> list[str]:
    """Return the `PID START_TIME` of the container's monitor, in a list; empty if none lives."""
    if not looked_after(container_id):
        return []
    words = storage.read(f"{paths.container(container_id)}/lock").split()
    return [" ".join(words[:2])]


def note_exit(lock: int, code: str) -> None:
    """Write down the exit code where whoever waits has it open already, whatever is removed next.

    Raises:
        OSError: ENOSPC, EROFS.
    """
    # As long each time: no full disk stops the second.
    os.pwrite(lock, f"{_identity(os.getpid())} {code:4}".encode(), 0)


@cache
def _identity(pid: int) -> str:
    return f"{pid} {process.start_time(pid)}"


def noted_exit(lock: str) -> int:
    """Return the exit code in what a lock holds; without one, that of a killed program."""
    words = lock.split()
    return int(words[2]) if len(words) > 2 else 128 + signal.SIGKILL

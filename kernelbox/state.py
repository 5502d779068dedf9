"""Containers on disk: the directory of each, its name, its state, and who looks after it.

    containers/<id>/config.json    the Spec, written once
                    state.json     status, pid, exit code: replaced whole at each change
                    ledger         what the container owns
                    log            what it printed
                    lock           held, for as long as it lives, by the monitor that looks after
                                   it; PID START_TIME of that, and in the end the exit code
                    upper work     its overlay
    names/<name>                   a symbolic link to the id

All that the command line and the notebook share is here. A container that is neither finished nor
locked has lost its monitor to a crash.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import json
import os
import signal
from contextlib import contextmanager

from kernelbox import paths, storage
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


# An invented name is an adjective and a part of a container: it can be remembered and typed.
_ADJECTIVES = "brave calm eager gentle jolly keen light neat proud quiet".split()
_NOUNS = "cgroup fork inode kernel layer mount overlay pipe socket veth".split()


class State(NamedTuple):
    """Where a container is in its life.

    Attributes:
        status: `creating`, `running` or `exited`.
        pid: Of its init, as the runtime namespace counts; 0 when there is none.
        start_time: Of its init, in clock ticks since boot: with the pid, unique.
        exit_code: 0 to 255, once it has exited.
        started: Seconds since the epoch; 0 if never.
        finished: Likewise.
        address: Its IPv4 address on the bridge; empty without one.
        oom_killed: Whether the kernel killed one of its processes for want of memory.
    """

    status: str = "creating"
    pid: int = 0
    start_time: int = 0
    exit_code: int = 0
    started: float = 0.0
    finished: float = 0.0
    address: str = ""
    oom_killed: bool = False


class Damaged(KernelboxError):
    """A container's config or state cannot be read; the container can still be removed."""


def prepare() -> None:
    """Make kernelbox's own directories, readable by root alone.

    Raises:
        KernelboxError: There is no privilege or no room for them.
    """
    # Each for itself: a reset that was killed may have left any of them.
    places = (paths.containers(), paths.names(), paths.trash(), paths.host(), paths.merged())
    try:
        for path in places:
            if not os.path.isdir(path):
                os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise disk_error(error) from error


def disk_error(error: OSError) -> KernelboxError:
    """Return the one line that explains why kernelbox cannot write below its root."""
    cures = {
        errno.EACCES: "Run it as root (sudo)",
        errno.EPERM: "Run it as root (sudo)",
        errno.ENOSPC: "Free some space, or set KERNELBOX_ROOT to a directory on another disk",
        errno.EROFS: "Set KERNELBOX_ROOT to a writable directory",
    }
    cause = os.strerror(error.errno or 0).lower()
    return KernelboxError(
        f"cannot write {error.filename or paths.root()}: {cause}",
        cures.get(error.errno or 0, "Set KERNELBOX_ROOT to a directory that can be written"),
    )


@contextmanager
def housekeeping() -> Iterator[None]:
    """Be alone in changing which containers exist, against every other kernelbox process."""
    # The directory itself is locked: that needs no room on a full disk.
    fd = os.open(paths.root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


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
    with housekeeping():
        name = name or _invent_name()
        if os.path.lexists(f"{paths.names()}/{name}"):
            raise UsageError(
                f"the name {name!r} is in use by container "
                f"{os.readlink(f'{paths.names()}/{name}')[:12]}",
                f"Choose another, or remove it: kernelbox rm -f {name}",
            )
        os.mkdir(directory, 0o711)
        lock = os.open(f"{directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.lockf(lock, fcntl.LOCK_EX)
        note_exit(lock, "")
        os.symlink(container_id, f"{paths.names()}/{name}")
        _replace(f"{directory}/config.json", {**config, "name": name})
        return lock


def _invent_name() -> str:
    """Return a name that no container has."""
    pair = f"{_ADJECTIVES[os.urandom(1)[0] % 10]}_{_NOUNS[os.urandom(1)[0] % 10]}"
    name = pair
    while os.path.lexists(f"{paths.names()}/{name}"):
        name = f"{pair}{int.from_bytes(os.urandom(2), 'big')}"
    return name


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


def write(container_id: str, state: State) -> None:
    """Replace the container's state, on a full disk in the room that the old one has.

    Raises:
        OSError: ENOSPC, EROFS; the old state stays.
    """
    path = f"{paths.container(container_id)}/state.json"
    try:
        _replace(path, state._asdict())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not os.path.exists(path):
            raise
        with open(path, "r+", encoding="utf-8") as file:
            json.dump(state._asdict(), file)
            file.truncate()


def note_exit(lock: int, code: str) -> None:
    """Write down the exit code where whoever waits has it open already, whatever is removed next.

    Raises:
        OSError: ENOSPC, EROFS.
    """
    # As long each time: no full disk stops the second.
    os.pwrite(lock, f"{_identity(os.getpid())} {code:4}".encode(), 0)


@functools.cache
def _identity(pid: int) -> str:
    return f"{pid} {process.start_time(pid)}"


def noted_exit(lock: str) -> int:
    """Return the exit code in what a lock holds; without one, that of a killed program."""
    words = lock.split()
    return int(words[2]) if len(words) > 2 else 128 + signal.SIGKILL


def read(container_id: str) -> State:
    """Return the container's state; one that has none yet is `creating`.

    Raises:
        Damaged: It cannot be read.
    """
    plain = _load(f"{paths.container(container_id)}/state.json")
    return State(**plain) if plain else State()


def config(container_id: str) -> dict[str, Any]:
    """Return the container's config as it was written; empty if a crash came before it.

    Raises:
        Damaged: It cannot be read.
    """
    return _load(f"{paths.container(container_id)}/config.json")


def every() -> list[str]:
    """Return the ids of all containers, in no order that means anything."""
    try:
        return os.listdir(paths.containers())
    except FileNotFoundError:
        return []


def find(reference: str) -> str:
    """Return the id of the container whose name, id or unambiguous id prefix is `reference`.

    Raises:
        UsageError: There is none, or there are several.
    """
    if reference and "/" not in reference:
        try:
            return os.readlink(f"{paths.names()}/{reference}")
        except OSError:
            pass
    matches = [one for one in every() if reference and one.startswith(reference)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"{reference!r} is the beginning of several ids", "Write more of it")
    raise UsageError(f"no such container: {reference}", "See which there are: kernelbox ps -a")


def find_running(reference: str) -> str:
    """Return the id of the running container that `reference` means, as `find` does.

    Raises:
        UsageError: There is none, or it does not run.
    """
    container_id = find(reference)
    if read(container_id).status != "running":
        raise UsageError(f"container {reference} is not running", "See which are: kernelbox ps")
    return container_id


def forget_name(container_id: str, name: str) -> None:
    """Give up a name, if it still belongs to this container."""
    path = f"{paths.names()}/{name}"
    try:
        if os.readlink(path) == container_id:
            os.unlink(path)
    except FileNotFoundError:
        return


def _replace(path: str, content: dict[str, Any]) -> None:
    temporary = f"{path}.new"
    storage.write(temporary, json.dumps(content), mode=0o644)
    os.replace(temporary, path)


def _load(path: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(storage.read(path))
        return content
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Damaged(
            f"{path} is damaged", "Remove the container: kernelbox rm -f, or kernelbox reset"
        ) from error

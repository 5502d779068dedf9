"""A monitor with nothing to do sleeps without its interpreter: what it has to know when it wakes.

After some quiet, when nobody is at the program's streams, nothing is to be asked of it at a time
of its own, and nobody waits at the reception, a monitor becomes a sleeper (kernel/sleeper.py): it
is the same process, parent of the program, and holds the container's lock, but in a few pages of
memory. Whatever comes (output, a guest, the end) wakes it: it is an interpreter again, and goes on
where it was. What it had in its memory is on the disk, or in `Dream`, among its environment
variables: `ps` shows what it has always shown.

It may wake as another kernelbox than it was, after an upgrade. A dream says by name what it holds:
a name that is not known is passed over, and what is missing is as it would be without it. Of one
that is not understood at all, nothing is done but what a container cannot do without: its parent
stays there, logs what it prints, so that no full pipe stops it, and writes down how it ended. What
the descriptors are that it has for that, the kernel tells.

Where the kernel executes nothing in memory, or there is no sleeper for the machine, it stays awake.

Source: fcntl(2), "Record locks are preserved across an execve(2)".
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import time

from kernelbox.container import monitor_lock, state
from kernelbox.container.conversation.reception import Reception
from kernelbox.container.streams.log import Log
from kernelbox.container.streams.relay import Relay
from kernelbox.container.streams.streams import Stream
from kernelbox.kernel import process, sleeper
from kernelbox.kernel.errors import KernelboxError
from kernelbox.plumbing import documents, paths
from kernelbox.plumbing.light import suppress
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_DREAM = "KERNELBOX_DREAM"  # where the command line finds what the monitor knew
_PTMX = os.makedev(5, 2)  # our end of a terminal. Source: admin-guide/devices.txt


class Dream(NamedTuple):
    """What a monitor knows of its container that is not on the disk; descriptors by their numbers.

    Another version reads it: no field changes its meaning, and one that is added has a default.

    Attributes:
        id: The container's.
        lock: From `monitor_lock`.
        listener: Of its reception.
        pidfd: Of its first process.
        terminal: Our end of its terminal; None without one.
        stdin: Our end of its standard input; None if it has none.
        outputs: What it prints, by stream; those that have not ended.
        within: Streams that have begun a line in the log.
        began: When this life did, seconds of CLOCK_MONOTONIC.
        waited: How long the restart before it was put off, seconds.
    """

    id: str
    lock: int
    listener: int
    pidfd: int
    terminal: int | None = None
    stdin: int | None = None
    outputs: dict[str, int] = {}  # noqa: RUF012 (nobody changes it)
    within: list[str] = []  # noqa: RUF012
    began: float = 0.0
    waited: float = 0.0


def doze(
    container_id: str, lock: int, relay: Relay, reception: Reception, began: float, waited: float
) -> None:
    """Sleep until something comes, if that can be; then `monitor.wake` goes on.

    Raises:
        OSError: This host executes nothing in memory.
    """
    if reception.is_busy or relay.log is None:
        return
    outputs = {one.name: one.source for one in relay.outputs if one.source is not None}
    dream = Dream(
        container_id, lock, reception.fileno(), relay.pidfd, relay.terminal, relay.stdin,
        outputs, sorted(relay.log.within), began, waited,
    )  # fmt: skip
    until = [relay.pidfd, reception.fileno(), *outputs.values()]
    kept = [fd for fd in (lock, relay.terminal, relay.stdin) if fd is not None]
    words = [sys.executable, *sys.orig_argv[1:]]  # as this command was called
    environment = {**os.environ, _DREAM: documents.dumps(dream._asdict())}
    # Whoever installs kernelbox writes the program that it is called by last.
    called = getattr(sys.modules["__main__"], "__file__", None) or __file__
    sleeper.sleep(until, kept, words, environment, os.path.abspath(called))


def remember(text: str) -> tuple[Dream, Relay, Reception]:
    """Return what a monitor knew before it slept, and its hands again.

    Args:
        text: From `doze`, perhaps another version's.

    Raises:
        ValueError: It is no dream.
        TypeError: It lacks what there is no default for.
        OSError: EBADF: a descriptor in it is none.
    """
    told = documents.loads(text)
    if not isinstance(told, dict):
        raise ValueError("this is no JSON object")
    dream = Dream(**{name: told[name] for name in Dream._fields if name in told})
    for fd in _descriptors(dream):
        os.fstat(fd)  # before anything is closed
    process.close_all_but(_descriptors(dream))
    for fd in _descriptors(dream):
        os.set_inheritable(fd, False)
    relay = Relay(dream.pidfd, dream.terminal, Log(f"{paths.container(dream.id)}/log"))
    assert relay.log is not None
    relay.log.within.update(dream.within)
    relay.outputs = [Stream(fd, name) for name, fd in dream.outputs.items()]
    relay.stdin = dream.stdin
    return dream, relay, Reception(dream.id, dream.listener)


def _descriptors(dream: Dream) -> list[int]:
    found = [dream.lock, dream.listener, dream.pidfd, dream.terminal, dream.stdin]
    return [fd for fd in (*found, *dream.outputs.values()) if fd is not None]


def stand_by(reason: Exception) -> NoReturn:
    """Be no more than the parent of a container that this process does not know how to look after.

    Its program goes on, and what it prints is logged; nobody is received who would be at its
    streams. The next command finds how it ended, and tidies up.

    Args:
        reason: Why; it is told in the container's state.
    """
    container_id, lock = _looked_after()
    with suppress(KernelboxError, OSError):
        error = f"its monitor cannot go on with it, and only logs what it prints: {reason}"
        state.write(container_id, state.read(container_id)._replace(error=error))
    with suppress(Exception):  # nothing that it prints is worth its parent
        _relay_left(Log(f"{paths.container(container_id)}/log")).run()
    code = process.wait_exit(-1)  # it has no other child
    monitor_lock.note_exit(lock, str(code))
    with suppress(KernelboxError, OSError):
        rest = state.read(container_id)._replace(exit_code=code, finished=time.time())
        state.write(container_id, rest)
    os._exit(0)


def _relay_left(log: Log) -> Relay:
    """Return a relay for the program whose streams this process has open, and close its reception.

    A pipe that can only be read is one of its outputs, and of its terminal one descriptor will do.
    Which output it is, its own descriptors tell, unless it has put others in their place.
    """
    relay = Relay(-1, None, log)
    sources = list[int]()
    for fd in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError, ValueError):  # what has listed the directory; it is no pidfd
            found = os.fstat(fd)
            readable = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
            if stat.S_ISSOCK(found.st_mode):
                os.close(fd)
            elif stat.S_ISFIFO(found.st_mode) and readable:
                sources.append(fd)
            elif stat.S_ISCHR(found.st_mode) and found.st_rdev == _PTMX:
                relay.terminal = fd
            else:
                process.pid_behind(fd)
                relay.pidfd = fd
    pid = process.pid_behind(relay.pidfd)
    if relay.terminal is not None:
        sources.append(relay.terminal)
    relay.outputs = [Stream(fd, "stderr" if _is_its(fd, pid, 2) else "stdout") for fd in sources]
    return relay


def _is_its(fd: int, pid: int, number: int) -> bool:
    """Whether a pipe that is open here is what a process has open under a number."""
    with suppress(OSError):  # it has closed that
        return os.path.samestat(os.fstat(fd), os.stat(f"/proc/{pid}/fd/{number}"))
    return False


def _looked_after() -> tuple[str, int]:
    """Return whose lock this process has open, as the kernel knows it; and that."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):  # what has listed the directory
            directory, _, name = os.readlink(f"/proc/self/fd/{fd}").rpartition("/")
            parent, _, container_id = directory.rpartition("/")
            if name == "lock" and parent == os.path.realpath(paths.containers()):
                return container_id, fd
    raise LookupError("no lock of a container is open")

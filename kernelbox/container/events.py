"""What has happened to containers: a line each in one file, for whoever asks with `events`.

    events        {"time": 1790000000.25, "action": "die", "id": "4f2a...", "attributes": {...}}
    events.old    those before, from the moment when there were too many

A line is written by whoever did the thing, behind it. That the kernel killed or throttled a process
is in no line: a reader sees it in the counters of the control group (cgroup/events.py), and of one
that was not there in the count that `die` has. Nobody needs a line: a full disk stops nothing.

Source: Docker Engine API, "Monitor events".
"""

from __future__ import annotations

import fcntl
import os
import time

from kernelbox.container import state
from kernelbox.kernel.errors import KernelboxError
from kernelbox.plumbing import documents, paths
from kernelbox.plumbing.light import suppress
from kernelbox.plumbing.records import NamedTuple

_LIMIT = 1 << 20  # bytes, then the file is put aside


class Event(NamedTuple):
    """Something that has happened to a container.

    Attributes:
        time: Seconds since the epoch.
        action: `start`, `die`, `pause` and so on, Docker's words; or `throttled`.
        id: Of the container.
        attributes: Its `name` and `image`, and what more there is to say.
    """

    time: float
    action: str
    id: str
    attributes: dict[str, str]


def record(action: str, container_id: str, **more: object) -> None:
    """Write down that something has just happened to a container; if there is no room, do not."""
    with suppress(OSError, KernelboxError):
        own = state.extra(container_id)
        attributes = {"image": own.get("image", ""), "name": own.get("name", "")}
        attributes |= {key: str(value) for key, value in more.items()}
        _append(Event(time.time(), action, container_id, attributes))


def _append(event: Event) -> None:
    path = paths.events()
    while True:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            status = os.fstat(fd)
            if status.st_size < _LIMIT:
                os.write(fd, f"{documents.dumps(event._asdict())}\n".encode())
                return
            # Whoever has waited for the lock may find that another has put it aside.
            with suppress(FileNotFoundError):
                if os.stat(path).st_ino == status.st_ino:
                    os.rename(path, f"{path}.old")
        finally:
            os.close(fd)


class Reader:
    """The events of this root: those that are written down, and each later one as it comes."""

    def __init__(self, *, from_now: bool) -> None:
        """Begin with the oldest that is known, or with what comes."""
        self._path = paths.events()
        self._fd = -1
        self._rest = b""
        if from_now:
            self._open(self._path)
            if self._fd >= 0:
                os.lseek(self._fd, 0, os.SEEK_END)
        else:
            self._open(f"{self._path}.old")

    def _open(self, path: str) -> None:
        self.close()
        self._rest = b""
        with suppress(FileNotFoundError):
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Read no more."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def read(self) -> list[Event]:
        """Return what has come since the last call, in order."""
        found = self._read_on()
        while not self._is_current():
            found += self._read_on()  # what came before it was put aside
            self._open(self._path)
            if self._fd < 0:
                break
            found += self._read_on()
        return found

    def _is_current(self) -> bool:
        if self._fd < 0:
            return not os.path.exists(self._path)
        try:
            return os.stat(self._path).st_ino == os.fstat(self._fd).st_ino
        except FileNotFoundError:  # a reset; or it has just been put aside, and none come yet
            return True

    def _read_on(self) -> list[Event]:
        if self._fd < 0:
            return []
        data = self._rest + b"".join(iter(lambda: os.read(self._fd, 1 << 16), b""))
        *lines, self._rest = data.split(b"\n")
        found = []
        for line in lines:
            with suppress(ValueError, TypeError):  # cut short by a full disk
                found.append(Event(**documents.loads(line)))
        return found

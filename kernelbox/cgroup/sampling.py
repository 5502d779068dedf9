"""Looking at many groups again and again: each counter is opened once, and read in place.

To open a file of cgroupfs takes longer than to read it, and of an idle group nothing changes: what
reads as before is not taken apart again.

Source: cgroup-v2.rst, "Controllers"; `Documentation/admin-guide/cgroup-v1/`; pread(2).
"""

from __future__ import annotations

import errno
import os

from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from kernelbox.cgroup.group import Cgroup

    Parser = Callable[[bytes], tuple[int, ...]]


class Sample(NamedTuple):
    """What a group has used by now; 0 of what its host does not count.

    Attributes:
        cpu_usec: CPU time, over all CPUs.
        nr_throttled: Periods in which it had to wait for CPU time.
        memory: Bytes in use, page cache included.
        pids: Processes and threads.
        oom_kill: Processes ended by the OOM killer.
        io_read_bytes: Read from disks.
        io_write_bytes: Written to disks.
    """

    cpu_usec: int = 0
    nr_throttled: int = 0
    memory: int = 0
    pids: int = 0
    oom_kill: int = 0
    io_read_bytes: int = 0
    io_write_bytes: int = 0


class Sampler:
    """Several groups under observation; holds five or six descriptors of each."""

    def __init__(self, groups: Iterable[Cgroup]) -> None:
        """Open the counters of these groups; one that is not there has none.

        Raises:
            OSError: EMFILE: too many for one process.
        """
        self._counters: dict[str, list[_Counter]] = {}
        self._samples: dict[str, Sample] = {}
        try:
            for group in groups:
                self._add(group)
        except OSError:
            self.close()
            raise

    def _add(self, group: Cgroup) -> None:
        opened = self._counters.setdefault(group.name, [])
        for file, fields, parse in _V1 if group.host.version == 1 else _V2:
            # v1's count of OOM kills is of the very group that a container's processes are in.
            places = (group.inside, group) if file == "memory.oom_control" else (group,)
            for path in filter(None, (place.path(file) for place in places)):
                try:
                    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                except OSError as refusal:
                    # No such counter, or no such group; ENODEV while it is just being removed.
                    if refusal.errno not in (errno.ENOENT, errno.ENODEV):
                        raise
                    continue
                opened.append(_Counter(fd, fields, parse))
                break

    def __enter__(self) -> Self:
        """Return the sampler itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close every descriptor; twice is fine."""
        for counters in self._counters.values():
            for one in counters:
                os.close(one.fd)
        self._counters.clear()

    def look(self) -> dict[str, Sample]:
        """Return a sample of each group by its name; those that are gone are left out."""
        found = {}
        for name, counters in list(self._counters.items()):
            changed: dict[str, int] = {}
            gone = not counters
            for one in counters:
                try:
                    one.read(changed)
                except OSError:  # ENODEV: removed since
                    gone = True
            if gone:
                self._drop(name)
                continue
            if changed or name not in self._samples:
                self._samples[name] = self._samples.get(name, Sample())._replace(**changed)
            found[name] = self._samples[name]
        return found

    def _drop(self, name: str) -> None:
        for one in self._counters.pop(name):
            os.close(one.fd)
        self._samples.pop(name, None)


class _Counter:
    """One open file of a group, and what it said at the last look."""

    def __init__(self, fd: int, fields: tuple[str, ...], parse: Parser) -> None:
        self.fd = fd
        self._fields = fields
        self._parse = parse
        self._last: bytes | None = None

    def read(self, changed: dict[str, int]) -> None:
        """Put into `changed` what is not as it was. Raises OSError, ENODEV of a removed group."""
        text = os.pread(self.fd, 4096, 0)
        if text != self._last:
            self._last = text
            changed.update(zip(self._fields, self._parse(text), strict=True))


def _number(text: bytes) -> tuple[int]:
    return (int(text),)


def _microseconds(text: bytes) -> tuple[int]:
    return (int(text) // 1000,)


def _keyed(*keys: bytes) -> Parser:
    def parse(text: bytes) -> tuple[int, ...]:
        words = text.split()
        found = dict(zip(words[::2], words[1::2], strict=False))
        return tuple(int(found.get(key, 0)) for key in keys)

    return parse


def _io_v1(text: bytes) -> tuple[int, int]:
    words = text.split()
    kinds = (b"Read", b"Write")
    read, written = (
        sum(int(words[place + 1]) for place, word in enumerate(words) if word == kind)
        for kind in kinds
    )
    return read, written


def _io_v2(text: bytes) -> tuple[int, int]:
    words = text.split()
    read, written = (
        sum(int(word[len(key) :]) for word in words if word.startswith(key))
        for key in (b"rbytes=", b"wbytes=")
    )
    return read, written


_IO = ("io_read_bytes", "io_write_bytes")
_V1: tuple[tuple[str, tuple[str, ...], Parser], ...] = (
    ("cpuacct.usage", ("cpu_usec",), _microseconds),
    ("cpu.stat", ("nr_throttled",), _keyed(b"nr_throttled")),
    ("memory.usage_in_bytes", ("memory",), _number),
    ("pids.current", ("pids",), _number),
    ("memory.oom_control", ("oom_kill",), _keyed(b"oom_kill")),
    ("blkio.throttle.io_service_bytes_recursive", _IO, _io_v1),
)
_V2: tuple[tuple[str, tuple[str, ...], Parser], ...] = (
    ("cpu.stat", ("cpu_usec", "nr_throttled"), _keyed(b"usage_usec", b"nr_throttled")),
    ("memory.current", ("memory",), _number),
    ("pids.current", ("pids",), _number),
    ("memory.events", ("oom_kill",), _keyed(b"oom_kill")),
    ("io.stat", _IO, _io_v2),
)

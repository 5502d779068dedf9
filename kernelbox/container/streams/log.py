"""What a container printed: written by its monitor, read by `logs`.

One JSON object a piece that was printed: `log`, `stream`, `time` (seconds since the epoch).

Source: Docker, "JSON File logging driver".
"""

from __future__ import annotations

import os
import time

from kernelbox.plumbing import documents
from kernelbox.plumbing.light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, BinaryIO

_LARGEST = 16 << 20  # bytes


class Log:
    """The writing end, open for as long as the container runs.

    When the file reaches 16 MiB it becomes `log.1`, in place of an older one, and begins anew: a
    container that prints for ever does not fill the disk. That happens between two lines, so that
    what is left begins with one; only where there is no such place for as long again, in one.

    Attributes:
        within: Streams that have begun a line.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1  # until there is something to be logged
        self._size = 0
        self.within: set[str] = set()

    def add(self, stream: str, data: bytes) -> None:
        """Append `data`. A full disk loses log lines, never the container."""
        with suppress(OSError):
            if self._file < 0:
                self._open()
            if self._size >= _LARGEST:
                end = data.rfind(b"\n") + 1
                between = end and not self.within - {stream}
                if between or self._size >= 2 * _LARGEST:
                    self._write(stream, data[:end])
                    self._begin_anew()
                    data = data[end:]
            self._write(stream, data)
        if data:
            (self.within.discard if data.endswith(b"\n") else self.within.add)(stream)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._file).st_size

    def _write(self, stream: str, data: bytes) -> None:
        if data:
            text = data.decode("utf-8", "surrogateescape")
            line = {"log": text, "stream": stream, "time": time.time()}
            self._size += os.write(self._file, (documents.dumps(line) + "\n").encode())

    def _begin_anew(self) -> None:
        os.close(self._file)
        self._file = -1
        os.replace(self._path, self._path + ".1")
        self.within.clear()
        self._open()


class Reader:
    """The reading end: all that is left of the log, and then what is added to it.

    It holds the file that it has read open. What was written to that between two looks is still in
    it when it has become `log.1`, or has been replaced itself.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self) -> list[dict[str, Any]]:
        """Return the pieces that have been written since the last call."""
        entries = self._new()
        while (after := self._next()) is not None:
            entries += self._new()  # between our look and the change to the next one
            if self._file is not None:
                self._file.close()
            self._file, self._rest = after, b""
            entries += self._new()
        return entries

    def _new(self) -> list[dict[str, Any]]:
        if self._file is None:
            return []
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        entries = []
        for line in whole:
            with suppress(ValueError):  # a full disk has cut it short
                entries.append(documents.loads(line))
        return entries

    def _next(self) -> BinaryIO | None:
        """Open the file that follows; None while there is none."""
        # The newer one first: if it is renamed meanwhile, it is found under both names.
        newer, older = _opened(self._path), _opened(self._path + ".1")
        passed_over = newer if self._is(older) or older is None else older
        found = None if self._is(newer) else passed_over
        for file in (newer, older):
            if file is not None and file is not found:
                file.close()
        return found

    def _is(self, file: BinaryIO | None) -> bool:
        if file is None or self._file is None:
            return False
        return os.path.samestat(os.fstat(file.fileno()), os.fstat(self._file.fileno()))


def _opened(path: str) -> BinaryIO | None:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return None


def lines(entries: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Put what was written in pieces together into lines, so that they can be counted."""
    begun: dict[str, dict[str, Any]] = {}
    for entry in entries:
        stream = entry["stream"]
        *whole, rest = entry["log"].split("\n")
        for text in whole:
            before = begun.pop(stream, {**entry, "log": ""})
            yield {**before, "log": f"{before['log']}{text}\n"}
        if rest:
            before = begun.setdefault(stream, {**entry, "log": ""})
            before["log"] += rest
    yield from begun.values()

"""One direction of bytes: from where they come to wherever they go, and what waits in between."""

from __future__ import annotations

import errno
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.streams.detach_keys import DetachKeys
    from kernelbox.container.streams.log import Log

# A pipe that polls as writable takes this much without blocking. Source: pipe(7), PIPE_BUF.
_CHUNK = 4096


class Sink:
    """Where bytes go to, and those that are on their way.

    Attributes:
        fd: The descriptor.
        needed: Whether the program is to notice when nobody reads there any more.
        pending: What has been read, and not been written yet.
        lost: The errno that what was written is lost with; 0 if nothing is.
        closed: Whether nobody reads there any more.
    """

    def __init__(self, fd: int, *, needed: bool = True) -> None:
        self.fd = fd
        self.needed = needed
        self.pending = b""
        self.lost = 0
        self.closed = False

    def write(self) -> bool:
        """Write once; the descriptor is ready. False if nobody is there to read."""
        try:
            self.pending = self.pending[os.write(self.fd, self.pending) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            self.pending, self.closed = b"", True
            return False
        except OSError as error:
            self.pending = b""
            if error.errno == errno.EIO:  # a terminal that has gone, and soon the front with it
                return True
            self.lost = error.errno or errno.EIO
            return False
        return True


class Stream:
    """One direction: from `source` to some sinks, and to the log under `name`, if it has one."""

    def __init__(self, source: int, name: str = "") -> None:
        self.source: int | None = source
        self.name = name
        self.sinks: list[Sink] = []
        self.detach_keys: DetachKeys | None = None
        self.left = False  # whether these were typed

    def wants(self) -> list[tuple[int, int]]:
        """Return which descriptors to wait for, and for what; none if there is nothing to do.

        Nothing is read before all that was read has been written: the slowest reader sets the pace.
        """
        waiting = [(one.fd, select.POLLOUT) for one in self.sinks if one.pending]
        if waiting or self.source is None:
            return waiting
        return [(self.source, select.POLLIN)]

    @property
    def pending(self) -> bool:
        """Whether something has been read that is still to be written."""
        return any(one.pending for one in self.sinks)

    def move(self, fd: int, log: Log | None) -> None:
        """Read or write once; the descriptor is ready."""
        for one in self.sinks:
            if one.fd == fd and one.pending:
                if not one.write():
                    self.drop(one)
                return
        if fd == self.source:
            self._read(log)

    def drop(self, sink: Sink) -> None:
        """Write to a sink no more; a program that needs it notices, as in a pipeline."""
        if sink in self.sinks:
            sink.pending = b""
            self.sinks.remove(sink)
            if sink.needed and not self.sinks:
                self.end()

    def _read(self, log: Log | None) -> None:
        assert self.source is not None
        try:
            data = os.read(self.source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last process has closed its end of the terminal
            data = b""
        if not data:
            self.end()
            return
        if self.detach_keys is not None:
            data, self.left = self.detach_keys.take(data)
        if log is not None and self.name:
            log.add(self.name, data)
        for one in self.sinks:
            one.pending = data

    def end(self) -> None:
        """Read no more."""
        if self.source is not None:
            os.close(self.source)
            self.source = None

"""The relay: bytes between a container's standard streams, the person's, and the log.

It runs in the monitor, from the start of the container's program to its end, and listens to three
more things meanwhile: the end of the program (its pidfd), the front (signals, window sizes), and
the front's own end, after which the container goes on without it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import struct
import termios
from contextlib import suppress

from kernelbox.container import messages
from kernelbox.container.messages import Detached, Resize, Signal
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.cgroup import Cgroup
    from kernelbox.container.detach_keys import DetachKeys
    from kernelbox.container.log import Log
    from kernelbox.plumbing.channel import Channel

# A pipe that polls as writable takes this much without blocking. Source: pipe(7), PIPE_BUF.
_CHUNK = 4096


class Stream:
    """One direction: from `source` to `sink`, and to the log under `name`, if it has one."""

    def __init__(self, source: int, sink: int | None, name: str = "") -> None:
        self.source: int | None = source
        self.sink = sink
        self.name = name
        self.pending = b""
        self.lost = 0  # errno
        self.detach_keys: DetachKeys | None = None
        self.left = False  # whether these were typed

    def wants(self) -> tuple[int, int] | None:
        """Return which descriptor to wait for, and for what; None if there is nothing to do."""
        if self.pending and self.sink is not None:
            return self.sink, select.POLLOUT
        if self.source is not None:
            return self.source, select.POLLIN
        return None

    def move(self, log: Log | None) -> None:
        """Read or write once; the descriptor is ready."""
        if self.pending and self.sink is not None:
            self._write()
        elif self.source is not None:
            self._read(log)

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
        if self.sink is not None:
            self.pending = data

    def _write(self) -> None:
        assert self.sink is not None
        try:
            self.pending = self.pending[os.write(self.sink, self.pending) :]
        except BrokenPipeError:
            # Whoever read this has gone. Let the program notice, as it would in a pipeline.
            self.pending = b""
            self.end()
        except BlockingIOError:
            return
        except OSError as error:
            self.pending = b""
            if error.errno != errno.EIO:  # a terminal that has gone, and soon the front with it
                self.lost = error.errno or errno.EIO
                self.end()

    def end(self) -> None:
        """Read no more; a program that waits for input sees its end."""
        if self.source is not None:
            os.close(self.source)
            self.source = None

    def detach(self) -> None:
        """Write no more to the front's descriptor; the log goes on."""
        self.sink = None
        self.pending = b""


class Relay:
    """All streams of one program, from its start to its end."""

    def __init__(self, pidfd: int, front: Channel, terminal: int | None, log: Log | None) -> None:
        self.pidfd = pidfd
        self.front: Channel | None = front
        self.terminal = terminal
        self.log = log
        self.outputs: list[Stream] = []
        self.input: Stream | None = None
        self.lent: tuple[int, ...] = ()  # the front's own descriptors
        self.kill_when_alone = False
        self.group: Cgroup | None = None  # the container's, if the program is its first

    def run(self) -> None:
        """Relay until the program has ended and all it printed has been passed on."""
        ended = False
        while True:
            waiting = {want: stream for stream in self._streams() if (want := stream.wants())}
            if ended and not waiting:
                return
            poller = select.poll()
            for fd, event in waiting:
                poller.register(fd, event)
            if not ended:
                poller.register(self.pidfd, select.POLLIN)
            if self.front is not None:
                poller.register(self.front, select.POLLIN)
            # After its end, only what has been printed already is of interest; but whatever was
            # read must be delivered, however long the reader takes.
            unfinished = any(stream.pending for stream in self._streams())
            ready = {fd for fd, _ in poller.poll(0 if ended and not unfinished else None)}
            if ended and not ready:
                return
            if self.pidfd in ready and not ended:
                ended = True
                self._close_input()
            if self.front is not None and self.front.fileno() in ready:
                self._obey()
            for (fd, _), stream in waiting.items():
                if fd in ready:
                    stream.move(self.log)
                    if stream is self.input and stream.left:
                        self._leave()
                    elif stream is self.input and stream.source is None and not stream.pending:
                        self._close_input()

    @property
    def lost(self) -> dict[str, int]:
        """The errno of each output that could not be written, by stream."""
        return {stream.name: stream.lost for stream in self.outputs if stream.lost}

    def _streams(self) -> list[Stream]:
        return self.outputs + ([self.input] if self.input else [])

    def _close_input(self) -> None:
        """Let the program see the end of its input; a terminal has no such end."""
        if self.input is not None:
            if self.input.sink is not None:
                os.close(self.input.sink)
            self.input.end()
            self.input = None

    def _obey(self) -> None:
        """Do what the front asks, or note that it has gone."""
        assert self.front is not None
        message = messages.receive(self.front)
        if message is None:
            self._go_on_alone()
            if self.kill_when_alone:
                self._signal(signal.SIGKILL)
        elif isinstance(message, Signal):
            self._signal(message.number)
        elif isinstance(message, Resize) and self.terminal is not None:
            resize(self.terminal, message.rows, message.columns)

    def _leave(self) -> None:
        """Let the person go who has typed the keys for that; the program goes on."""
        assert self.front is not None and self.input is not None
        front = self.front
        if self.input.pending:  # typed before
            self.input.move(self.log)
        self._go_on_alone()
        messages.send(front, Detached())

    def _go_on_alone(self) -> None:
        self.front = None
        self._close_input()
        for stream in self.outputs:
            stream.detach()
        self._give_back()

    def _give_back(self) -> None:
        """Let go of the front's terminal or pipes: whoever reads them shall see the end."""
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for fd in self.lent:
            os.dup2(nothing, fd, inheritable=False)
        os.close(nothing)

    def _signal(self, number: int) -> None:
        with suppress(KernelError):  # it ended in this moment
            process.pidfd_send_signal(self.pidfd, number)
            if number == signal.SIGKILL and self.group is not None:
                self.group.thaw_all()  # it may have frozen itself


def resize(terminal: int, rows: int, columns: int) -> None:
    """Set the size of a terminal, in characters; its programs get SIGWINCH.

    Source: ioctl_tty(2), TIOCSWINSZ.
    """
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

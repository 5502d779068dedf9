"""Containers from a notebook: started in one call, their output printed where the cell is."""

from __future__ import annotations

import os
import select
import signal
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kernelbox.channel import Channel
from kernelbox.kernel.record import Event
from kernelbox.lab.views import Trace
from kernelbox.lab.wire import LabError, Pipe

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from kernelbox.lab.client import Lab


@dataclass(frozen=True)
class Result:
    """What became of a program.

    Attributes:
        code: Its exit code.
        stdout: What it printed.
        stderr: What it printed there.
        trace: What the kernel was asked for it, on both sides; empty unless wished for.
    """

    code: int
    stdout: str
    stderr: str
    trace: Trace

    def __repr__(self) -> str:
        return f"exit code {self.code}"


class Front:
    """The notebook as the front of a monitor: it prints, collects the trace, and waits."""

    def __init__(self, monitor: Channel, pipes: tuple[Pipe, ...]) -> None:
        self.monitor = monitor
        self.pipes = pipes
        self.trace = Trace()
        self.pid = 0
        self._over = False

    def until(self, *wanted: str) -> dict[str, Any]:
        """Follow until the monitor says something of the kinds that are `wanted`, and return that.

        Raises:
            LabError: The container could not be started, or its monitor was killed.
        """
        open_pipes = {pipe.reader: pipe for pipe in self.pipes}
        found = None
        while found is None or ("exited" in wanted and open_pipes):
            poller = select.poll()
            for fd in [*open_pipes, *([] if found else [self.monitor.fileno()])]:
                poller.register(fd, select.POLLIN)
            for fd, _ in poller.poll():
                if fd in open_pipes:
                    if not open_pipes[fd].take():
                        del open_pipes[fd]
                else:
                    found = self._hear(wanted)
        return found

    def _hear(self, wanted: tuple[str, ...]) -> dict[str, Any] | None:
        message = self.monitor.receive()
        if message is None:
            self._over = True
            raise LabError("the container's monitor was killed, and the container with it")
        if message["kind"] == "event":
            self.trace.append(Event(*message["event"]))
        elif message["kind"] == "error":
            self._over = True
            raise LabError(message["message"], message["hint"], message["code"])
        elif message["kind"] == "started":
            self.pid = message["pid"]
        elif message["kind"] == "exited":
            self._over = True
        return message if message["kind"] in wanted else None

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        self.monitor.send("signal", number=number)

    def close(self) -> None:
        """Kill the program if it runs, wait until all is cleaned up, and close everything."""
        if not self._over:
            self.signal(signal.SIGKILL)
            with suppress(LabError):
                self.until("exited")
        self.monitor.close()
        for pipe in self.pipes:
            pipe.close()


def finish(end: socket.socket, pipes: tuple[Pipe, Pipe]) -> Result:
    """Follow a program to its end; if interrupted, kill it and clean up first."""
    front = Front(Channel(end), pipes)
    for pipe in pipes:
        pipe.close_writer()
    try:
        code = front.until("exited")["code"]
        stdout, stderr = pipes
        return Result(code, stdout.text, stderr.text, front.trace)
    finally:
        front.close()


class Container:
    """A container that runs beside the notebook, until it ends, `stop()`, or the kernel's end.

    Attributes:
        id: Its id.
        pid: Of its init, as the host counts.
        trace: What the kernel was asked for its birth; empty unless wished for.
    """

    def __init__(self, lab: Lab, container_id: str, monitor: Front) -> None:
        self.id = container_id
        self.pid = monitor.pid
        self.trace = monitor.trace
        self._lab = lab
        self._front = monitor
        self._code: int | None = None

    def exec(self, command: str | list[str], **options: Any) -> Result:
        """Run one more program in it, as `Lab.exec`."""
        return self._lab.exec(self.id, command, **options)

    def inspect(self) -> dict[str, Any]:
        """Return all that is known about it."""
        found: dict[str, Any] = self._lab.call("inspect", container=self.id)
        return found

    def stop(self, seconds: float = 10.0) -> None:
        """Ask it to end, and after `seconds` make it. Source: Docker, "docker stop"."""
        self._lab.call("stop", container=self.id, seconds=seconds)

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        if self._code is None:
            self._code = int(self._front.until("exited")["code"])
        return self._code

    def remove(self) -> None:
        """Kill it if it runs, and remove it. Twice is fine."""
        if self._front.monitor.fileno() >= 0:
            self._front.close()
        with suppress(LabError):
            self._lab.call("remove", container=self.id, force=True)

    def __repr__(self) -> str:
        return "<a container>"


@contextmanager
def standard_streams(quiet: bool) -> Iterator[tuple[list[int], tuple[Pipe, Pipe]]]:
    """Open descriptors for a program's 0, 1 and 2, and the pipes behind 1 and 2."""
    pipes = (Pipe("stdout", echo=not quiet), Pipe("stderr", echo=not quiet))
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield [nothing, *(pipe.writer for pipe in pipes)], pipes
    finally:
        os.close(nothing)
        for pipe in pipes:
            pipe.close()

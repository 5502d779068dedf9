"""Containers from a notebook: started in one call, their output printed where the cell is."""

from __future__ import annotations

import os
import select
import shlex
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from kernelbox.container.conversation.front import Front
from kernelbox.container.conversation.monitor_messages import Exited, Wish
from kernelbox.container.option_types import ExecOptions
from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab.conversation import LabError, Pipe
from kernelbox.lab.signatures import offering
from kernelbox.lab.traces import Trace
from kernelbox.plumbing.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.container.conversation.messages import Failed
    from kernelbox.container.conversation.monitor_messages import Started
    from kernelbox.kernel.door import Event
    from kernelbox.lab.agent_link import AgentLink


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


class NotebookFront(Front):
    """The notebook as the front of a monitor: it prints, collects the trace, and waits.

    Attributes:
        trace: What the kernel was asked.
        pid: Of the program, once it runs; 0 before.
    """

    def __init__(self, monitor: Channel, pipes: tuple[Pipe, ...] = ()) -> None:
        super().__init__(monitor)
        self.trace = Trace()
        self.pid = 0
        self._pipes = pipes
        self._open = {pipe.reader: pipe for pipe in pipes}

    def wait(self) -> None:
        """Print what comes through the pipes until the monitor has said something."""
        while self.monitor.fileno() not in self._take(self.monitor.fileno()):
            pass

    def take_rest(self) -> None:
        """Print what comes through the pipes to their end."""
        while self._open:
            self._take()

    def _take(self, *more: int) -> set[int]:
        """Wait once; take what the pipes have, and return which of the others are ready."""
        poller = select.poll()
        for fd in (*self._open, *more):
            poller.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poller.poll()}
        for fd in ready & self._open.keys():
            if not self._open[fd].take():
                del self._open[fd]
        return ready

    def made(self, event: Event) -> None:
        """Keep the request for the trace."""
        self.trace.append(event)

    def pending(self, event: Event) -> None:
        """Leave it to whoever steps."""

    def started(self, message: Started) -> None:
        """Note the program's pid."""
        self.pid = message.pid

    def failed(self, message: Failed) -> LabError:
        """Return a failure as a notebook shows it: one line."""
        return LabError(message.message, message.hint, message.code)

    def close(self) -> None:
        """Kill the program if it runs, wait until all is cleaned up, and close everything."""
        if not self.over:
            self.kill()
            with suppress(KernelboxError):
                self.until(Exited)
        self.monitor.close()
        for pipe in self._pipes:
            pipe.close()


class Container:
    """A container that runs beside the notebook, until it ends, `stop()`, or the kernel's end.

    Attributes:
        id: Its id.
        name: As it was wished; empty without a wish.
        pid: Of its init, as the host counts.
        trace: What the kernel was asked for its birth; empty unless wished for.
    """

    def __init__(
        self, agent: AgentLink, container_id: str, front: NotebookFront, name: str = ""
    ) -> None:
        self.id = container_id
        self.name = name
        self.pid = front.pid
        self.trace = front.trace
        self._agent = agent
        self._front = front
        self._code: int | None = None

    @offering(ExecOptions)
    def exec(
        self,
        command: str | list[str],
        *,
        trace: bool = False,
        quiet: bool = False,
        **options: Unpack[ExecOptions],
    ) -> Result:
        """Run one more program in it, as `Lab.exec`."""
        return execute(self._agent, self.id, command, trace=trace, quiet=quiet, options=options)

    def inspect(self) -> dict[str, Any]:
        """Return all that is known about it."""
        found: dict[str, Any] = self._agent.call("inspect", container=self.id)
        return found

    def stop(self, seconds: float = 10.0) -> None:
        """Ask it to end, and after `seconds` make it. Source: Docker, "docker stop"."""
        self._agent.call("stop", container=self.id, seconds=seconds)

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        if self._code is None:
            self._code = self._front.until(Exited).code
        return self._code

    def remove(self) -> None:
        """Kill it if it runs, and remove it. Twice is fine."""
        if self._front.monitor.fileno() >= 0:
            self._front.close()
        with suppress(LabError):
            self._agent.call("remove", container=self.id, force=True)

    def __repr__(self) -> str:
        return "<a container>"


def words(command: str | list[str]) -> list[str]:
    """Return a command's words: one string is split like a shell splits it."""
    return shlex.split(command) if isinstance(command, str) else list(command)


def execute(
    agent: AgentLink,
    container: str,
    command: str | list[str],
    *,
    trace: bool,
    quiet: bool,
    options: ExecOptions,
) -> Result:
    """Run one more program in a running container to its end; see `Lab.exec`."""
    fields = {"container": container, "command": words(command), "options": options}
    return follow(agent, "exec", quiet=quiet, trace=trace, **fields)[1]


def follow(
    agent: AgentLink, kind: str, *, quiet: bool, trace: bool, **fields: Any
) -> tuple[str, Result]:
    """Ask for a program, print what it prints, and wait for its end; if interrupted, kill it.

    Args:
        agent: Who is asked.
        kind: `run` or `exec`.
        quiet: Whether to print nothing.
        trace: Whether to keep what the kernel is asked.
        **fields: The rest of the question.

    Returns:
        The container's id, and what became of the program.
    """
    with _standard_streams(quiet) as (fds, pipes):
        answer = agent.ask(kind, fds=fds, wish=wish(trace), **fields)
        front = NotebookFront(Channel.at(answer["fds"][0]), pipes)
        for pipe in pipes:
            pipe.close_writer()
        try:
            code = front.until(Exited).code
            front.take_rest()
            stdout, stderr = pipes
            return answer["value"], Result(code, stdout.text, stderr.text, front.trace)
        finally:
            front.close()


def wish(trace: bool, *, stepped: bool = False) -> dict[str, Any]:
    """Return how a notebook wants a program to be run: it dies with the notebook."""
    return Wish(observed=trace, stepped=stepped, bound=True)._asdict()


@contextmanager
def _standard_streams(quiet: bool) -> Iterator[tuple[list[int], tuple[Pipe, Pipe]]]:
    """Open descriptors for a program's 0, 1 and 2, and the pipes behind 1 and 2."""
    pipes = (Pipe("stdout", echo=not quiet), Pipe("stderr", echo=not quiet))
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield [nothing, *(pipe.writer for pipe in pipes)], pipes
    finally:
        os.close(nothing)
        for pipe in pipes:
            pipe.close()

"""The lab: starting the agent, and asking it for processes and containers."""

from __future__ import annotations

import atexit
import os
import shlex
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from kernelbox.channel import Channel
from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab.held import Held
from kernelbox.lab.running import Container, Result, finish, standard_streams
from kernelbox.lab.wire import Conversation, LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

_current: Lab | None = None


def start() -> Lab:
    """Start the lab; one that this notebook has started before is closed first.

    Raises:
        LabError: There is no privilege, or the host is not fit: see `kernelbox doctor`.
    """
    global _current
    if _current is not None:
        _current.close()
    _current = Lab()
    return _current


@contextmanager
def refused() -> Iterator[None]:
    """Expect the kernel (or the lab) to refuse what is asked in this block, and print its words.

    Raises:
        AssertionError: Nothing was refused.
    """
    try:
        yield
    except KernelboxError as error:
        print(f"refused: {error}")
    else:
        raise AssertionError("this was to be refused, but it was not")


class Lab:
    """A notebook's connection to the kernel: an agent of its own.

    Attributes:
        agent: The process id of the agent.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A session of its own: interrupting the notebook's kernel must not reach the agent.
        self._process = subprocess.Popen(_command(), stdin=theirs.fileno(), start_new_session=True)
        theirs.close()
        self._conversation = Conversation(Channel(ours))
        self._owned: list[Held | Container] = []
        hello = self._conversation.channel.receive()
        if hello is None:
            raise LabError(
                "the lab's agent did not start", "It needs root: try `sudo -v`, or kernelbox doctor"
            )
        if hello["kind"] == "error":
            raise LabError(hello["message"], hello["hint"])
        self.agent: int = hello["value"]
        atexit.register(self.close)

    def hold(self) -> Held:
        """Return a new process under remote control; it shares all namespaces with the host."""
        channel, pidfd = self._conversation.ask("hold")["fds"]
        return self.adopt(channel, pidfd)

    def adopt(self, channel: int, pidfd: int) -> Held:
        """Return the held process behind these descriptors; it ends with the lab."""
        held = Held(self, socket.socket(fileno=channel), pidfd)
        self._owned.append(held)
        return held

    def run(
        self,
        image: str,
        command: str | list[str] = "",
        *,
        trace: bool = False,
        quiet: bool = False,
        **options: Any,
    ) -> Result:
        """Run a program in a new container; print what it prints; wait for its end.

        Args:
            image: Reference of the image.
            command: Words, or one string that is split like a shell splits it.
            trace: Whether to keep what the kernel is asked.
            quiet: Whether to print nothing: what it prints is in the result anyway.
            **options: As `compose.Options`: name, memory, cpus, network, volume, ...

        Raises:
            LabError: The container could not be started.
        """
        fds, pipes = standard_streams(quiet)
        options = {"rm": True, **options, "image": image, "command": _words(command)}
        answer = self._ask_with(fds, "run", options=options, wish=_wish(trace))
        for pipe in pipes:
            pipe.close_writer()
        return finish(socket.socket(fileno=answer["fds"][0]), pipes)

    def start(
        self, image: str, command: str | list[str] = "", *, trace: bool = False, **options: Any
    ) -> Container:
        """Start a container that runs beside the notebook, at the longest until the kernel ends.

        Arguments and errors are those of `run`.
        """
        options = {"rm": True, **options, "image": image, "command": _words(command)}
        answer = self._conversation.ask("run", options=options, wish=_wish(trace))
        container = Container(self, answer["value"], socket.socket(fileno=answer["fds"][0]))
        self._owned.append(container)
        return container

    def exec(
        self,
        container: str,
        command: str | list[str],
        *,
        trace: bool = False,
        quiet: bool = False,
        **changes: Any,
    ) -> Result:
        """Run one more program in a running container.

        Args:
            container: Its name or id.
            command: As in `run`.
            trace: As in `run`.
            quiet: As in `run`.
            **changes: What differs from the container's own program: user, cwd, env.
        """
        fds, pipes = standard_streams(quiet)
        changes["args"] = _words(command)
        answer = self._ask_with(
            fds, "exec", container=container, changes=changes, wish=_wish(trace)
        )
        for pipe in pipes:
            pipe.close_writer()
        return finish(socket.socket(fileno=answer["fds"][0]), pipes)

    def call(self, name: str, **arguments: Any) -> Any:
        """Ask the agent for one of its calls: containers, inspect, stop, remove, sweep, reset."""
        return self._conversation.ask("call", name=name, arguments=arguments)["value"]

    def namespaces(self, pid: int | str) -> dict[str, int]:
        """Return the namespaces a process is in: from the kind to the inode that identifies each.

        Args:
            pid: As the host counts; the agent looks, since /proc/PID/ns is open to few.

        Raises:
            LabError: There is no such process, or it has privileges that the agent has not.

        Source: namespaces(7), "The /proc/pid/ns/ directory".
        """
        found: dict[str, int] = self.call("namespaces", pid=pid)
        return found

    def containers(self, *, every: bool = False) -> list[dict[str, Any]]:
        """Return what is known about the containers that run, or about all."""
        found: list[dict[str, Any]] = self.call("containers", every=every)
        return found

    def interrupt(self, pidfd: int) -> None:
        """Interrupt what a held process is doing."""
        self._conversation.ask("interrupt", fds=[pidfd])

    def reset(self) -> None:
        """Remove everything kernelbox owns on this host, as `kernelbox reset`."""
        self._end_owned()
        self.call("reset")

    def close(self) -> None:
        """End everything this lab holds, and the agent. Twice is fine."""
        atexit.unregister(self.close)
        with suppress(LabError, OSError):
            self._end_owned()
        self._conversation.channel.close()
        self._process.wait()

    def __repr__(self) -> str:
        return "<the lab is open>" if self._process.poll() is None else "<the lab is closed>"

    def _end_owned(self) -> None:
        while self._owned:
            one = self._owned.pop()
            if isinstance(one, Held):
                one.end()
            else:
                one.remove()

    def _ask_with(self, fds: list[int], kind: str, **fields: Any) -> dict[str, Any]:
        """Ask with a program's streams; our copy of its standard input is closed afterwards."""
        try:
            return self._conversation.ask(kind, fds=fds, **fields)
        finally:
            os.close(fds[0])


def _command() -> list[str]:
    """Return how to start the agent: by itself for root, else through sudo without a question."""
    command = [sys.executable, "-I", "-m", "kernelbox.agent"]
    return command if os.geteuid() == 0 else ["sudo", "-n", *command]


def _words(command: str | list[str]) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else list(command)


def _wish(trace: bool) -> dict[str, Any]:
    return {"observed": trace, "bound": True}

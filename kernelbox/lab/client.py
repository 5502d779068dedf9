"""The lab: starting the agent, and asking it for processes and containers."""

from __future__ import annotations

import atexit
import shlex
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from kernelbox.channel import Channel
from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab import terminal
from kernelbox.lab.held import Held
from kernelbox.lab.reaching import reach
from kernelbox.lab.running import Container, Front, Result, finish, standard_streams
from kernelbox.lab.watching import Scene, Watching
from kernelbox.lab.wire import Conversation, LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.birth import Birth

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


def current() -> Lab:
    """Return the lab that this notebook has started last.

    Raises:
        LabError: It has started none.
    """
    if _current is None:
        raise LabError("the lab has not been started", "Run the cell that says lab.start()")
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


class Lab(Watching):
    """A notebook's connection to the kernel: an agent of its own.

    Attributes:
        agent: The process id of the agent.
        made: The ids of all containers it has made.
    """

    def __init__(self) -> None:
        super().__init__()
        channel, self.agent, self._ending = reach()
        self._conversation = Conversation(channel)
        self._owned: list[Held | Container | Birth] = []
        self.made: set[str] = set()
        atexit.register(self.close)

    def hold(self) -> Held:
        """Return a new process under remote control; it shares all namespaces with the host."""
        channel, pidfd = self._ask("hold")["fds"]
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
        options = _options(image, command, options)
        return self._follow("run", quiet, options=options, wish=_wish(trace))

    def start(
        self, image: str, command: str | list[str] = "", *, trace: bool = False, **options: Any
    ) -> Container:
        """Start a container that runs beside the notebook, at the longest until the kernel ends.

        Arguments and errors are those of `run`.
        """
        container_id, front = self._launch(_options(image, command, options), _wish(trace))
        front.until("started")
        container = Container(self, container_id, front)
        self._owned.append(container)
        return container

    def birth(self, image: str, command: str | list[str] = "", **options: Any) -> Birth:
        """Begin to make a container that makes each request to the kernel when it is told to.

        It waits before the very first. `step` and `run`, or the buttons on the page, let it go on;
        once its program runs, it is a container as from `start`. If it is not born by then, it
        ends without a trace: when the birth is closed, with the lab, with the notebook's kernel.

        Arguments and errors are those of `run`.
        """
        from kernelbox.lab.birth import begin  # here: it is a view, and those take long to load

        options = _options(image, command, options)
        container_id, front = self._launch(options, {**_wish(True), "stepped": True})
        scene = Scene(self._snapshot, (container_id,))
        birth = begin(self, container_id, front, scene, " ".join([image, *options["command"]]))
        self._owned.append(birth)
        return birth

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
        changes["args"] = _words(command)
        return self._follow("exec", quiet, container=container, changes=changes, wish=_wish(trace))

    def kernelbox(self, command: str | list[str], *, quiet: bool = False) -> Result:
        """Run a command of kernelbox's as in a terminal: `box.kernelbox("images")`; wait for it.

        Args:
            command: As in `run`, without the word `kernelbox`.
            quiet: As in `run`.

        Raises:
            LabError: The command failed; the message and the hint are its own.
        """
        return terminal.command(_words(command), quiet=quiet)

    def call(self, name: str, **arguments: Any) -> Any:
        """Ask the agent for one of its calls: containers, inspect, stop, remove, sweep, reset."""
        return self._ask("call", name=name, arguments=arguments)["value"]

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
        self._ask("interrupt", fds=[pidfd])

    def kill(self, pidfd: int) -> None:
        """Kill what a held process has become."""
        self._ask("kill", fds=[pidfd])

    def reset(self) -> None:
        """Remove everything kernelbox owns on this host, as `kernelbox reset`."""
        self._end_owned()
        self.call("reset")

    def close(self) -> None:
        """End everything this lab holds, and the agent. Twice is fine."""
        atexit.unregister(self.close)
        self._end_views()
        with suppress(LabError, OSError):
            self._end_owned()
        self._conversation.channel.close()
        self._ending.wait()
        self._tell_views()

    def __repr__(self) -> str:
        return "<the lab is open>" if self._ending.poll() is None else "<the lab is closed>"

    def _end_owned(self) -> None:
        while self._owned:
            one = self._owned.pop()
            if isinstance(one, Held):
                one.end()
            else:
                one.remove()

    def _ask(self, kind: str, fds: list[int] | None = None, **fields: Any) -> dict[str, Any]:
        """Ask the agent; if it turns out to have been killed, end what it leaves behind."""
        try:
            return self._conversation.ask(kind, fds=fds, **fields)
        except LabError:
            if self._conversation.over:
                self.close()
            raise

    def _snapshot(self, **what: Any) -> dict[str, Any]:
        """Ask for a snapshot; from any thread, so it is left to others to close a lab that died."""
        try:
            return self._conversation.ask("snapshot", **what)
        except LabError as error:
            if self._conversation.over:
                raise LabError("the lab is closed", "Open it again: lab.start()") from error
            raise

    def _launch(self, options: dict[str, Any], wish: dict[str, Any]) -> tuple[str, Front]:
        """Ask for a container without standard streams; return its id, and its monitor."""
        answer = self._ask("run", options=options, wish=wish)
        self.made.add(answer["value"])
        return answer["value"], Front(Channel(socket.socket(fileno=answer["fds"][0])), ())

    def _follow(self, kind: str, quiet: bool, **fields: Any) -> Result:
        """Ask for a program, print what it prints, and wait for its end."""
        with standard_streams(quiet) as (fds, pipes):
            answer = self._ask(kind, fds=fds, **fields)
            if kind == "run":
                self.made.add(answer["value"])
            return finish(socket.socket(fileno=answer["fds"][0]), pipes)


def _words(command: str | list[str]) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else list(command)


def _options(image: str, command: str | list[str], more: dict[str, Any]) -> dict[str, Any]:
    return {"rm": True, **more, "image": image, "command": _words(command)}


def _wish(trace: bool) -> dict[str, Any]:
    return {"observed": trace, "bound": True}

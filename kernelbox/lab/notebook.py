"""The lab: starting the agent, and asking it for processes and containers."""

from __future__ import annotations

import atexit
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack

from kernelbox.container.conversation.monitor_messages import Started
from kernelbox.container.option_types import ContainerOptions, ExecOptions
from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab import command_line, magics
from kernelbox.lab.agent_link import AgentLink, Owned
from kernelbox.lab.conversation import LabError
from kernelbox.lab.held import Held, adopt
from kernelbox.lab.live import LiveViews, Scene
from kernelbox.lab.networked import Networking
from kernelbox.lab.signatures import offering
from kernelbox.lab.started import (
    Container,
    NotebookFront,
    Result,
    execute,
    follow,
    wish,
    words,
)
from kernelbox.lab.working import Working
from kernelbox.plumbing.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.container.option_types import RunOptions
    from kernelbox.lab.birth_view import Birth

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
    magics.offer()
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


class Lab(LiveViews, Working, Networking):
    """A notebook's connection to the kernel: an agent of its own.

    Attributes:
        agent: The process id of the agent.
        made: The ids of all containers it has made.
    """

    def __init__(self) -> None:
        self._agent = AgentLink()
        super().__init__(self._agent)
        self._agent.when_gone = self.close
        self.agent = self._agent.pid
        self.made: set[str] = set()
        self.bridges = set()
        atexit.register(self.close)

    def hold(self) -> Held:
        """Return a new process under remote control; it shares all namespaces with the host."""
        channel, pidfd = self._agent.ask("hold")["fds"]
        return adopt(self._agent, channel, pidfd)

    @offering(ContainerOptions)
    def run(
        self,
        image: str,
        command: str | list[str] = "",
        *,
        trace: bool = False,
        quiet: bool = False,
        **options: Unpack[ContainerOptions],
    ) -> Result:
        """Run a program in a new container; print what it prints; wait for its end.

        Args:
            image: Reference of the image.
            command: Words, or one string that is split like a shell splits it.
            trace: Whether to keep what the kernel is asked.
            quiet: Whether to print nothing: what it prints is in the result anyway.
            **options: As `kernelbox run` has them: name, memory, cpus, network, volume, ...; the
                container is removed when it exits, unless `rm=False`.

        Raises:
            LabError: The container could not be started.
        """
        asked = _options(image, command, options)
        container_id, result = follow(self._agent, "run", quiet=quiet, trace=trace, options=asked)
        self.made.add(container_id)
        return result

    @offering(ContainerOptions)
    def start(
        self,
        image: str,
        command: str | list[str] = "",
        *,
        trace: bool = False,
        **options: Unpack[ContainerOptions],
    ) -> Container:
        """Start a container that runs beside the notebook, at the longest until the kernel ends.

        One of this name that the notebook has started before goes first: a cell can be run again.

        Arguments and errors are those of `run`.
        """
        if name := options.get("name"):
            self._make_room(name)
        container_id, front = self._launch(_options(image, command, options), wish(trace))
        front.until(Started)
        container = Container(self._agent, container_id, front, options.get("name", ""))
        self._agent.owned.append(container)
        return container

    @offering(ContainerOptions)
    def birth(
        self,
        image: str,
        command: str | list[str] = "",
        **options: Unpack[ContainerOptions],
    ) -> Birth:
        """Begin to make a container that makes each request to the kernel when it is told to.

        It waits before the very first. `step` and `run`, or the buttons on the page, let it go on;
        once its program runs, it is a container as from `start`. If it is not born by then, it
        ends without a trace: when the birth is closed, with the lab, with the notebook's kernel.

        Arguments and errors are those of `run`.
        """
        from kernelbox.lab.birth_view import (
            begin,  # here: it is a view, and those take long to load
        )

        container_id, front = self._launch(
            _options(image, command, options), wish(True, stepped=True)
        )
        scene = Scene(self._agent.snapshot, (container_id,))
        name = " ".join([image, *words(command)])
        letters = self._named(container_id)
        birth = begin(self._agent, container_id, front, scene, name, letters)
        self._agent.owned.append(birth)
        return birth

    @offering(ExecOptions)
    def exec(
        self,
        container: str,
        command: str | list[str],
        *,
        trace: bool = False,
        quiet: bool = False,
        **options: Unpack[ExecOptions],
    ) -> Result:
        """Run one more program in a running container.

        Args:
            container: Its name or id.
            command: As in `run`.
            trace: As in `run`.
            quiet: As in `run`.
            **options: As `kernelbox exec` has them: what is not given is as for the container's
                own program, and variables are added to its own.
        """
        return execute(self._agent, container, command, trace=trace, quiet=quiet, options=options)

    def kernelbox(self, command: str | list[str], *, quiet: bool = False) -> Result:
        """Run a command of kernelbox's as in a terminal: `box.kernelbox("images")`; wait for it.

        Args:
            command: As in `run`, without the word `kernelbox`.
            quiet: As in `run`.

        Raises:
            LabError: The command failed; the message and the hint are its own.
        """
        return command_line.command(words(command), quiet=quiet)

    def call(self, name: str, **arguments: Any) -> Any:
        """Ask the agent for one of its calls: containers, inspect, stop, remove, sweep, reset."""
        return self._agent.call(name, **arguments)

    def own(self, thing: Owned) -> None:
        """Let something end with the lab, as held processes and containers do."""
        self._agent.owned.append(thing)

    def confine(self, pid: int) -> None:
        """Move a process that descends from this notebook to where forks have an end."""
        self._agent.confine(pid)

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

    def reset(self, *, everything: bool = False) -> None:
        """End what this notebook has made; the lab goes on, empty.

        Args:
            everything: Whether all that kernelbox has made for this person is to go, images too,
                and what other notebooks and terminals hold: as `kernelbox reset`.
        """
        self._agent.end_owned()
        if everything:
            self.call("reset")

    def close(self) -> None:
        """End everything this lab holds, and the agent. Twice is fine."""
        atexit.unregister(self.close)
        self._end_views()
        self._agent.close()
        self._tell_views()

    def __repr__(self) -> str:
        return "<the lab is closed>" if self._agent.over else "<the lab is open>"

    def _make_room(self, name: str) -> None:
        """Remove what this notebook has started by a name."""
        for one in list(self._agent.owned):
            if isinstance(one, Container) and one.name == name:
                one.remove()
                self._agent.owned.remove(one)

    def _launch(self, options: RunOptions, how: dict[str, Any]) -> tuple[str, NotebookFront]:
        """Ask for a container without standard streams; return its id, and its front."""
        answer = self._agent.ask("run", options=options, wish=how)
        self.made.add(answer["value"])
        return answer["value"], NotebookFront(Channel.at(answer["fds"][0]))


def _options(image: str, command: str | list[str], more: ContainerOptions) -> RunOptions:
    return {"rm": True, **more, "image": image, "command": words(command)}

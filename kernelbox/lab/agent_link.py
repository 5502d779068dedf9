"""The notebook's link to its agent: every question goes through here, and so does its end."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from kernelbox.kernel.process import pidfd_of
from kernelbox.lab.connect import reach
from kernelbox.lab.conversation import Conversation, LabError
from kernelbox.plumbing.channel import disclose

if TYPE_CHECKING:
    from collections.abc import Callable


class Owned(Protocol):
    """Something that ends with the lab: a held process, a container, a birth."""

    def remove(self) -> None:
        """End it, and leave nothing of it. Twice is fine."""


class AgentLink:
    """A conversation with an agent of the notebook's own.

    Attributes:
        pid: Of the agent.
        owned: What ends with it.
        when_gone: Called when the agent turns out to have been killed.
    """

    def __init__(self) -> None:
        channel, self.pid, self._ending = reach()
        self.conversation = Conversation(channel)
        self.owned: list[Owned] = []
        self.when_gone: Callable[[], None] = self.close

    def ask(self, kind: str, fds: list[int] | None = None, **fields: Any) -> dict[str, Any]:
        """Ask the agent; if it turns out to have been killed, end what it leaves behind.

        Raises:
            LabError: It refuses, or is gone.
        """
        try:
            return self.conversation.ask(kind, fds=fds, **fields)
        except LabError:
            if self.conversation.over:
                self.when_gone()
            raise

    def call(self, name: str, **arguments: Any) -> Any:
        """Ask for one of its calls: containers, inspect, stop, remove, sweep, reset."""
        return disclose(self.ask("call", name=name, arguments=arguments)["fds"][0])

    def snapshot(self, **what: Any) -> dict[str, Any]:
        """Ask for a snapshot; from any thread, so it is left to others to end what has died."""
        try:
            return self.conversation.ask("snapshot", **what)
        except LabError as error:
            if self.conversation.over:
                raise LabError("the lab is closed", "Open it again: lab.start()") from error
            raise

    def interrupt(self, pidfd: int) -> None:
        """Interrupt what a held process is doing."""
        self.ask("interrupt", fds=[pidfd])

    def kill(self, pidfd: int) -> None:
        """Kill what a held process has become."""
        self.ask("kill", fds=[pidfd])

    def confine(self, pid: int) -> None:
        """Move a process that descends from the notebook to where forks have an end."""
        pidfd = pidfd_of(pid)
        try:
            self.ask("confine", fds=[pidfd])
        finally:
            os.close(pidfd)

    @property
    def over(self) -> bool:
        """Whether the agent has ended."""
        return self._ending.poll() is not None

    def end_owned(self) -> None:
        """End everything that is owned, the youngest first."""
        while self.owned:
            self.owned.pop().remove()

    def close(self) -> None:
        """End everything that is owned, and the agent. Twice is fine."""
        with suppress(LabError, OSError):
            self.end_owned()
        self.conversation.channel.close()
        self._ending.wait()

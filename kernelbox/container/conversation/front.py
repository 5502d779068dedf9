"""The front's half of the conversation with a monitor: follow a container from order to end.

The command line, a notebook and a build each follow one, and differ in what they do meanwhile: show
the trace, ask before a request, wait for a keyboard or for pipes. They say so by overriding `made`,
`pending`, `started` and `wait`.
"""

from __future__ import annotations

from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Failed, Go, Made, Pending
from kernelbox.container.conversation.monitor_messages import Detached, Exited, Signal, Started
from kernelbox.kernel.errors import KernelboxError
from kernelbox.plumbing.light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from kernelbox.container.conversation.messages import Message
    from kernelbox.kernel.door import Event
    from kernelbox.plumbing.channel import Channel

    Wanted = TypeVar("Wanted", bound=Message)


class Front:
    """One front.

    Attributes:
        monitor: The channel to the monitor, from its launch.
        over: Whether there is nothing to follow any more.
    """

    def __init__(self, monitor: Channel) -> None:
        self.monitor = monitor
        self.over = False

    def until(self, *wanted: type[Wanted]) -> Wanted:
        """Follow until the monitor says something of a kind that is wanted, and return that.

        Raises:
            KernelboxError: It could not be done (the monitor's own words); or the monitor was
                killed, and the container with it (137).
        """
        while True:
            self.wait()
            message = messages.receive(self.monitor)
            if message is None:
                self.over = True
                killed = "the container's monitor was killed, and the container with it"
                raise self.failed(Failed(killed, "", 137))
            self._hear(message)
            if isinstance(message, wanted):
                return message

    def _hear(self, message: Message) -> None:
        if isinstance(message, Made):
            self.made(message.event)
        elif isinstance(message, Pending):
            self.pending(message.event)
        elif isinstance(message, Started):
            self.started(message)
        elif isinstance(message, (Exited, Detached)):
            self.over = True
        elif isinstance(message, Failed):
            self.over = True
            raise self.failed(message)

    def go(self) -> None:
        """Let the pending request be made; or, after `Ended`, the rest be undone."""
        messages.send(self.monitor, Go())

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        messages.send(self.monitor, Signal(number))

    def kill(self) -> None:
        """Send the program SIGKILL."""
        self.signal(signal.SIGKILL)

    # --- what a front does meanwhile --------------------------------------------------------------

    def wait(self) -> None:
        """Wait until the monitor has said something; `receive` does by itself."""

    def made(self, event: Event) -> None:
        """Hear of a request to the kernel that was made."""

    def pending(self, event: Event) -> None:
        """Hear of one that waits; nobody has anything against it."""
        self.go()

    def started(self, message: Started) -> None:
        """Hear that the program runs."""

    def failed(self, message: Failed) -> KernelboxError:
        """Return the exception that a failure becomes."""
        return KernelboxError(message.message, message.hint, message.code)

"""The gate of a monitor's door: before each request to the kernel, the front is asked."""

from __future__ import annotations

from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Go, Pending
from kernelbox.container.conversation.monitor_messages import Signal
from kernelbox.kernel import door
from kernelbox.kernel.errors import KernelboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.kernel.door import Event
    from kernelbox.plumbing.channel import Channel


class Gate:
    """Asks the front before each request to the kernel.

    A person who interrupts, or goes away, while the container is being born, wants no container.
    Later there is a program to be interrupted, and cleaning up is not to be stopped half-way.
    """

    def __init__(self, front: Channel) -> None:
        self.front = front
        self.before_birth = True

    def __call__(self, event: Event) -> None:
        """Wait for a `Go`.

        Raises:
            KernelboxError: The person has interrupted.
        """
        messages.send(self.front, Pending(event))
        while True:
            message = messages.receive(self.front)
            if isinstance(message, Go):
                return
            if message is None or isinstance(message, Signal):
                door.gate = None
                if self.before_birth:
                    raise KernelboxError(f"interrupted before {event.request}", code=130)
                return

"""The reception: where the monitor of a container hears of whoever comes later.

    containers/<id>/socket    its monitor listens there while the container runs, or is to run again

Whoever comes says one thing: `Attach`, to be at the program's streams; `Halt`, so that no other
life follows this one; or `Watched`, where a program more is to be recorded, too.

Source: unix(7); a path longer than 108 bytes is reached by way of /proc/self/fd.
"""

from __future__ import annotations

import os
import select

from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Go, Watched
from kernelbox.container.conversation.monitor_messages import Attach, Halt
from kernelbox.plumbing import paths, sockets
from kernelbox.plumbing.channel import Channel
from kernelbox.plumbing.light import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATIENCE = 20.0  # seconds that a monitor which is alive may take to wake and answer


class Reception:
    """The listening end, of a monitor.

    Attributes:
        halted: Whether somebody has said that no other life shall follow.
        welcome: What is done with whoever wants to be at the program's streams.
        watch: Who listens to the system calls of programs that come later; None without a record.
    """

    def __init__(self, container_id: str, listener: int | None = None) -> None:
        """Listen for a container's guests; `listener` is a descriptor that does already."""
        self.halted = False
        self.welcome: Callable[[Channel, Attach], None] | None = None
        self.watch: Callable[[int, int], object] | None = None
        self._arrived: list[Channel] = []
        if listener is not None:
            self._listener = sockets.at(listener)
            return
        self._listener = sockets.new()
        with _address(container_id) as address:
            with suppress(FileNotFoundError):  # of an earlier life
                os.unlink(address)
            self._listener.bind(address)
        self._listener.listen(16)

    def fileno(self) -> int:
        """Return the listening descriptor."""
        return self._listener.fileno()

    @property
    def is_busy(self) -> bool:
        """Whether somebody has come who has not yet said what they want, or said halt."""
        return bool(self._arrived) or self.halted

    def waits(self) -> list[int]:
        """Return the descriptors to be waited for."""
        return [self._listener.fileno(), *(one.fileno() for one in self._arrived)]

    def seconds(self) -> float | None:
        """Return how long that may take."""
        return None

    def act(self, ready: set[int]) -> None:
        """Hear who has come, and what they want."""
        if self._listener.fileno() in ready:
            self._arrived.append(Channel(sockets.accept(self._listener)))
        for one in [one for one in self._arrived if one.fileno() in ready]:
            self._arrived.remove(one)
            message = messages.receive(one)
            if isinstance(message, Attach) and self.welcome is not None:
                self.welcome(one, message)
                continue
            if isinstance(message, Halt):
                self.halted = True
                messages.send(one, Go())
            if isinstance(message, Watched):
                if self.watch is not None:
                    self.watch(message.fds[0], message.number)
                os.close(message.fds[0])
            one.close()

    def rest(self, seconds: float) -> None:
        """Do nothing but this for some time, or until somebody says halt."""
        import time

        until = time.monotonic() + seconds
        while not self.halted and (left := until - time.monotonic()) > 0:
            poller = select.poll()
            for fd in self.waits():
                poller.register(fd, select.POLLIN)
            self.act({fd for fd, _ in poller.poll(left * 1000)})

    def close(self) -> None:
        """Listen no more; whoever waits is told so by the end of the conversation."""
        for one in self._arrived:
            one.close()
        self._listener.close()


def knock(container_id: str) -> Channel | None:
    """Return a conversation with a container's monitor; None if there is none that listens."""
    end = sockets.new()
    try:
        with _address(container_id) as address:
            end.connect(address)
    except OSError:
        end.close()
        return None
    return Channel(end)


def halt(container_id: str) -> None:
    """See to it that no other life of a container follows the one that it is in."""
    channel = knock(container_id)
    if channel is None:
        return
    channel.socket.settimeout(_PATIENCE)
    with suppress(TimeoutError):
        if messages.send(channel, Halt()):
            messages.receive(channel)
    channel.close()


@contextmanager
def _address(container_id: str) -> Iterator[str]:
    fd = os.open(paths.container(container_id), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/socket"
    finally:
        os.close(fd)

"""The relay: bytes between a program's standard streams, those of people, and the log.

It runs in the monitor, from the start of the program to its end, and listens to more meanwhile: the
end of the program (its pidfd), whoever is at its streams (signals, window sizes, and their own end,
after which it goes on without them), and what else a monitor looks after (`Care`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import termios

from kernelbox.container.conversation import messages
from kernelbox.container.conversation.monitor_messages import Detached, Resize, Signal
from kernelbox.container.streams.detach_keys import DetachKeys
from kernelbox.container.streams.streams import Sink, Stream
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelError
from kernelbox.plumbing.light import signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from kernelbox.cgroup import Cgroup
    from kernelbox.container.streams.log import Log
    from kernelbox.plumbing.channel import Channel

    class Care(Protocol):
        """Something else that a monitor looks after while the program runs."""

        def waits(self) -> list[int]:
            """Return the descriptors that it waits for."""

        def seconds(self) -> float | None:
            """Return how long it can wait for them; None for ever."""

        def act(self, ready: set[int]) -> None:
            """Do what is to be done, now that these can be read or the time has come."""


_QUIET = 30_000  # milliseconds


class Person:
    """Whoever is at a program's streams, with their own.

    Attributes:
        channel: The conversation with them.
        lent: Their standard streams.
        outputs: Where what the program prints goes to, by stream.
        input: What they type; None if nobody reads it.
    """

    def __init__(self, channel: Channel, lent: tuple[int, ...]) -> None:
        self.channel = channel
        self.lent = lent
        self.outputs: dict[str, Sink] = {}
        self.input: Stream | None = None

    def close(self) -> None:
        """Let go of their streams, and of the conversation."""
        for fd in self.lent:
            os.close(fd)
        self.channel.close()

    @property
    def lost(self) -> dict[str, int]:
        """The errno of each output that could not be written, by stream."""
        return {name: sink.lost for name, sink in self.outputs.items() if sink.lost}


class Relay:
    """All streams of one program, from its start to its end.

    Attributes:
        outputs: What the program prints.
        stdin: Our end of its standard input; None if it has none.
        owner: The front that has started it, for as long as it is there.
        people: Whoever is at its streams, the owner among them.
        cares: What else is looked after.
        doze: Is called after some quiet, when there is nothing to do but wait; None for nothing.
    """

    def __init__(self, pidfd: int, terminal: int | None, log: Log | None = None) -> None:
        self.pidfd = pidfd
        self.terminal = terminal
        self.log = log
        self.outputs: list[Stream] = []
        self.stdin: int | None = None
        self.owner: Person | None = None
        self.people: list[Person] = []
        self.cares: list[Care] = []
        self.doze: Callable[[], None] | None = None
        self.kill_when_alone = False
        self.group: Cgroup | None = None  # the container's, if the program is its first

    def attach(
        self,
        channel: Channel,
        streams: tuple[int, int, int] | None,
        *,
        interactive: bool,
        detach_keys: str = "",
        owner: bool = False,
    ) -> Person:
        """Let somebody be at the program's streams.

        Args:
            channel: The conversation with them.
            streams: Their 0, 1 and 2; None if they lend none.
            interactive: Whether the program reads their 0, if it has a standard input.
            detach_keys: What they type to leave; empty if that is not to be.
            owner: Whether the program's input ends with theirs, and it notices that they read no
                more.
        """
        person = Person(channel, streams or ())
        self.people.append(person)
        if owner:
            self.owner = person
        if streams is None:
            return person
        for stream, fd in zip(self.outputs, streams[1:], strict=False):
            person.outputs[stream.name] = Sink(fd, needed=owner)
            stream.sinks.append(person.outputs[stream.name])
        if interactive and self.stdin is not None:
            person.input = Stream(os.dup(streams[0]))
            person.input.sinks.append(Sink(self.stdin))
            if detach_keys:
                person.input.detach_keys = DetachKeys(detach_keys)
        return person

    def run(self) -> None:
        """Relay until the program has ended and all it printed has been passed on."""
        ended = False
        while True:
            waiting = [(*want, one) for one in self._streams() for want in one.wants()]
            if ended and not waiting:
                return
            poller = select.poll()
            for fd, event, _ in waiting:
                poller.register(fd, event)
            if not ended:
                poller.register(self.pidfd, select.POLLIN)
                for fd in (fd for care in self.cares for fd in care.waits()):
                    poller.register(fd, select.POLLIN)
            for person in self.people:
                poller.register(person.channel, select.POLLIN)
            # After its end, only what has been printed already is of interest; but whatever was
            # read must be delivered, however long the reader takes.
            unfinished = any(stream.pending for stream in self._streams())
            patience = self._patience() if not ended else None if unfinished else 0
            idle = self.doze is not None and not (ended or self.people) and patience is None
            ready = {fd for fd, _ in poller.poll(_QUIET if idle else patience)}
            if self.doze is not None and idle and not ready:
                self.doze()
                continue
            if ended and not ready:
                return
            if self.pidfd in ready and not ended:
                ended = True
                self._end_inputs()
            for person in list(self.people):
                if person.channel.fileno() in ready:
                    self._obey(person)
            for fd, _, stream in waiting:
                if fd in ready:
                    stream.move(fd, self.log)
            self._look_at_inputs()
            self._look_at_outputs()
            if not ended:
                for care in self.cares:
                    care.act(ready)

    def _patience(self) -> float | None:
        """Return how many milliseconds may pass until something is due."""
        due = [seconds for care in self.cares if (seconds := care.seconds()) is not None]
        return max(min(due), 0) * 1000 if due else None

    def _streams(self) -> list[Stream]:
        return self.outputs + [one.input for one in self.people if one.input is not None]

    def _look_at_inputs(self) -> None:
        """See who has typed the keys to leave, or has come to the end of what they have."""
        for person in list(self.people):
            stream = person.input
            if stream is None:
                continue
            if stream.left:
                self._leave(person)
            elif stream.source is None and not stream.pending:
                person.input = None
                if person is self.owner:
                    self._close_input()

    def _look_at_outputs(self) -> None:
        """Let those go, but for the owner, whose output nobody takes any more, as in `| head`."""
        for person in list(self.people):
            if person is self.owner:
                continue
            broken = {n: errno.EPIPE for n, sink in person.outputs.items() if sink.closed}
            if broken := {**broken, **person.lost}:
                messages.send(person.channel, Detached(broken))
                self._part(person)

    def _close_input(self) -> None:
        """Let the program see the end of its input; a terminal has no such end."""
        if self.stdin is not None and self.terminal is None:
            self._end_inputs()
            os.close(self.stdin)
            self.stdin = None

    def _end_inputs(self) -> None:
        """Read no more of what people type."""
        for person in self.people:
            if person.input is not None:
                person.input.end()
                person.input = None

    def _obey(self, person: Person) -> None:
        """Do what somebody asks, or note that they have gone."""
        message = messages.receive(person.channel)
        if message is None:
            was_owner = person is self.owner
            self._part(person)
            if was_owner and self.kill_when_alone:
                self._signal(signal.SIGKILL)
        elif isinstance(message, Signal):
            self._signal(message.number)
        elif isinstance(message, Resize) and self.terminal is not None:
            resize(self.terminal, message.rows, message.columns)

    def _leave(self, person: Person) -> None:
        """Let somebody go who has typed the keys for that; the program goes on."""
        assert person.input is not None
        for sink in person.input.sinks:  # typed before
            if sink.pending:
                sink.write()
        messages.send(person.channel, Detached())
        self._part(person)

    def _part(self, person: Person) -> None:
        """Go on without somebody."""
        self.people.remove(person)
        for stream in self.outputs:
            for sink in person.outputs.values():
                sink.needed = False
                stream.drop(sink)
        had_input = person.input is not None
        if person.input is not None:
            person.input.end()
            person.input = None
        if person is not self.owner:
            person.close()
            return
        self.owner = None
        if had_input:
            self._close_input()
        _give_back(person.lent)

    def _signal(self, number: int) -> None:
        with suppress(KernelError):  # it ended in this moment
            process.pidfd_send_signal(self.pidfd, number)
            if number == signal.SIGKILL and self.group is not None:
                self.group.thaw_all()  # it may have frozen itself


def _give_back(lent: tuple[int, ...]) -> None:
    """Let go of somebody's terminal or pipes: whoever reads them shall see the end."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in lent:
        os.dup2(nothing, fd, inheritable=False)
    os.close(nothing)


def resize(terminal: int, rows: int, columns: int) -> None:
    """Set the size of a terminal, in characters; its programs get SIGWINCH.

    Source: ioctl_tty(2), TIOCSWINSZ.
    """
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

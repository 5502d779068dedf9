"""A program's standard streams: made for it, and connected with the front's by a relay."""

from __future__ import annotations

import os

from kernelbox.container.streams.relay import Relay
from kernelbox.container.streams.streams import Stream
from kernelbox.plumbing.light import signal
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.birth.birth import Newborn
    from kernelbox.container.conversation.monitor_messages import Wish
    from kernelbox.container.conversation.orders import Streams
    from kernelbox.container.spec import Process
    from kernelbox.container.streams.relay import Person
    from kernelbox.plumbing.channel import Channel


class Ends(NamedTuple):
    """The runtime side's ends of a program's standard streams; None where it has a terminal."""

    stdin: int | None
    stdout: int | None
    stderr: int | None


def open_for(what: Process, interactive: bool) -> tuple[Streams, Ends]:
    """Return the descriptors for the program's 0, 1 and 2, and our ends of them.

    Args:
        what: The program.
        interactive: Whether its standard input is open.
    """
    if what.terminal:
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        return (nothing, nothing, nothing), Ends(None, None, None)
    stdin, our_stdin = (
        os.pipe() if interactive else (os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), None)
    )
    our_stdout, stdout = os.pipe()
    our_stderr, stderr = os.pipe()
    return (stdin, stdout, stderr), Ends(our_stdin, our_stdout, our_stderr)


def close(fds: Streams) -> None:
    """Close the program's ends, once it has them."""
    for fd in set(fds):
        os.close(fd)


def connect(born: Newborn, ours: Ends) -> Relay:
    """Return a relay for a program's streams, which nobody is at yet.

    Args:
        born: The program's process.
        ours: From `open_for`.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    relay = Relay(born.pidfd, born.terminal)
    if born.terminal is not None:
        # It takes less than it is given while the program does not read: do not wait for that.
        os.set_blocking(born.terminal, False)
        relay.outputs = [Stream(os.dup(born.terminal), "stdout")]
        relay.stdin = os.dup(born.terminal)
    else:
        assert ours.stdout is not None and ours.stderr is not None
        relay.outputs = [Stream(ours.stdout, "stdout"), Stream(ours.stderr, "stderr")]
        relay.stdin = ours.stdin
    return relay


def lend(relay: Relay, front: Channel, given: Streams | None, wish: Wish) -> Person:
    """Let the front that has started a program be at its streams.

    Args:
        relay: From `connect`.
        front: The front.
        given: Its standard streams; None if it lent none.
        wish: Whether it has input, and whether the program is killed when it goes.
    """
    relay.kill_when_alone = wish.bound
    return relay.attach(
        front, given, interactive=wish.interactive, detach_keys=wish.detach_keys, owner=True
    )

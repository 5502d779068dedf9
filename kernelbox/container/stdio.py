"""A program's standard streams: made for it, and connected with the front's by a relay."""

from __future__ import annotations

import os
import signal

from kernelbox.container.detach_keys import DetachKeys
from kernelbox.container.relay import Relay, Stream
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.birth import Newborn
    from kernelbox.container.messages import Wish
    from kernelbox.container.orders import Streams
    from kernelbox.container.spec import Process
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


def connect(born: Newborn, ours: Ends, given: Streams | None, front: Channel, wish: Wish) -> Relay:
    """Return a relay between the program's streams and the front's, if there is one.

    Args:
        born: The program's process.
        ours: From `open_for`.
        given: The front's standard streams; None if it lent none.
        front: The front.
        wish: Whether it has input, and whether it is killed when the front goes.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    stdin, stdout, stderr = given or (None, None, None)
    relay = Relay(born.pidfd, front, born.terminal, log=None)
    relay.lent = given or ()
    relay.kill_when_alone = wish.bound
    if born.terminal is not None:
        # It takes less than it is given while the program does not read: do not wait for that.
        os.set_blocking(born.terminal, False)
        relay.outputs = [Stream(os.dup(born.terminal), stdout, "stdout")]
        our_stdin: int | None = os.dup(born.terminal)
    else:
        assert ours.stdout is not None and ours.stderr is not None
        relay.outputs = [
            Stream(ours.stdout, stdout, "stdout"),
            Stream(ours.stderr, stderr, "stderr"),
        ]
        our_stdin = ours.stdin
    if wish.interactive and our_stdin is not None and stdin is not None:
        relay.input = Stream(os.dup(stdin), our_stdin)
        if wish.detach_keys:
            relay.input.detach_keys = DetachKeys(wish.detach_keys)
    return relay

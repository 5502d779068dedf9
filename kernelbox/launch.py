"""Starting a monitor: the fork, and the order that tells it what to do.

Whoever asks for a container (the front) and the process that makes it (the monitor) part at once:
while the front reads the image and the options and writes the order, the monitor loads what talks
to the kernel. On two processors that saves a container a tenth of its start.

The order is a document of any size, so it travels as a file in memory, and the front's standard
streams with it; all later messages are small. To the monitor: `run`, `exec` (the orders), `go`,
`signal`, `resize`. From it: `event`, `pause`, `started`, `ended`, `exited`, `error`.
"""

from __future__ import annotations

import os

from kernelbox.channel import Channel, disclose, enclose
from kernelbox.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.spec import Process, Spec


class Wish(NamedTuple):
    """How a program is to be run, beside what it is.

    Attributes:
        stdio: The front's standard streams; None to run detached, on the log alone.
        observed: Whether the front wants an `event` per request to the kernel.
        stepped: Whether each request waits for a `go`; if `bound`, those of the birth only.
        size: Rows and columns of the front's terminal.
        bound: Whether the container dies with the front (a notebook's does).
        read_later: Whether the front reads what the program has changed before all is undone: the
            monitor says `ended` then, and waits for `go` or for the front's end.
    """

    stdio: tuple[int, int, int] | None = (0, 1, 2)
    observed: bool = False
    stepped: bool = False
    size: tuple[int, int] = (24, 80)
    bound: bool = False
    read_later: bool = False


def launch(*, lasting: bool = False) -> tuple[Channel, int]:
    """Fork a monitor that waits for its order; return a channel to it, and its pid.

    It ends without a word if the channel closes first.

    Args:
        lasting: Whether the channel brings it fronts, one after the other, each with an order.
    """
    ours, theirs = Channel.pair()
    pid = os.fork()
    if pid == 0:
        from kernelbox import monitor  # here, so that the front need not wait for it

        (monitor.serve if lasting else monitor.main)(theirs)
    theirs.close()
    return ours, pid


def introduce(monitor: Channel) -> Channel | None:
    """Return a front's channel to a lasting monitor; None if that is dead."""
    ours, theirs = Channel.pair()
    alive = monitor.send("front", fds=[theirs.fileno()])
    theirs.close()
    if alive:
        return ours
    ours.close()
    return None


def order_run(monitor: Channel, container: Spec, wish: Wish) -> None:
    """Order the making and running of a container."""
    from kernelbox import spec

    _order(monitor, "run", spec.to_json(container), wish)


def order_exec(monitor: Channel, container_id: str, what: Process, wish: Wish) -> None:
    """Order the running of one more program in a container."""
    _order(monitor, "exec", {"container": container_id, "process": what._asdict()}, wish)


def _order(monitor: Channel, kind: str, document: dict[str, Any], wish: Wish) -> None:
    fd = enclose(document, "order")
    try:
        monitor.send(kind, fds=[fd, *(wish.stdio or ())], wish=wish[1:])
    finally:
        os.close(fd)


def read_order(message: dict[str, Any]) -> tuple[dict[str, Any], Wish]:
    """Return the document that came with an order, and the wish with the front's streams."""
    order, *stdio = message["fds"]
    streams = (stdio[0], stdio[1], stdio[2]) if stdio else None
    return disclose(order), Wish(streams, *message["wish"])

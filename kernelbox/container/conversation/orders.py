"""Orders: what a front writes to a monitor that waits, and what the monitor reads of it.

An order is a document of any size, so it travels as a file in memory, and the front's standard
streams with it; all later messages are small (messages.py).
"""

from __future__ import annotations

import os

from kernelbox.container.conversation import messages
from kernelbox.container.conversation.monitor_messages import Order, Wish
from kernelbox.container.spec import to_json
from kernelbox.plumbing.channel import disclose, enclose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.container.spec import Process, Spec
    from kernelbox.plumbing.channel import Channel

Streams = tuple[int, int, int]


def run(monitor: Channel, spec: Spec, wish: Wish, streams: Streams | None) -> None:
    """Order the making and running of a container.

    Args:
        monitor: The channel to a monitor that waits.
        spec: What it shall be.
        wish: How it is to be run.
        streams: The front's 0, 1 and 2; None to run detached, on the log alone.
    """
    _give(monitor, "run", to_json(spec), wish, streams)


def start(monitor: Channel, container_id: str, wish: Wish, streams: Streams | None = None) -> None:
    """Order that a container which does not run is started; the arguments are as for `run`."""
    _give(monitor, "start", {"container": container_id}, wish, streams)


def exec(
    monitor: Channel, container_id: str, what: Process, wish: Wish, streams: Streams | None
) -> None:
    """Order the running of one more program in a container; the arguments are as for `run`."""
    document = {"container": container_id, "process": to_json(what)}
    _give(monitor, "exec", document, wish, streams)


def _give(
    monitor: Channel, what: str, document: dict[str, Any], wish: Wish, streams: Streams | None
) -> None:
    fd = enclose(document, "order")
    try:
        messages.send(monitor, Order(what, list(wish), [fd, *(streams or ())]))
    finally:
        os.close(fd)


def read(order: Order) -> tuple[dict[str, Any], Wish, Streams | None]:
    """Return the document that came with an order, the wish, and the front's streams."""
    fd, *streams = order.fds
    return (
        disclose(fd),
        Wish(*order.wish),
        (streams[0], streams[1], streams[2]) if streams else None,
    )

"""How fast a way through the network is: what a message takes there and back, and bytes a second.

One process has the sockets of both ends, each opened in its own network namespace. So nobody has
to be woken up, and what is measured is the kernel's way from one to the other.
"""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.held import Held

_MESSAGE = bytes(64)
_PIECE = bytes(1 << 16)
_WARM = 50  # messages that are not counted: addresses are resolved, caches filled
_PATIENCE = 5.0  # seconds, for one message


def round_trips(client: Held, server: Held, address: str, times: int = 400) -> list[float]:
    """Return how long each of so many small messages takes there and back (UDP), seconds.

    Args:
        client: Who asks.
        server: Who answers at once.
        address: Under which the client reaches the server.
        times: How many are measured.

    Raises:
        OSError: ENETUNREACH: there is no route; TimeoutError: one has been lost.
    """
    found = []
    with server.socket("udp") as far, client.socket("udp") as near:
        for one in (far, near):
            one.settimeout(_PATIENCE)
        far.bind(("0.0.0.0", 0))
        near.connect((address, far.getsockname()[1]))
        for _ in range(_WARM + times):
            began = time.perf_counter()
            near.send(_MESSAGE)
            far.sendto(*far.recvfrom(len(_MESSAGE)))
            near.recv(len(_MESSAGE))
            found.append(time.perf_counter() - began)
    return found[_WARM:]


def throughput(client: Held, server: Held, address: str, seconds: float = 0.3) -> float:
    """Return how many bytes a second a client sends to a server over one TCP connection.

    Arguments and errors are those of `round_trips`.
    """
    with connected(client, server, address) as (near, far):
        for one in (near, far):
            one.setblocking(False)
        began, received = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds:
            with suppress(BlockingIOError):
                near.send(_PIECE)
            with suppress(BlockingIOError):
                received += len(far.recv(4 * len(_PIECE)))
        return received / passed


@contextmanager
def connected(
    client: Held,
    server: Held,
    address: str,
    port: int = 0,
    *,
    listen: int = 0,
    seconds: float = _PATIENCE,
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect a client to a server over TCP; give the client's socket and the server's.

    Args:
        client: Who calls.
        server: Who listens, at every address of its own.
        address: Which the client calls.
        port: Which the client calls; 0 for the one at which the server listens.
        listen: At which the server listens; 0 for `port`, or for any free one.
        seconds: How long to wait for an answer.

    Raises:
        OSError: ENETUNREACH, ECONNREFUSED, TimeoutError: there is no way, or it is barred;
            EADDRINUSE: somebody else listens there.
    """
    with server.socket("tcp") as listener, client.socket("tcp") as near:
        for one in (listener, near):
            one.settimeout(seconds)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", listen or port))
        listener.listen()
        near.connect((address, port or listener.getsockname()[1]))
        far, _ = listener.accept()
        with far:
            yield near, far

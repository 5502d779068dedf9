"""How fast a way through the network is: what a message takes there and back, and bytes a second.

One process has the sockets of both ends, each opened in its own network namespace. So nobody has
to be woken up, and what is measured is the kernel's way from one to the other.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
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
    client: Held, server: Held, address: str, port: int = 0
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect a client to a server over TCP; give the client's socket and the server's.

    Args:
        client: Who asks.
        server: Who listens, at every address of its own.
        address: Under which the client reaches the server.
        port: Where it listens; 0 for any.

    Raises:
        OSError: ENETUNREACH, ECONNREFUSED, TimeoutError: there is no way, or it is barred.
    """
    with server.socket("tcp") as listener, client.socket("tcp") as near:
        for one in (listener, near):
            one.settimeout(_PATIENCE)
        listener.bind(("0.0.0.0", port))
        listener.listen()
        near.connect((address, listener.getsockname()[1]))
        far, _ = listener.accept()
        with far:
            yield near, far

"""The name server of a network without a bridge listens inside its containers, as Docker's does.

    networks/lan/inside    where the server hears of containers that come and go

Whoever connects a container opens two sockets in its namespace, at 127.0.0.11, and lends them to
the server: a socket stays where it was opened, whoever has it. So the server needs no privilege,
and is in no container. When the container leaves, they are taken back.

The port is taken inside then: a program that wants port 53 of all addresses for itself has to say
SO_REUSEPORT, or to be content with those of its own.

Source: unix(7), SCM_RIGHTS; socket(7), SO_REUSEPORT; Docker, "DNS services".
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress

from kernelbox.kernel import netlink, process
from kernelbox.network import endpoints
from kernelbox.network.addresses import directory
from kernelbox.plumbing.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS, PORT = "127.0.0.11", 53
_PATIENCE = 20.0  # seconds that a server takes at most that was only just started
_KIND = socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC


def bound() -> list[socket.socket]:
    """Return the two sockets, of UDP and of TCP, in the namespace that the caller is in.

    A container that stands on two such networks has four: each of the two servers knows all.
    """
    found = []
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        sock = socket.socket(socket.AF_INET, kind)
        found.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((ADDRESS, PORT))
    found[1].listen(64)
    return found


def door(network: str) -> socket.socket:
    """Return the socket at which a network's server hears of containers.

    Raises:
        OSError: ENOSPC, EROFS.
    """
    listener = socket.socket(socket.AF_UNIX, _KIND)
    with _address(network) as address:
        with suppress(FileNotFoundError):  # of a server that was killed
            os.unlink(address)
        before = os.umask(0o077)  # for root alone: to connect is to write
        try:
            listener.bind(address)
        finally:
            os.umask(before)
    listener.listen(64)
    return listener


def lend(network: str, container_id: str, sockets: list[socket.socket]) -> None:
    """Give a container's sockets to the server, and close them here.

    One that is only just starting finds them when it is ready, and what has come to them.
    """
    with _knock(network) as channel:
        if channel:
            channel.send("lent", [one.fileno() for one in sockets], container=container_id)
    for one in sockets:
        one.close()


def lend_again(network: str) -> None:
    """Give the sockets of all its containers to a server that was started anew."""
    for end in endpoints.of(network).values():
        if not end.process:
            continue
        pid, started = map(int, end.process.split())
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            netns_fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if process.start_time(pid) == started:
                    with netlink.inside(netns_fd):
                        sockets = bound()
                    lend(network, end.container, sockets)
            finally:
                os.close(netns_fd)


def take_back(network: str, container_id: str) -> list[socket.socket]:
    """Take a container's sockets back from the server; return one of them, if there were any."""
    with _knock(network) as channel:
        if channel is None:
            return []
        channel.socket.settimeout(_PATIENCE)
        channel.send("wanted", container=container_id)
        with suppress(TimeoutError):
            answer = channel.receive() or {}
            return [socket.socket(fileno=fd) for fd in answer.get("fds", [])]
    return []


@contextmanager
def _knock(network: str) -> Iterator[Channel | None]:
    """Yield a conversation with a network's server; None if none lives."""
    with socket.socket(socket.AF_UNIX, _KIND) as end:
        try:
            with _address(network) as address:
                end.connect(address)
        except OSError:
            yield None
        else:
            yield Channel(end)


@contextmanager
def _address(network: str) -> Iterator[str]:
    """Yield the path of the door, by a way that is shorter than the 108 bytes that fit."""
    fd = os.open(directory(network), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/inside"
    finally:
        os.close(fd)

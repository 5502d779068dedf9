"""Sockets between processes of one machine, and descriptors through them.

`_socket` is what `socket` is made of: the same sockets, whose families and kinds are plain numbers,
and which are closed by hand or by `closing`. `socket` itself loads `enum` and `selectors` first: a
tenth of the time that a small command takes.

Source: unix(7), SCM_RIGHTS; CPython, Modules/socketmodule.c.
"""

from __future__ import annotations

import sys
from _socket import (
    AF_UNIX,
    CMSG_LEN,
    MSG_PEEK,
    MSG_TRUNC,
    SCM_RIGHTS,
    SO_PEERCRED,
    SOCK_CLOEXEC,
    SOCK_SEQPACKET,
    SOL_SOCKET,
    socketpair,
)
from _socket import SOCK_STREAM as SOCK_STREAM
from _socket import socket as socket

_SIZE = 4  # of a descriptor, bytes


def new(kind: int = SOCK_SEQPACKET) -> socket:
    """Return a new socket; what it is for, `bind` or `connect` says."""
    return socket(AF_UNIX, kind | SOCK_CLOEXEC)


def pair() -> tuple[socket, socket]:
    """Return two sockets that are connected with each other."""
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)


def at(fd: int) -> socket:
    """Return the socket of a descriptor, which is closed with it."""
    return socket(fileno=fd)


def accept(listener: socket) -> socket:
    """Return the next connection at a listening socket."""
    fd, _ = listener._accept()  # type: ignore[attr-defined]  # what `socket.accept` calls
    return at(fd)


def send(through: socket, payload: bytes, fds: list[int]) -> None:
    """Send some bytes, and descriptors with them.

    Raises:
        OSError: EPIPE, ECONNRESET: nobody listens any more.
    """
    if not fds:
        through.send(payload)
        return
    rights = b"".join(fd.to_bytes(_SIZE, sys.byteorder) for fd in fds)
    through.sendmsg([payload], [(SOL_SOCKET, SCM_RIGHTS, rights)])


def receive(from_: socket, most: int) -> tuple[bytes, list[int]]:
    """Return the next message, and the descriptors that came with it, at most so many.

    Raises:
        OSError: ECONNRESET.
    """
    # Its size first: room for the largest message would be mapped and unmapped each time.
    size = from_.recv_into(bytearray(1), 1, MSG_PEEK | MSG_TRUNC)
    payload, ancillary, _flags, _address = from_.recvmsg(size, CMSG_LEN(most * _SIZE))
    rights = b"".join(data for _, kind, data in ancillary if kind == SCM_RIGHTS)
    last = len(rights) - len(rights) % _SIZE
    return payload, [
        int.from_bytes(rights[one : one + _SIZE], sys.byteorder) for one in range(0, last, _SIZE)
    ]


def peer(of: socket) -> bytes:
    """Return who made a pair, or has connected: pid, user and group. Source: SO_PEERCRED."""
    return of.getsockopt(SOL_SOCKET, SO_PEERCRED, 3 * _SIZE)

"""Netlink, the half of it that only asks: one request, and the messages that answer it.

pyroute2, through which kernelbox changes the network, takes 1.7 ms to ask one namespace for links,
addresses and routes, and a third of a second for 200 of them; nearly all of it is spent on taking
apart what nobody looks at. This takes 0.1 ms. It knows no message that changes anything.

Source: netlink(7).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

NETFILTER = 12

_REQUEST, _DUMP = 0x1, 0x300
_INTERRUPTED = 0x10
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHH")  # length, type, flags; sequence and port are not needed
_HEADER_SIZE = 16
_ATTRIBUTE = struct.Struct("=HH")
_TYPE = 0x3FFF  # without the flags for "nested" and "network byte order"
_LARGEST = 1 << 16
_SOL_NETLINK, _GET_STRICT_CHK = 270, 12  # the fields of a request are heeded as a filter
_TRIES = 5
# Linux 5.14: a number that no other network namespace has or will have until the host is restarted.
_SO_NETNS_COOKIE = 71


class Questions:
    """A netlink socket of the network namespace in which it is opened.

    Args:
        protocol: NETLINK_ROUTE (0) or NETFILTER.
    """

    def __init__(self, protocol: int = 0) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol
        )
        with contextlib.suppress(OSError):  # before Linux 4.20 everything is listed
            self._socket.setsockopt(_SOL_NETLINK, _GET_STRICT_CHK, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def cookie(self) -> int:
        """Return what identifies the namespace for as long as the host is up; 0 if unknown."""
        try:
            text = self._socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        except OSError:
            return 0
        return int.from_bytes(text, sys.byteorder)

    def all(self, kind: int, body: bytes) -> list[bytes]:
        """Return every object of a kind: the messages without their headers.

        Raises:
            OSError: EPERM; EOPNOTSUPP, EINVAL if the kernel does not know the kind.
        """
        for _ in range(_TRIES):
            try:
                return self._list(kind, body)
            except InterruptedError:  # it changed while it was listed: some may be missing
                continue
        return []

    def _list(self, kind: int, body: bytes) -> list[bytes]:
        self._ask(kind, _DUMP, body)
        found: list[bytes] = []
        every_flag = 0
        while True:
            data = self._socket.recv(_LARGEST)
            start, end = 0, len(data)
            while start < end:
                length, answer, flags = _HEADER.unpack_from(data, start)
                every_flag |= flags
                if answer in (_ERROR, _DONE):
                    _check(data, start, errno.EINTR if every_flag & _INTERRUPTED else 0)
                    return found
                found.append(data[start + _HEADER_SIZE : start + length])
                start += (length + 3) & ~3

    def one(self, kind: int, body: bytes) -> bytes:
        """Return one object; raises as `all`, and what the kernel says if there is none."""
        self._ask(kind, 0, body)
        data = self._socket.recv(_LARGEST)
        length, answer, _ = _HEADER.unpack_from(data)
        if answer == _ERROR:
            _check(data, 0, 0)
        return data[_HEADER_SIZE:length]

    def _ask(self, kind: int, flags: int, body: bytes) -> None:
        head = _HEADER.pack(_HEADER_SIZE + len(body), kind, _REQUEST | flags)
        self._socket.send(head + bytes(8) + body)


def _check(data: bytes, start: int, otherwise: int) -> None:
    """Raise the error that a message of type NLMSG_ERROR or NLMSG_DONE carries, or another."""
    code = int.from_bytes(data[start + 16 : start + 20], sys.byteorder, signed=True)
    if code or otherwise:
        number = -code or otherwise
        raise OSError(number, os.strerror(number))


def attributes(data: bytes, start: int = 0) -> dict[int, bytes]:
    """Return the attributes that a message has from `start` on, by their types."""
    found = {}
    end = len(data)
    while start + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < 4:
            break
        found[kind & _TYPE] = data[start + 4 : start + length]
        start += (length + 3) & ~3
    return found


def number(data: bytes | None) -> int:
    """Return an attribute that is a number in the host's byte order; 0 if it is missing."""
    return int.from_bytes(data or b"", sys.byteorder)

"""Netlink: how one talks with the kernel about networks. Messages, attributes, acknowledgements.

A request is a datagram to the kernel: a header, a fixed part that depends on what is asked for,
then attributes, each with its length and type. What comes back is an error number (0 says that it
was done), one object, or a list of them, in as many datagrams as it takes.

    length type flags sequence port | fixed part | length type value | length type value ...

A socket speaks to the network namespace in which it was opened, wherever its process goes later.
So one that is opened `inside` a container's namespace configures the container.

What is said about links, addresses and routes is in `rtnetlink`, and about packet filters in `nft`.

Source: netlink(7); kernel, `Documentation/userspace-api/netlink/intro.rst`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys

from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelError
from kernelbox.kernel.syscalls import setns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

ROUTE, NETFILTER = 0, 12

CREATE, EXCLUSIVE = 0x400, 0x200  # make it, and only if it is not there
_REQUEST, _ACKNOWLEDGE, _DUMP = 0x1, 0x4, 0x300
_INTERRUPTED = 0x10
_HAS_ATTRIBUTES = 0x200  # of an acknowledgement
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NESTED, _TYPE = 0x8000, 0x3FFF  # the type without the flags "nested" and "network byte order"

_SOL_NETLINK = 270
_CAP_ACK, _EXT_ACK = 10, 11  # of the request, a refusal repeats the header only; and has words
_GET_STRICT_CHK = 12  # the fields of a request are heeded as a filter
_WORDS = 1  # NLMSGERR_ATTR_MSG
# Linux 5.14: a number that no other network namespace has or will have until the host is restarted.
_SO_NETNS_COOKIE = 71
_TRIES = 5


class Refusal(OSError):
    """What the kernel answered instead: `words` is its own explanation, often empty."""

    words = ""


class NetlinkSocket:
    """A netlink socket of the network namespace in which it is opened.

    Use it in a `with` statement. Nothing passes the recorder here: who changes something with it
    makes a request of that.

    Args:
        protocol: ROUTE or NETFILTER.

    Source: netlink(7); linux/netlink.h.
    """

    def __init__(self, protocol: int = ROUTE) -> None:
        # Python's sockets are not inherited by programs (SOCK_CLOEXEC).
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self._sequence = 0
        with contextlib.suppress(OSError):  # Linux 4.3, 4.12 and 4.20; it does without
            for option in (_CAP_ACK, _EXT_ACK, _GET_STRICT_CHK):
                self._socket.setsockopt(_SOL_NETLINK, option, 1)

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

    def change(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Ask for a change, and wait until it is made.

        Args:
            kind: Of the message: RTM_NEWLINK, ...
            body: The message without its header.
            flags: CREATE, EXCLUSIVE.

        Raises:
            Refusal: Whatever the kernel says.
            OSError: ENOBUFS if it had no memory to say it: it may have done it, or not.
        """
        self._ask(kind, _ACKNOWLEDGE | flags, body)
        self._answer()

    def one(self, kind: int, body: bytes) -> bytes:
        """Return one object: the message that answers, without its header; raises as `change`."""
        self._ask(kind, 0, body)
        return self._answer()

    def all(self, kind: int, body: bytes) -> list[bytes]:
        """Return every object of a kind: the messages without their headers.

        When it changes while it is listed, some may be missing, and it is listed again; what never
        stands still is returned as it was seen last, as `ip` does.

        Raises:
            Refusal: EPERM; EOPNOTSUPP, EINVAL if the kernel does not know the kind.
            OSError: ENOBUFS if it had no memory for the next datagram; the list ends there.
        """
        for _ in range(_TRIES):
            self._ask(kind, _DUMP, body)
            found, interrupted = self._list()
            if not interrupted:
                break
        return found

    def _ask(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        length = _HEADER.size + len(body)
        head = _HEADER.pack(length, kind, _REQUEST | flags, self._sequence, 0)
        self._socket.send(head + body)

    def _answer(self) -> bytes:
        while True:
            for kind, flags, body in self._receive():
                if kind == _ERROR:
                    _check(kind, flags, body)
                return body

    def _list(self) -> tuple[list[bytes], bool]:
        """Return the objects of a list, and whether it changed meanwhile."""
        found: list[bytes] = []
        every_flag = 0
        while True:
            for kind, flags, body in self._receive():
                every_flag |= flags
                if kind in (_ERROR, _DONE):
                    _check(kind, flags, body)
                    return found, bool(every_flag & _INTERRUPTED)
                found.append(body)

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield type, flags and body of each message of the next datagram.

        What does not answer the last request is left out: it is late, or not from the kernel.
        """
        # A datagram that is longer than the buffer would lose its end: ask for its length first.
        size = self._socket.recv_into(bytearray(1), 0, socket.MSG_PEEK | socket.MSG_TRUNC)
        data, (sender, _) = self._socket.recvfrom(size)
        if sender != 0:
            return
        start = 0
        while start < size:
            length, kind, flags, sequence, _ = _HEADER.unpack_from(data, start)
            if sequence == self._sequence:
                yield kind, flags, data[start + 16 : start + length]
            start += _padded(length)


def _check(kind: int, flags: int, body: bytes) -> None:
    """Raise the error that a message of type NLMSG_ERROR or NLMSG_DONE carries, if it is one."""
    code = int.from_bytes(body[:4], sys.byteorder, signed=True)
    if code == 0:
        return
    refusal = Refusal(-code, os.strerror(-code))
    if flags & _HAS_ATTRIBUTES:
        echo = _HEADER.size if kind == _ERROR else 0  # that of the request
        refusal.words = text(attributes(body, 4 + echo).get(_WORDS))
    raise refusal


# --- attributes ---------------------------------------------------------------------------------


def _padded(length: int) -> int:
    return (length + 3) & ~3


def attribute(kind: int, value: bytes | str | int) -> bytes:
    """Return an attribute: a text ends with a zero, a number has 32 bits in the host's order."""
    if isinstance(value, str):
        value = os.fsencode(value) + b"\0"
    elif isinstance(value, int):
        value = struct.pack("=I", value)
    length = _ATTRIBUTE.size + len(value)
    return (_ATTRIBUTE.pack(length, kind) + value).ljust(_padded(length), b"\0")


def nested(kind: int, *inner: bytes) -> bytes:
    """Return an attribute that consists of others."""
    return attribute(kind | _NESTED, b"".join(inner))


def attributes(data: bytes, start: int = 0) -> dict[int, bytes]:
    """Return the attributes that a message has from `start` on, by their types."""
    found = {}
    end = len(data)
    while start + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < 4:
            break
        found[kind & _TYPE] = data[start + 4 : start + length]
        start += (length + 3) & ~3  # a list of links has thousands of them: no call here
    return found


def number(data: bytes | None) -> int:
    """Return an attribute that is a number in the host's byte order; 0 if it is missing."""
    return int.from_bytes(data or b"", sys.byteorder)


def text(data: bytes | None) -> str:
    """Return an attribute that is a text; empty if it is missing."""
    return (data or b"").rstrip(b"\0").decode(errors="replace")


# --- where a socket is opened -------------------------------------------------------------------


@contextlib.contextmanager
def inside(netns_fd: int, shell: str = "") -> Iterator[None]:
    """Be in another network namespace for a while. For a process with a single thread.

    Args:
        netns_fd: An open /proc/PID/ns/net, or a pidfd.
        shell: The equivalent command, if the caller knows whose namespace it is.

    Raises:
        KernelError: EPERM without CAP_SYS_ADMIN; ESRCH if the process behind a pidfd is gone.

    Source: setns(2); network_namespaces(7).
    """
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(netns_fd, k.CLONE_NEWNET, shell)
        try:
            yield
        finally:
            _return_to(home)
    finally:
        os.close(home)


def _return_to(home: int) -> None:
    try:
        setns(home, k.CLONE_NEWNET, "exit")
    except KernelError:
        # Whoever handles this error cleans up, and must not do it in the container's namespace.
        setns(home, k.CLONE_NEWNET, "exit")
        raise

"""Messages between two processes of kernelbox: JSON objects, and descriptors, on a Unix socket.

The socket is of type SEQPACKET: a message arrives whole or not at all, and end-of-file says that
the other side is gone, however it ended. Every message has a `kind`; the rest depends on it.
"""

from __future__ import annotations

import errno
import os
import sys

from kernelbox.plumbing import documents, sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LARGEST = 1 << 17
MOST_DESCRIPTORS = 8  # that go with one message


def enclose(document: Any, name: str) -> int:
    """Return a descriptor of a new file in memory that holds a document of any size.

    Args:
        document: What JSON can hold.
        name: What /proc/PID/fd calls the file.

    Source: memfd_create(2).
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(fd, documents.dumps(document, _path).encode())
    return fd


def disclose(fd: int) -> Any:
    """Return the document that `enclose` put behind this descriptor, and close it."""
    try:
        return documents.loads(os.pread(fd, os.fstat(fd).st_size, 0))
    finally:
        os.close(fd)


class Channel:
    """One end of a conversation."""

    def __init__(self, end: sockets.socket) -> None:
        self.socket = end

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Return the two ends of a new conversation."""
        left, right = sockets.pair()
        return cls(left), cls(right)

    @classmethod
    def at(cls, fd: int) -> Channel:
        """Return the end of a conversation that came as a descriptor; closed with the channel."""
        return cls(sockets.at(fd))

    def fileno(self) -> int:
        """Return the descriptor, so that the channel can be polled."""
        return self.socket.fileno()

    def send(self, kind: str, fds: list[int] | None = None, **fields: Any) -> bool:
        """Send one message; False if nobody listens any more.

        Raises:
            OSError: EMSGSIZE if the message is longer than 128 KiB.
            TypeError: There is something in it that JSON has no form for, and that is no path.
        """
        payload = documents.dumps({"kind": kind, **fields}, _path).encode()
        if len(payload) > _LARGEST:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        try:
            sockets.send(self.socket, payload, fds or [])
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self) -> dict[str, Any] | None:
        """Return the next message, or None when the other side is gone.

        Descriptors that came along are under `fds`, for the receiver to close.

        Raises:
            ValueError: It is no JSON object.
        """
        try:
            payload, fds = sockets.receive(self.socket, MOST_DESCRIPTORS)
        except ConnectionResetError:
            # It ended without reading all we said. That is told once, ahead of its own last words.
            return self.receive()
        if not payload:
            return None
        for fd in fds:
            os.set_inheritable(fd, False)
        try:
            message: dict[str, Any] = documents.loads(payload)
            message.pop("fds", None)  # a descriptor is passed by the kernel, never by its number
        except (AttributeError, RecursionError, TypeError, ValueError):
            for fd in fds:
                os.close(fd)
            raise ValueError("this is no JSON object") from None
        if fds:
            message["fds"] = fds
        return message

    def peer(self) -> int:
        """Return the pid, as we count, of whoever made the pair of sockets, or connected.

        0 stands for a process of another PID namespace.

        Source: unix(7), SO_PEERCRED.
        """
        return int.from_bytes(sockets.peer(self.socket)[:4], sys.byteorder)

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def _path(value: object) -> str:
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    raise TypeError(f"{value!r:.80} is no text, number, list or mapping of them")

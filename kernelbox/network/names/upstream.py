"""The host's own name servers, which are asked what no container is called.

The question goes out unchanged but for its number, each from a socket of its own, which the kernel
lets hear nobody but the server it is connected to: whoever forges an answer has to guess port and
number, and to speak with that server's address. An answer to another question is none.

Source: RFC 1035, section 7.3; RFC 5452.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RESOLV_CONF = "/etc/resolv.conf"
_MOST = 3  # servers: MAXNS of resolv.conf(5)
_PATIENCE = 3.0  # seconds that one may take
_HEADER = 12  # bytes


def servers(text: str) -> list[tuple[Any, ...]]:
    """Return the socket addresses of the name servers in a resolv.conf, three at most.

    This process is on the host's network: 127.0.0.53, ::1 and fe80::1%eth0 are in its reach, as
    they are in no container's.
    """
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                *_, where = socket.getaddrinfo(
                    words[1], 53, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
                )[0]
            except (OSError, UnicodeError):  # no address, or of a link that is gone
                continue
            found.append(where)
    return found[:_MOST]


class Upstream:
    """The servers that resolv.conf names at the moment.

    Args:
        path: Of that file.
    """

    def __init__(self, path: str = RESOLV_CONF) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._servers: list[tuple[Any, ...]] = []

    def servers(self) -> list[tuple[Any, ...]]:
        """Return them, read again when the file has changed."""
        try:
            found = os.stat(self._path)
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                with open(self._path, encoding="utf-8", errors="replace") as file:
                    self._servers, self._seen = servers(file.read()), seen
        except OSError:  # there is none now
            self._servers, self._seen = [], None
        return self._servers

    async def ask(self, question: bytes, own: list[str], *, stream: bool) -> bytes:
        """Return what the first server says that answers; empty if none does.

        Args:
            question: The packet as it came.
            own: The servers to ask; none for those of the file.
            stream: Whether to ask over TCP.
        """
        for where in [(one, 53) for one in own] or self.servers():
            number = os.urandom(2)
            ask = _over_tcp if stream else _over_udp
            try:
                async with asyncio.timeout(_PATIENCE):
                    answer = await ask(where, number + question[2:])
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                continue
            return question[:2] + answer[2:]
        return b""


def is_answer(answer: bytes, question: bytes) -> bool:
    """Whether a packet answers a question: same number, same words.

    A server may leave the words out when it has no answer at all.
    """
    if len(answer) < _HEADER or answer[:2] != question[:2] or not answer[2] & 0x80:
        return False
    asked, repeated = (struct.unpack_from("!H", packet, 4)[0] for packet in (question, answer))
    if repeated == 0:
        return bool(answer[3] & 0x0F)
    end = _end_of_question(question)
    same = answer[_HEADER:end].lower() == question[_HEADER:end].lower()
    return bool(asked == repeated and same)


def _end_of_question(packet: bytes) -> int:
    """Return where the first question of a packet ends: name, and two bytes each of type, class."""
    at = _HEADER
    while at < len(packet) and packet[at]:
        at += packet[at] + 1
    return at + 5


async def _over_udp(where: tuple[Any, ...], question: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(_family(where), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as asking:
        asking.connect(where)
        asking.send(question)
        while not is_answer(answer := await loop.sock_recv(asking, 65535), question):
            pass
        return answer


async def _over_tcp(where: tuple[Any, ...], question: bytes) -> bytes:
    asking = socket.socket(_family(where), socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(asking, where)
        reader, writer = await asyncio.open_connection(sock=asking)
    except BaseException:
        asking.close()
        raise
    try:
        writer.write(struct.pack("!H", len(question)) + question)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        answer = await reader.readexactly(length)
    finally:
        writer.close()
    if not is_answer(answer, question):
        raise OSError("this answers another question")
    return answer


def _family(where: tuple[Any, ...]) -> int:
    return socket.AF_INET6 if len(where) == 4 else socket.AF_INET

"""The process of a network's name server: one thread, two sockets, no privilege.

It is started with its sockets bound already, so a question that comes before it is ready waits in
them. It ends when it is told to, or when its network is gone.

    python -m kernelbox.network.names.server NETWORK UDP TCP LOCK DIRECTORY internal|open
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import struct
import sys
from contextlib import suppress

import dns.rcode

from kernelbox.kernel import flags as k
from kernelbox.kernel import process, syscalls
from kernelbox.network.names import answers
from kernelbox.network.names.book import Book
from kernelbox.network.names.upstream import Upstream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.network.names.book import Known

_NOBODY = 65534
_MOST_QUESTIONS = 1024  # that wait for the host's servers at a time
_MOST_CONNECTIONS = 64
_MOST_WORDS = 1 << 20  # bytes of complaints in its log
_IDLE = 10.0  # seconds that a connection may stay without a question
_LOOK = 5.0  # seconds between two looks whether the network is still there


class Server:
    """A network's name server.

    Args:
        book: Who is called what.
        upstream: Who is asked the rest.
        internal: Whether the host's servers are not to be asked.
    """

    def __init__(self, book: Book, upstream: Upstream, *, internal: bool) -> None:
        self._book = book
        self._upstream = upstream
        self._internal = internal
        self._waiting: set[asyncio.Task[None]] = set()
        self._connections = 0

    async def serve(self, udp: socket.socket, tcp: socket.socket) -> None:
        """Answer until the network is gone."""
        loop = asyncio.get_running_loop()
        udp.setblocking(False)
        loop.add_reader(udp, self._read, udp)
        listening = await asyncio.start_server(self._converse, sock=tcp)
        async with listening:
            while self._book.exists():
                await asyncio.sleep(_LOOK)

    def _read(self, udp: socket.socket) -> None:
        """Answer what has come; pass on what is not ours to answer."""
        with suppress(BlockingIOError, ConnectionError):
            for _ in range(64):  # then others have a turn
                packet, who = udp.recvfrom(65535)
                known = self._book.known_to(who[0])
                reply = answers.answer(packet, known)
                if reply is not None:
                    _send(udp, reply, who)
                elif self._is_kept_in(known):
                    _send(udp, answers.failure(packet, dns.rcode.NXDOMAIN), who)
                elif len(self._waiting) >= _MOST_QUESTIONS:
                    _send(udp, answers.failure(packet, dns.rcode.SERVFAIL), who)
                else:
                    task = asyncio.ensure_future(self._forward(udp, packet, known, who))
                    self._waiting.add(task)
                    task.add_done_callback(self._waiting.discard)

    def _is_kept_in(self, known: Known) -> bool:
        """Whether nobody may be asked: then there is no other name than those of containers.

        A container on an internal network may have a name server of its own there.
        """
        return self._internal and not known.servers

    async def _forward(self, udp: socket.socket, packet: bytes, known: Known, who: Any) -> None:
        _send(udp, await self._passed_on(packet, known, stream=False), who)

    async def _passed_on(self, packet: bytes, known: Known, *, stream: bool) -> bytes:
        reply = await self._upstream.ask(packet, known.servers, stream=stream)
        return reply or answers.failure(packet, dns.rcode.SERVFAIL)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer questions over TCP, one after the other: each behind its length in two bytes."""
        self._connections += 1
        try:
            while self._connections <= _MOST_CONNECTIONS:
                async with asyncio.timeout(_IDLE):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    packet = await reader.readexactly(length)
                known = self._book.known_to(writer.get_extra_info("peername")[0])
                reply = answers.answer(packet, known, stream=True)
                if reply is None and self._is_kept_in(known):
                    reply = answers.failure(packet, dns.rcode.NXDOMAIN)
                elif reply is None:
                    reply = await self._passed_on(packet, known, stream=True)
                if not reply:
                    break
                writer.write(struct.pack("!H", len(reply)) + reply)
                async with asyncio.timeout(_IDLE):
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone, or says nothing
        finally:
            self._connections -= 1
            writer.close()


def _send(udp: socket.socket, reply: bytes, who: Any) -> None:
    if reply:
        with suppress(OSError):  # whoever asked is gone, or hears nothing now: it will ask again
            udp.sendto(reply, who)


def drop_privilege() -> None:
    """Become nobody, with nothing to regain it by. Source: credentials(7); capabilities(7)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_WORDS, _MOST_WORDS))
    syscalls.setgroups(())
    syscalls.setresgid(_NOBODY)
    syscalls.setresuid(_NOBODY)
    syscalls.prctl(k.PR_SET_NO_NEW_PRIVS, 1)
    os.chdir("/")
    # dnspython would import a module per record type; from here on there is none to be found.
    sys.path.clear()
    sys.meta_path.clear()


def main(words: list[str]) -> None:
    """Be the name server that the words of the command line ask for."""
    network, udp, tcp, lock, directory, kind = words
    pid = os.getpid()
    os.pwrite(int(lock), f"{pid} {process.start_time(pid)}\n".encode(), 0)
    book = Book(int(directory), network)
    upstream = Upstream()
    upstream.servers()  # loads what reading it needs: it would not be found later
    sockets = [socket.socket(fileno=int(fd)) for fd in (udp, tcp)]
    drop_privilege()
    asyncio.run(Server(book, upstream, internal=kind == "internal").serve(*sockets))


if __name__ == "__main__":
    main(sys.argv[1:])

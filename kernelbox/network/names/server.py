"""The process of a network's name server: one thread, two sockets, no privilege.

It is started with its sockets bound already, so a question that comes before it is ready waits in
them. It ends when it is told to, or when its network is gone.

    python -m kernelbox.network.names.server NETWORK internal|open LOCK DIRECTORY UDP TCP
    python -m kernelbox.network.names.server NETWORK internal|open LOCK DIRECTORY DOOR

Where its network has no bridge, it gets sockets through the door instead: see `inside`.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import struct
import sys
from contextlib import closing, suppress
from functools import partial

import dns.rcode

from kernelbox.kernel import flags as k
from kernelbox.kernel import process, syscalls
from kernelbox.network.names import answers
from kernelbox.network.names.book import Book
from kernelbox.network.names.upstream import Upstream
from kernelbox.plumbing.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kernelbox.network.names.book import Known

_NOBODY = 65534
_MOST_QUESTIONS = 1024  # that wait for the host's servers at a time
_MOST_CONNECTIONS = 64
_MOST_WORDS = 1 << 20  # bytes of complaints in its log
_IDLE = 10.0  # seconds that a connection may stay without a question
_LOOK = 5.0  # seconds between two looks whether the network is still there
_COURTESY = 1.0  # seconds that whoever knocks may take to say why


class Post:
    """Two sockets, of UDP and of TCP, where it listens.

    Args:
        udp: Bound.
        tcp: Bound, and listening.
        container: The container that they are in; empty where everybody reaches them.
    """

    def __init__(self, udp: socket.socket, tcp: socket.socket, container: str = "") -> None:
        self.udp = udp
        self.tcp = tcp
        self.container = container
        self.talks: set[asyncio.Task[None]] = set()


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
        self._inside: dict[str, Post] = {}

    async def serve(self, sockets: list[socket.socket]) -> None:
        """Answer until the network is gone."""
        if len(sockets) == 1:
            asyncio.get_running_loop().add_reader(sockets[0], self._open_door, sockets[0])
        else:
            self._listen(Post(sockets[0], sockets[1]))
        while self._book.exists():
            await asyncio.sleep(_LOOK)

    def _listen(self, post: Post) -> None:
        loop = asyncio.get_running_loop()
        for sock, act in ((post.udp, self._read), (post.tcp, self._accept)):
            sock.setblocking(False)
            loop.add_reader(sock, act, post)

    def _open_door(self, door: socket.socket) -> None:
        """Take the sockets of a container that comes, or give back those of one that leaves."""
        with suppress(OSError, ValueError):  # whoever knocked was killed
            channel = Channel(door.accept()[0])
            with closing(channel.socket) as visitor:
                visitor.settimeout(_COURTESY)
                message = channel.receive() or {}
                container = str(message.get("container"))
                given = [socket.socket(fileno=fd) for fd in message.get("fds", [])]
                if len(given) == 2:
                    self._retire(container)
                    post = Post(given[0], given[1], container)
                    self._inside[container] = post
                    self._listen(post)
                    return
                udp = self._retire(container)
                channel.send("returned", [udp.fileno()] if udp else None)
                if udp:
                    udp.close()

    def _retire(self, container: str) -> socket.socket | None:
        """Listen no more inside a container; let nothing stay open there but what is returned."""
        post = self._inside.pop(container, None)
        if post is None:
            return None
        loop = asyncio.get_running_loop()
        for sock in (post.udp, post.tcp):
            loop.remove_reader(sock)
        for talk in post.talks:
            talk.cancel()
        post.tcp.close()
        return post.udp

    def _read(self, post: Post) -> None:
        """Answer what has come; pass on what is not ours to answer."""
        udp = post.udp
        with suppress(BlockingIOError, ConnectionError):
            for _ in range(64):  # then others have a turn
                packet, who = udp.recvfrom(65535)
                known = self._book.known_to(who[0], post.container)
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

    def _accept(self, post: Post) -> None:
        with suppress(OSError):  # whoever came has gone again
            connection, who = post.tcp.accept()
            known_to = partial(self._book.known_to, who[0], post.container)
            talk = asyncio.ensure_future(self._converse(connection, known_to))
            post.talks.add(talk)
            talk.add_done_callback(post.talks.discard)

    async def _converse(self, connection: socket.socket, known_to: Callable[[], Known]) -> None:
        """Answer questions over TCP, one after the other: each behind its length in two bytes."""
        connection.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=connection)
        self._connections += 1
        try:
            while self._connections <= _MOST_CONNECTIONS:
                async with asyncio.timeout(_IDLE):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    packet = await reader.readexactly(length)
                known = known_to()
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
    network, kind, lock, directory, *listening = words
    pid = os.getpid()
    os.pwrite(int(lock), f"{pid} {process.start_time(pid)}\n".encode(), 0)
    book = Book(int(directory), network)
    upstream = Upstream()
    upstream.servers()  # loads what reading it needs: it would not be found later
    sockets = [socket.socket(fileno=int(fd)) for fd in listening]
    drop_privilege()
    asyncio.run(Server(book, upstream, internal=kind == "internal").serve(sockets))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Traffic by hand: a ping, and what is heard of it on a link.

Both are sockets that a held process has opened in its network namespace, and handed over.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import select
import socket
import struct
import time
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.observe import headers
from kernelbox.observe.headers import ECHO_REPLY, ECHO_REQUEST, Icmp

if TYPE_CHECKING:
    from kernelbox.observe.headers import Headers, Ipv4

_AGAIN = 0.1  # seconds after which a ping is repeated: the first may have met a link half up
_LONGEST = 65535  # bytes of a packet
_TIMESTAMP = 35  # asm-generic/socket.h, SO_TIMESTAMPNS
_INDEX_OF = 0x8933  # SIOCGIFINDEX
_numbers = itertools.count(1)


class Echo(NamedTuple):
    """What became of a ping.

    Attributes:
        source: Address of who has answered; empty if nobody has.
        ttl: That the answer had left.
        complaint: Why it could not even be sent, or who says that it cannot arrive.
    """

    source: str = ""
    ttl: int = 0
    complaint: str = ""

    def __bool__(self) -> bool:
        return bool(self.source)

    def __repr__(self) -> str:
        if self.source:
            return f"{self.source} answers, ttl {self.ttl}"
        return self.complaint or "no answer"


def ping(raw: socket.socket, address: str, seconds: float) -> Echo:
    """Send pings until one is answered, for so long at most.

    Args:
        raw: A raw socket for ICMP: it is closed.
        address: IPv4, to whom.
        seconds: How long to wait for an answer.

    Source: RFC 792, "Echo or Echo Reply Message"; raw(7).
    """
    mark = os.getpid() & 0xFFFF, next(_numbers) & 0xFFFF
    deadline, complaint = time.monotonic() + seconds, ""
    with raw:
        while (left := deadline - time.monotonic()) > 0:
            try:
                raw.sendto(_echo_request(*mark), (address, 0))
            except OSError as error:  # ENETUNREACH, EHOSTUNREACH, EPERM: a rule
                complaint = f"cannot be sent: {error.strerror}"
                if error.errno == errno.ENETUNREACH:  # no route: nobody lays one meanwhile
                    break
                time.sleep(min(_AGAIN, left))
                continue
            answer, heard = _answer(raw, mark, min(_AGAIN, left))
            if answer:
                return answer
            complaint = heard or complaint  # routers do not complain of every packet
    return Echo(complaint=complaint)


def _echo_request(identifier: int, sequence: int) -> bytes:
    header = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identifier, sequence)
    total = sum(struct.unpack("!4H", header))
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, ~(total % 0xFFFF) & 0xFFFF, identifier, sequence)


def _answer(raw: socket.socket, mark: tuple[int, int], seconds: float) -> tuple[Echo, str]:
    """Return the answer to a ping, or the complaint that a router has sent instead."""
    deadline, complaint = time.monotonic() + seconds, ""
    poller = select.poll()
    poller.register(raw, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0 and poller.poll(left * 1000):
        ip, icmp = headers.packet(_received(raw))
        if ip is None or not isinstance(icmp, Icmp):
            continue
        if icmp.kind == ECHO_REPLY and (icmp.identifier, icmp.sequence) == mark:
            return Echo(ip.source, ip.ttl), ""
        if icmp.kind in (headers.UNREACHABLE, headers.TIME_EXCEEDED):
            complaint = f"{ip.source} says: {str(icmp).removeprefix('ICMP ')}"
    return Echo(), complaint


def _received(raw: socket.socket) -> bytes:
    try:
        return raw.recv(_LONGEST)
    except OSError:  # an error that a router has reported
        return b""


class Frame(NamedTuple):
    """A frame as it passed a link.

    Attributes:
        time: When, in nanoseconds of the clock on the wall.
        outgoing: Whether the link has sent it; else it has received it.
        headers: Of what it says.
    """

    time: int
    outgoing: bool
    headers: Headers

    @property
    def ip(self) -> Ipv4:
        """Its IPv4 header.

        Raises:
            ValueError: It has none.
        """
        if self.headers.ip is None:
            raise ValueError(f"{self.headers} has no IPv4 header")
        return self.headers.ip

    def __repr__(self) -> str:
        return f"{'sends' if self.outgoing else 'receives'}  {self.headers}"


class Capture:
    """An ear at a link: it hears each frame that the link sends or receives, until `close()`.

    Attributes:
        link: Name of the link.
        index: Its number in its namespace.
        namespace: The inode that identifies this network namespace.
    """

    def __init__(self, ear: socket.socket, link: str, namespace: int) -> None:
        self.link = link
        self.namespace = namespace
        answer = fcntl.ioctl(ear, _INDEX_OF, struct.pack("16sI20x", link.encode(), 0))
        self.index = int(struct.unpack_from("16sI", answer)[1])
        self._ear = ear

    def frames(self) -> list[Frame]:
        """Return what it has heard since it was asked last: ARP and IPv4, and nothing else."""
        found = []
        while select.select([self._ear], [], [], 0)[0]:
            data, ancillary, _, address = self._ear.recvmsg(_LONGEST, 128)
            decoded = headers.decode(data)
            if decoded is not None and (decoded.arp or decoded.ip):
                is_outgoing = address[2] == socket.PACKET_OUTGOING
                found.append(Frame(_time_of(ancillary), is_outgoing, decoded))
        return found

    def pings(self) -> list[Frame]:
        """Return those of `frames` that are pings or answers to one."""
        kinds = (ECHO_REQUEST, ECHO_REPLY)
        return [
            one
            for one in self.frames()
            if isinstance(one.headers.transport, Icmp) and one.headers.transport.kind in kinds
        ]

    def close(self) -> None:
        """Hear no more. Twice is fine."""
        self._ear.close()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<an ear at {self.link}>"


class Hop(NamedTuple):
    """One place that a ping has passed, on its way there or back.

    Attributes:
        namespace: The inode that identifies the network namespace.
        link: The link's number in there.
        text: What was heard there.
    """

    namespace: int
    link: int
    text: str


def journey(*ears: Capture) -> list[Hop]:
    """Return where the first ping that these ears have heard has passed, and its answer, in order.

    One that was repeated passes each place once.
    """
    heard = [(one.time, ear, one) for ear in ears for one in ear.pings()]
    heard.sort(key=lambda found: found[0])
    hops: dict[tuple[int, int, bool, int], Hop] = {}
    for _, ear, frame in heard:
        icmp = frame.headers.transport
        assert isinstance(icmp, Icmp)
        if icmp.sequence != _sequence(heard[0][2]):
            continue
        place = ear.namespace, ear.index, frame.outgoing, icmp.kind
        hops.setdefault(place, Hop(ear.namespace, ear.index, f"{ear.link} {frame!r}"))
    return list(hops.values())


def _sequence(frame: Frame) -> int:
    icmp = frame.headers.transport
    assert isinstance(icmp, Icmp)
    return icmp.sequence


def _time_of(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return when the kernel saw a frame. Source: socket(7), SO_TIMESTAMPNS."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _TIMESTAMP):
            seconds, nanoseconds = struct.unpack("@ll", data[:16])
            return int(seconds * 1_000_000_000 + nanoseconds)
    return time.time_ns()

"""The headers of a frame: Ethernet, then ARP, or IPv4 with ICMP, UDP or TCP in it.

    | Ethernet: to whom, from whom (MAC), what is in it | IPv4: from, to (address), TTL | UDP | ...

A cable only looks at the first, a router at the second, and programs have the rest. Frames come
from strangers: of one that is cut short or makes no sense as much is told as is whole.

Source: IEEE 802.3; RFC 826 (ARP), 791 (IPv4), 792 (ICMP), 768 (UDP), 9293 (TCP).
"""

from __future__ import annotations

import socket
import struct

from kernelbox.plumbing.records import NamedTuple

IPV4, ARP = 0x0800, 0x0806  # linux/if_ether.h
ECHO_REPLY, UNREACHABLE, ECHO_REQUEST, TIME_EXCEEDED = 0, 3, 8, 11  # RFC 792

_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_ICMP = struct.Struct("!BBHHH")
_UDP = struct.Struct("!HHHH")
_TCP = struct.Struct("!HHIIBBHHH")

_REQUEST, _REPLY = 1, 2
_OFFSET = 0x1FFF  # of a fragment, among the flags
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
_ICMP_WORDS = {
    ECHO_REPLY: "echo reply",
    UNREACHABLE: "unreachable",
    ECHO_REQUEST: "echo request",
    TIME_EXCEEDED: "time exceeded",
}


class Arp(NamedTuple):
    """Who has this address? And the answer."""

    operation: int
    sender_mac: str
    sender: str
    target: str

    def __str__(self) -> str:
        if self.operation == _REQUEST:
            return f"ARP: who has {self.target}? tell {self.sender}"
        if self.operation == _REPLY:
            return f"ARP: {self.sender} is at {self.sender_mac}"
        return f"ARP: operation {self.operation}"


class Ipv4(NamedTuple):
    """From where to where, through how many routers at most (`ttl`), and what is in it.

    Attributes:
        source: Address of who sent it, or of who says so.
        destination: Whose it is to become.
        ttl: Each router takes one off.
        protocol: 1 is ICMP, 6 TCP, 17 UDP.
        identification: Which packet of its sender's this is.
        fragment: Where in that packet this piece begins, in units of 8 bytes.
    """

    source: str
    destination: str
    ttl: int
    protocol: int
    identification: int
    fragment: int


class Icmp(NamedTuple):
    """A ping, its answer, or a complaint."""

    kind: int
    code: int
    identifier: int
    sequence: int

    def __str__(self) -> str:
        return f"ICMP {_ICMP_WORDS.get(self.kind, f'type {self.kind}')}"


class Udp(NamedTuple):
    """From port to port."""

    source_port: int
    destination_port: int

    def __str__(self) -> str:
        return f"UDP {self.source_port} > {self.destination_port}"


class Tcp(NamedTuple):
    """From port to port, with flags by name: SYN begins a connection, FIN and RST end one."""

    source_port: int
    destination_port: int
    flags: tuple[str, ...]

    def __str__(self) -> str:
        return f"TCP {self.source_port} > {self.destination_port} {'+'.join(self.flags)}".rstrip()


class Headers(NamedTuple):
    """What a frame says before its content begins; None for what is not there, or not whole."""

    source_mac: str
    destination_mac: str
    ethertype: int
    arp: Arp | None = None
    ip: Ipv4 | None = None
    transport: Icmp | Udp | Tcp | None = None

    def __str__(self) -> str:
        if self.arp:
            return str(self.arp)
        if self.ip is None:
            return f"type {self.ethertype:#06x}"
        inside = self.transport or f"protocol {self.ip.protocol}"
        return f"{self.ip.source} > {self.ip.destination}  {inside}, ttl {self.ip.ttl}"


def decode(frame: bytes) -> Headers | None:
    """Return the headers of a frame, as far as they are whole; None without an Ethernet header."""
    if len(frame) < _ETHERNET.size:
        return None
    to, source, kind = _ETHERNET.unpack_from(frame)
    inside = frame[_ETHERNET.size :]
    found = Headers(source.hex(":"), to.hex(":"), kind)
    if kind == ARP:
        return found._replace(arp=_arp(inside))
    if kind == IPV4:
        ip, transport = packet(inside)
        return found._replace(ip=ip, transport=transport)
    return found


def _arp(data: bytes) -> Arp | None:
    if len(data) < _ARP.size:
        return None
    hardware, protocol, *sizes, operation, mac, sender, _, target = _ARP.unpack_from(data)
    if (hardware, protocol, sizes) != (1, IPV4, [6, 4]):  # of other networks than these two
        return None
    return Arp(operation, mac.hex(":"), socket.inet_ntoa(sender), socket.inet_ntoa(target))


def packet(data: bytes) -> tuple[Ipv4 | None, Icmp | Udp | Tcp | None]:
    """Return the headers of an IPv4 packet and of what is in it, as far as they are whole."""
    if len(data) < _IPV4.size:
        return None, None
    first, _, total, number, fragment, ttl, protocol, _, source, to = _IPV4.unpack_from(data)
    size = (first & 0xF) * 4
    if first >> 4 != 4 or not _IPV4.size <= size <= total:
        return None, None
    offset = fragment & _OFFSET
    ends = socket.inet_ntoa(source), socket.inet_ntoa(to)
    ip = Ipv4(*ends, ttl, protocol, number, offset)
    # Ethernet fills up short frames; and only the first fragment has the next header.
    return ip, None if offset else _transport(protocol, data[size:total])


def _transport(protocol: int, data: bytes) -> Icmp | Udp | Tcp | None:
    if protocol == socket.IPPROTO_ICMP and len(data) >= _ICMP.size:
        kind, code, _, identifier, sequence = _ICMP.unpack_from(data)
        return Icmp(kind, code, identifier, sequence)
    if protocol == socket.IPPROTO_UDP and len(data) >= _UDP.size:
        return Udp(*_UDP.unpack_from(data)[:2])
    if protocol == socket.IPPROTO_TCP and len(data) >= _TCP.size:
        source, to, *_, bits, _, _, _ = _TCP.unpack_from(data)
        return Tcp(source, to, tuple(name for bit, name in enumerate(_FLAGS) if bits >> bit & 1))
    return None

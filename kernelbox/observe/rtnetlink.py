"""Links, addresses and routes of one network namespace, as rtnetlink tells them.

Source: rtnetlink(7); linux/if_link.h, if_addr.h, rtnetlink.h, net_namespace.h.
"""

from __future__ import annotations

import errno
import functools
import socket
import struct
import sys
from typing import NamedTuple

from kernelbox.observe.wire import Questions, attributes, number

_GETLINK, _GETADDR, _GETROUTE, _GETNSID = 18, 22, 26, 90
_SKIP_STATISTICS = struct.pack("=HHI", 8, 29, 1 << 3)  # IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS

_UP, _RUNNING, _LOOPBACK = 0x1, 0x10000, 0x8
_ETHERNET = 1
_MAIN = 254
_MULTIPATH = 9
_NETNSA_PID, _NETNSA_FD = 2, 3
_KINDS_OF_ROUTE = {2: "local", 3: "broadcast", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
_PROTOCOLS = {1: "redirect", 2: "kernel", 4: "static", 9: "ra", 16: "dhcp", 12: "bird", 11: "zebra"}
_SCOPES = {200: "site", 253: "link", 254: "host", 255: "nowhere"}
_FLAGS = {1: "dead", 4: "onlink", 16: "linkdown"}


class RawLink(NamedTuple):
    """A link as its namespace knows it.

    Attributes:
        peer: Index of a veth's other end; 0 for other kinds.
        peer_nsid: How this namespace calls the one where that end is; -1 means here.
        master: Index of its bridge; 0 without one.
    """

    ifindex: int
    name: str
    kind: str
    mac: str
    state: str
    mtu: int
    peer: int
    peer_nsid: int
    master: int


class RawAddress(NamedTuple):
    """An address, with the index of its link."""

    ifindex: int
    family: int
    address: str
    prefix: int


class RawRoute(NamedTuple):
    """An IPv4 route of the main table.

    Attributes:
        kind: Empty for an ordinary one; `blackhole`, `unreachable`, `prohibit`, ...
        destination: Such as `0.0.0.0` and a prefix length of 0.
        gateway: Empty if the destination is on the link.
        link: Index of the link; 0 for none.
        metric: The lower wins.
        source: The address to use; empty to leave it open.
        details: What else `ip route` says of it: protocol and scope.
        flags: Likewise: `linkdown`, `dead`, `onlink`.
    """

    kind: str
    destination: str
    prefix: int
    gateway: str
    link: int
    metric: int
    source: str
    details: str
    flags: str


def links(questions: Questions) -> list[RawLink]:
    """Return all links, in the order of their indexes. Source: rtnetlink(7), RTM_GETLINK."""
    messages = questions.all(_GETLINK, bytes(16) + _SKIP_STATISTICS)
    return sorted(_link(message) for message in messages)


# Most messages are the same as last time, and those of all loopback links the same as each other.
@functools.lru_cache(4096)
def _link(message: bytes) -> RawLink:
    _, hardware, index, flags = struct.unpack_from("=BxHiI", message)
    found = attributes(message, 16)
    info = attributes(found.get(18, b""))  # IFLA_LINKINFO
    kind = info.get(1, b"").rstrip(b"\0").decode()
    if not kind:
        kind = "loopback" if flags & _LOOPBACK else "ether" if hardware == _ETHERNET else ""
    state = "down"
    if flags & _UP:
        state = "up" if flags & _RUNNING else "no-carrier"
    is_veth = kind == "veth"
    return RawLink(
        ifindex=index,
        name=found[3].rstrip(b"\0").decode(errors="replace"),
        kind=kind,
        mac=found.get(1, b"").hex(":"),
        state=state,
        mtu=number(found.get(4)),
        peer=number(found.get(5)) if is_veth else 0,
        peer_nsid=number(found[37]) if is_veth and 37 in found else -1,
        master=number(found.get(10)),
    )


def addresses(questions: Questions) -> list[RawAddress]:
    """Return all IPv4 and IPv6 addresses, in the kernel's order. Source: RTM_GETADDR."""
    found = (_address(message) for message in questions.all(_GETADDR, bytes(8)))
    return [one for one in found if one is not None]


@functools.lru_cache(4096)
def _address(message: bytes) -> RawAddress | None:
    family, prefix, ifindex = struct.unpack_from("=BBxxI", message)
    fields = attributes(message, 8)
    address = fields.get(2) or fields.get(1)  # IFA_LOCAL, which only IPv6 may lack
    if not address or family not in (socket.AF_INET, socket.AF_INET6):
        return None
    return RawAddress(ifindex, family, socket.inet_ntop(family, address), prefix)


def routes(questions: Questions) -> list[RawRoute]:
    """Return the IPv4 routes of the main table, in the kernel's order. Source: RTM_GETROUTE."""
    try:
        messages = questions.all(_GETROUTE, struct.pack("=BxxxB7x", socket.AF_INET, _MAIN))
    except OSError as refusal:
        if refusal.errno != errno.ENOENT:  # there has never been a route in this table
            raise
        return []
    return [route for message in messages for route in _routes(message)]


@functools.lru_cache(4096)
def _routes(message: bytes) -> tuple[RawRoute, ...]:
    """Return a route, as several if it has several next hops; nothing if it is of another table."""
    prefix, table, protocol, scope, kind, flags = struct.unpack_from("=xBxxBBBBI", message)
    if table != _MAIN:
        return ()
    fields = attributes(message, 12)
    details = [f"proto {_PROTOCOLS[protocol]}" if protocol in _PROTOCOLS else ""]
    details += [f"scope {_SCOPES[scope]}" if scope in _SCOPES else ""]
    return tuple(
        RawRoute(
            kind=_KINDS_OF_ROUTE.get(kind, ""),
            destination=socket.inet_ntoa(fields.get(1, bytes(4))),
            prefix=prefix,
            gateway=socket.inet_ntoa(hop[5]) if 5 in hop else "",
            link=link,
            metric=number(fields.get(6)),
            source=socket.inet_ntoa(fields[7]) if 7 in fields else "",
            details=" ".join(filter(None, details)),
            flags=" ".join(name for bit, name in _FLAGS.items() if hop_flags & bit),
        )
        for hop, link, hop_flags in _hops(fields, flags)
    )


def _hops(fields: dict[int, bytes], flags: int) -> list[tuple[dict[int, bytes], int, int]]:
    """Return attributes, link and flags of a route, or of each next hop if it has several."""
    if _MULTIPATH not in fields:
        return [(fields, number(fields.get(4)), flags)]
    hops = []
    data = fields[_MULTIPATH]
    while len(data) >= 8:
        length, hop_flags, link = struct.unpack_from("=HBxi", data)
        hops.append((attributes(data[8:length]), link, hop_flags))
        data = data[max(length, 8) :]
    return hops


def spell(route: RawRoute, names: dict[int, str]) -> str:
    """Write a route as `ip route` does; `names` are those of the links by index.

    Source: ip-route(8).
    """
    to = route.destination if route.prefix else "default"
    words = (
        route.kind,
        f"{to}/{route.prefix}" if 0 < route.prefix < 32 else to,
        f"via {route.gateway}" if route.gateway else "",
        f"dev {names.get(route.link, route.link)}" if route.link else "",
        route.details,
        f"src {route.source}" if route.source else "",
        f"metric {route.metric}" if route.metric else "",
        route.flags,
    )
    return " ".join(filter(None, words))


def nsid(questions: Questions, *, pid: int = 0, netns_fd: int = -1) -> int:
    """Return how this namespace calls another one; -1 if it has no number for it.

    Args:
        questions: A socket of this namespace.
        pid: A process in the other one.
        netns_fd: Or, an open /proc/PID/ns/net.

    Source: linux/net_namespace.h, RTM_GETNSID; ip-netns(8), "ip netns set".
    """
    kind, value = (_NETNSA_PID, pid) if pid else (_NETNSA_FD, netns_fd)
    try:
        answer = questions.one(_GETNSID, bytes(4) + struct.pack("=HHI", 8, kind, value))
    except OSError:  # ESRCH
        return -1
    found = attributes(answer, 4)
    return int.from_bytes(found[1], sys.byteorder, signed=True) if 1 in found else -1

"""Links, addresses and routes, as rtnetlink describes them: its messages, and what they say.

Each begins with a fixed part (`LINK`, `ADDRESS`, `ROUTE`), in a request as well as in an answer,
and goes on with attributes. Names are the kernel's.

Source: rtnetlink(7); linux/if_link.h, if_addr.h, rtnetlink.h.
"""

from __future__ import annotations

import functools
import socket
import struct

from kernelbox.kernel import flags as k
from kernelbox.kernel.netlink import attributes, number, text
from kernelbox.plumbing.records import NamedTuple

LINK = struct.Struct("=BxHiII")  # family, hardware, index, flags, which flags to change
ADDRESS = struct.Struct("=BBBBi")  # family, prefix, flags, scope, index
ROUTE = struct.Struct("=BBBBBBBBI")  # family, prefixes, tos, table, protocol, scope, kind, flags


class Link(NamedTuple):
    """A network interface, as its namespace knows it.

    Attributes:
        ifindex: Its number in the namespace.
        name: Its name there.
        kind: `bridge`, `veth`, ...; `loopback` and `ether` for what no software made.
        mac: Its MAC address; empty without one.
        state: `up`, `down`, or `no-carrier` for one that is up and has nobody at its other end.
        mtu: In bytes.
        peer: Index of a veth's other end, or of the link that a macvlan stands on; 0 for other
            kinds.
        peer_nsid: How this namespace calls the one where that is; -1 means here.
        master: Index of its bridge; 0 without one.
        mode: Of a macvlan, as `stacking.MODES` has them; 0 for other kinds.
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
    mode: int

    @property
    def up(self) -> bool:
        """Whether somebody has set it up."""
        return self.state != "down"


class Address(NamedTuple):
    """An address with its prefix length, on the link with this `ifindex`."""

    ifindex: int
    address: str
    prefix: int

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET


class Route(NamedTuple):
    """An IPv4 route; of one with several next hops, one of them.

    Attributes:
        destination: `0.0.0.0` with a prefix length of 0 for the default route.
        prefix: Length in bits.
        gateway: Empty if the destination is on the link.
        ifindex: Of the link; 0 for none.
        metric: The lower wins.
        source: The address to use; empty to leave it open.
        kind: k.RTN_UNICAST (1), RTN_BLACKHOLE, ...: as a number, like the next three.
        protocol: Who made it: RTPROT_KERNEL, k.RTPROT_STATIC, ...
        scope: How far the destination is: RT_SCOPE_UNIVERSE (0), RT_SCOPE_LINK, ...
        flags: RTNH_F_DEAD, RTNH_F_LINKDOWN, ...
    """

    destination: str
    prefix: int
    gateway: str
    ifindex: int
    metric: int
    source: str
    kind: int
    protocol: int
    scope: int
    flags: int


# Who looks again and again finds most messages the same as last time, and those of all loopback
# links the same as each other.


@functools.lru_cache(4096)
def link(message: bytes) -> Link:
    """Return the link of a message."""
    _, hardware, index, flags, _ = LINK.unpack_from(message)
    found = attributes(message, LINK.size)
    info = attributes(found.get(k.IFLA_LINKINFO, b""))
    kind = text(info.get(k.IFLA_INFO_KIND))
    if not kind and flags & k.IFF_LOOPBACK:
        kind = "loopback"
    elif not kind and hardware == k.ARPHRD_ETHER:
        kind = "ether"
    state = "down"
    if flags & k.IFF_UP:
        state = "up" if flags & k.IFF_LOWER_UP else "no-carrier"
    is_macvlan = kind == "macvlan"
    leads = is_macvlan or kind == "veth"
    data = attributes(info.get(k.IFLA_INFO_DATA, b"")) if is_macvlan else {}
    return Link(
        index,
        text(found.get(k.IFLA_IFNAME)),
        kind,
        found.get(k.IFLA_ADDRESS, b"").hex(":"),
        state,
        number(found.get(k.IFLA_MTU)),
        number(found.get(k.IFLA_LINK)) if leads else 0,
        number(found[k.IFLA_LINK_NETNSID]) if leads and k.IFLA_LINK_NETNSID in found else -1,
        number(found.get(k.IFLA_MASTER)),
        number(data.get(k.IFLA_MACVLAN_MODE)),
    )


@functools.lru_cache(4096)
def addresses(message: bytes) -> tuple[Address, ...]:
    """Return the address of a message; nothing if it is of a family that is not known here."""
    family, prefix, _, _, index = ADDRESS.unpack_from(message)
    fields = attributes(message, ADDRESS.size)
    address = fields.get(k.IFA_LOCAL) or fields.get(
        k.IFA_ADDRESS
    )  # only IPv6 may have just the latter
    if not address or family not in (socket.AF_INET, socket.AF_INET6):
        return ()
    return (Address(index, socket.inet_ntop(family, address), prefix),)


@functools.lru_cache(4096)
def routes(message: bytes, wanted: int) -> tuple[Route, ...]:
    """Return a route, as several if it has several next hops; nothing if it is of another table."""
    family, prefix, _, _, table, protocol, scope, kind, flags = ROUTE.unpack_from(message)
    if wanted not in (0, table):  # before Linux 4.20 all tables are listed
        return ()
    fields = attributes(message, ROUTE.size)
    return tuple(
        Route(
            destination=_written(
                fields.get(k.RTA_DST, bytes(4 if family == socket.AF_INET else 16))
            ),
            prefix=prefix,
            gateway=_written(hop.get(k.RTA_GATEWAY)),
            ifindex=index,
            metric=number(fields.get(k.RTA_PRIORITY)),
            source=_written(fields.get(k.RTA_PREFSRC)),
            kind=kind,
            protocol=protocol,
            scope=scope,
            flags=hop_flags,
        )
        for hop, index, hop_flags in _hops(fields, flags)
    )


def _hops(fields: dict[int, bytes], flags: int) -> list[tuple[dict[int, bytes], int, int]]:
    """Return attributes, link and flags of a route, or of each next hop if it has several."""
    if k.RTA_MULTIPATH not in fields:
        return [(fields, number(fields.get(k.RTA_OIF)), flags)]
    hops = []
    data = fields[k.RTA_MULTIPATH]
    while len(data) >= 8:
        length, hop_flags, index = struct.unpack_from("=HBxi", data)
        hops.append((attributes(data[8:length]), index, hop_flags))
        data = data[max(length, 8) :]
    return hops


def _written(address: bytes | None) -> str:
    if not address:
        return ""
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)

"""Flows that the kernel remembers (conntrack): finding those to a port, and forgetting them.

Address translation is decided with the first packet of a flow, and holds as long as the flow is
remembered, whatever the rules say by then. UDP has no end: a client that goes on sending keeps its
flow alive, and with it the decision. So whoever changes the rules for a port has to see to it that
its flows begin anew.

    udp  src=198.51.100.2 dst=198.51.100.1 sport=4711 dport=5353    as the client sent it
         src=172.29.0.2 dst=198.51.100.2 sport=53 dport=4711        as the answer is expected

Source: conntrack(8); linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import errno
import socket
import struct

from kernelbox.kernel.door import Structure, request
from kernelbox.kernel.errors import KernelError
from kernelbox.kernel.netlink import NETFILTER, NetlinkSocket, attribute, attributes, nested
from kernelbox.plumbing.records import NamedTuple

_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2  # of the subsystem NFNL_SUBSYS_CTNETLINK
_ORIGINAL, _ID, _ZONE = 1, 12, 18  # CTA_...
_IP, _PROTOCOL = 1, 2  # CTA_TUPLE_...
# CTA_IP_V4_SRC and _DST, CTA_IP_V6_SRC and _DST
_ENDS = {socket.AF_INET: (1, 2), socket.AF_INET6: (3, 4)}
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3  # CTA_PROTO_...

# A kernel without conntrack, or without this way to it.
_UNKNOWN = (errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT)


class Flow(NamedTuple):
    """A flow as its first packet had it, and the words in which the kernel knows it again.

    Attributes:
        source: Address of who began.
        source_port: Its port.
        destination: Address to which it sent, before any translation.
        destination_port: The port there.
        key: For `forget`: attributes of a netlink message.
    """

    source: str
    source_port: int
    destination: str
    destination_port: int
    key: bytes


def _header(family: int) -> bytes:
    return bytes((family, 0, 0, 0))  # struct nfgenmsg


def udp_flows_to(port: int, family: socket.AddressFamily = socket.AF_INET) -> list[Flow]:
    """Return the UDP flows to a port, in the caller's network namespace.

    There is none to forget where the kernel does not track, or does not tell.

    Raises:
        OSError: EPERM without CAP_NET_ADMIN over the namespace; ENOBUFS.
    """
    try:
        with NetlinkSocket(NETFILTER) as kernel:
            entries = kernel.all(_GET, _header(family))
    except OSError as refusal:
        if refusal.errno in _UNKNOWN:
            return []
        raise
    found = (_udp_flow(attributes(entry, len(_header(family))), family) for entry in entries)
    return [flow for flow in found if flow is not None and flow.destination_port == port]


def _udp_flow(entry: dict[int, bytes], family: socket.AddressFamily) -> Flow | None:
    tuple_ = attributes(entry.get(_ORIGINAL, b""))
    ends, kind = attributes(tuple_.get(_IP, b"")), attributes(tuple_.get(_PROTOCOL, b""))
    if kind.get(_NUMBER) != bytes((socket.IPPROTO_UDP,)):
        return None
    # The number makes it this very flow, and not a later one between the same two.
    key = nested(_ORIGINAL, entry[_ORIGINAL]) + attribute(_ID, entry[_ID])
    if _ZONE in entry:
        key += attribute(_ZONE, entry[_ZONE])
    source, destination = _ENDS[family]
    return Flow(
        socket.inet_ntop(family, ends[source]),
        _port(kind[_SOURCE_PORT]),
        socket.inet_ntop(family, ends[destination]),
        _port(kind[_DESTINATION_PORT]),
        key,
    )


def _port(data: bytes) -> int:
    (found,) = struct.unpack("!H", data)
    return int(found)


def forget(flow: Flow) -> None:
    """Make the kernel forget a flow: its next packet begins a new one. One that is over is fine.

    Raises:
        KernelError: EPERM without CAP_NET_ADMIN over the namespace.

    Source: linux/netfilter/nfnetlink_conntrack.h, IPCTNL_MSG_CT_DELETE.
    """
    source, source_port, destination, port, key = flow
    family = socket.AF_INET6 if ":" in source else socket.AF_INET

    def act() -> None:
        with NetlinkSocket(NETFILTER) as kernel:
            kernel.change(_DELETE, _header(family) + key)

    shown = Structure(proto="udp", src=source, sport=source_port, dst=destination, dport=port)
    shell = f"conntrack -D -p udp -s {source} --sport {source_port} -d {destination} --dport {port}"
    try:
        request("IPCTNL_MSG_CT_DELETE", (shown,), act, shell)
    except KernelError as refusal:
        if refusal.errno != errno.ENOENT:
            raise

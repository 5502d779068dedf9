"""Links, addresses and routes as the kernel tells of them, and waiting for a link to carry packets.

Looking is not recorded: it changes nothing. What one of them says is taken apart in `links`; how
they are changed is in `rtnetlink`.

Source: rtnetlink(7); linux/rtnetlink.h, if_link.h, if_addr.h, net_namespace.h.
"""

from __future__ import annotations

import errno
import socket
import sys
import time

from kernelbox.kernel import flags as k
from kernelbox.kernel import links
from kernelbox.kernel.links import ADDRESS, LINK, ROUTE
from kernelbox.kernel.netlink import NetlinkSocket, Refusal, attribute, attributes, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.kernel.links import Address, Link, Route

_ANY_LINK = LINK.pack(0, 0, 0, 0, 0)
_SKIP_STATISTICS = attribute(k.IFLA_EXT_MASK, k.RTEXT_FILTER_SKIP_STATS)  # they never stand still


class LinkReader(NetlinkSocket):
    """An rtnetlink socket that asks and changes nothing, in the namespace in which it is opened.

    Use it in a `with` statement: leaving closes it. Source: rtnetlink(7).
    """

    def wait_until_running(self, name: str, seconds: float = 2.0) -> bool:
        """Wait until a link whose other end is up passes packets; return whether it does.

        One that vanishes meanwhile does not: what it led to has ended.

        The kernel notices a carrier at once, but lets the link and its bridge send a moment later
        (link watch). Packets in between are lost, and TCP repeats the first after a second.

        Source: kernel, `Documentation/networking/operstates.rst`.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                message = self._look_up(name)
            except Refusal:  # ENODEV
                return False
            *_, flags, _ = LINK.unpack_from(message)
            operstate = number(attributes(message, LINK.size).get(k.IFLA_OPERSTATE))
            if flags & k.IFF_UP and operstate == k.IF_OPER_UP:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)

    def links(self) -> list[Link]:
        """Return all links, in the order of their indexes. Source: RTM_GETLINK; ip-link(8)."""
        messages = self.all(k.RTM_GETLINK, _ANY_LINK + _SKIP_STATISTICS)
        return sorted(links.link(message) for message in messages)

    def addresses(self, family: int = socket.AF_INET) -> list[Address]:
        """Return all addresses in the kernel's order; those of IPv6 too for a family of AF_UNSPEC.

        Source: RTM_GETADDR; ip-address(8).
        """
        messages = self.all(k.RTM_GETADDR, ADDRESS.pack(family, 0, 0, 0, 0))
        return [one for message in messages for one in links.addresses(message)]

    def lasting_addresses(self, name: str) -> list[Address]:
        """Return a link's addresses that were given for good, and that are good everywhere.

        Raises:
            Refusal: ENODEV if there is no such link.

        Source: RFC 3549, 2.3.3.2; ip-address(8), `permanent`, `scope global`.
        """
        found: list[Address] = []
        index = self._index(name)
        for message in self.all(k.RTM_GETADDR, ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
            _, _, flags, scope, of = ADDRESS.unpack_from(message)
            if of == index and flags & k.IFA_F_PERMANENT and scope == k.RT_SCOPE_UNIVERSE:
                found += links.addresses(message)
        return found

    def routes(self, table: int = 0, family: int = socket.AF_INET) -> list[Route]:
        """Return the routes of a table, or of all, in the kernel's order.

        Source: RTM_GETROUTE; ip-route(8).
        """
        try:
            body = ROUTE.pack(family, 0, 0, 0, table, 0, 0, 0, 0)
            messages = self.all(k.RTM_GETROUTE, body)
        except OSError as refusal:
            if refusal.errno != errno.ENOENT:  # there has never been a route in this table
                raise
            return []
        return [one for message in messages for one in links.routes(message, table)]

    def nsid(self, *, pid: int = 0, netns_fd: int = -1) -> int:
        """Return how this namespace calls another one; -1 if it has no number for it.

        Args:
            pid: A process in the other one.
            netns_fd: Or, an open /proc/PID/ns/net.

        Source: RTM_GETNSID; ip-netns(8), "ip netns set".
        """
        other = attribute(k.NETNSA_PID, pid) if pid else attribute(k.NETNSA_FD, netns_fd)
        try:
            answer = self.one(k.RTM_GETNSID, bytes(4) + other)
        except OSError:  # ESRCH
            return -1
        found = attributes(answer, 4).get(k.NETNSA_NSID, b"\xff")
        return int.from_bytes(found, sys.byteorder, signed=True)

    def _look_up(self, name: str) -> bytes:
        return self.one(
            k.RTM_GETLINK, _ANY_LINK + attribute(k.IFLA_IFNAME, name) + _SKIP_STATISTICS
        )

    def _index(self, name: str) -> int:
        index: int = LINK.unpack_from(self._look_up(name))[2]
        return index

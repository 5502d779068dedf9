"""Links and routes as hands ask for them: a pair whose ends are carried, a route to a network.

The runtime has both ends of a cable born where they belong. Whoever learns makes a pair, and then
moves an end, to see what stays behind.

Source: rtnetlink(7); linux/if_link.h, rtnetlink.h.
"""

from __future__ import annotations

import socket

from kernelbox.kernel import flags as k
from kernelbox.kernel.door import Symbol
from kernelbox.kernel.links import LINK, ROUTE
from kernelbox.kernel.netlink import CREATE, EXCLUSIVE, attribute, nested
from kernelbox.kernel.rtnetlink import RouteSocket, fields


class CablingSocket(RouteSocket):
    """An rtnetlink socket that knows some requests more; what they raise is as there."""

    def add_pair(self, name: str, peer: str) -> None:
        """Make a veth pair, both ends here.

        Raises:
            KernelError: EEXIST if a name is taken; EOPNOTSUPP if the kernel has no veth.

        Source: veth(4); ip-link(8), type veth.
        """
        other = LINK.pack(0, 0, 0, 0, 0) + attribute(k.IFLA_IFNAME, peer)
        data = nested(k.IFLA_INFO_DATA, attribute(k.VETH_INFO_PEER, other))
        body = (
            LINK.pack(0, 0, 0, 0, 0)
            + attribute(k.IFLA_IFNAME, name)
            + nested(k.IFLA_LINKINFO, attribute(k.IFLA_INFO_KIND, "veth"), data)
        )
        self._request(
            "RTM_NEWLINK",
            fields(ifname=name, kind="veth", peer=fields(ifname=peer)),
            f"ip link add {name} type veth peer name {peer}",
            lambda: self.change(k.RTM_NEWLINK, body, CREATE | EXCLUSIVE),
        )

    def move(self, name: str, netns_fd: int, netns: str = "", name_there: str = "") -> None:
        """Carry a link into the namespace behind `netns_fd`. It is down there, without addresses.

        Args:
            name: Of the link, here.
            netns_fd: An open /proc/PID/ns/net.
            netns: How `ip` would name that namespace (a pid), for the shell equivalent.
            name_there: What it is called there; `%d` stands for the first number that is free.
                Empty for its name here.

        Raises:
            KernelError: EEXIST if a link there has the name; EINVAL if the link has to stay where
                it is, as `lo` has, or if `netns_fd` is no network namespace.

        Source: network_namespaces(7); ip-link(8), "ip link set", netns.
        """

        def act() -> None:
            there = attribute(k.IFLA_NET_NS_FD, netns_fd)
            if called:
                there += attribute(k.IFLA_IFNAME, called)
            self.change(k.RTM_NEWLINK, LINK.pack(0, 0, self._index(name), 0, 0) + there)

        called = name_there if name_there != name else ""
        shell = f"ip link set {name} netns {netns or '...'}{called and f' name {called}'}"
        if called:
            index = Symbol(f'if_nametoindex("{name}")')
            shown = fields(ifi_index=index, net_ns_fd=netns_fd, ifname=called)
        else:
            shown = fields(ifname=name, net_ns_fd=netns_fd)
        self._request("RTM_NEWLINK", shown, shell, act)

    def rename(self, name: str, new: str) -> None:
        """Give a link another name.

        Raises:
            KernelError: EEXIST if it is taken; EBUSY if the link is up, before Linux 6.2.

        Source: ip-link(8), "ip link set", name.
        """

        def act() -> None:
            called = attribute(k.IFLA_IFNAME, new)
            self.change(k.RTM_NEWLINK, LINK.pack(0, 0, self._index(name), 0, 0) + called)

        shown = fields(ifi_index=Symbol(f'if_nametoindex("{name}")'), ifname=new)
        self._request("RTM_NEWLINK", shown, f"ip link set {name} name {new}", act)

    def set_down(self, name: str) -> None:
        """Set a link down: its routes go, its addresses stay. Source: ip-link(8)."""

        def act() -> None:
            self.change(k.RTM_NEWLINK, LINK.pack(0, 0, self._index(name), 0, k.IFF_UP))

        shown = fields(ifname=name, ifi_flags=Symbol("0"))
        self._request("RTM_NEWLINK", shown, f"ip link set {name} down", act)

    def add_route(self, destination: str, prefix: int, gateway: str) -> None:
        """Send what is for a network to a gateway, over the link whose network that is in.

        Args:
            destination: The network's address.
            prefix: Its bits; 0 is the default route.
            gateway: An address that is reached without a gateway.

        Raises:
            KernelError: ENETUNREACH if the gateway is not; EEXIST if there is such a route; EINVAL
                if the address has bits beyond its prefix.

        Source: ip-route(8).
        """
        body = (
            ROUTE.pack(
                socket.AF_INET, prefix, 0, 0, k.RT_TABLE_MAIN, k.RTPROT_STATIC, 0, k.RTN_UNICAST, 0
            )
            + (attribute(k.RTA_DST, socket.inet_aton(destination)) if prefix else b"")
            + attribute(k.RTA_GATEWAY, socket.inet_aton(gateway))
        )
        to = f"{destination}/{prefix}" if prefix else "default"
        self._request(
            "RTM_NEWROUTE",
            fields(dst=to, gateway=gateway),
            f"ip route add {to} via {gateway}",
            lambda: self.change(k.RTM_NEWROUTE, body, CREATE | EXCLUSIVE),
        )

"""Links, addresses and routes: what is asked of the kernel through rtnetlink.

A link is asked for by the number that it has in its namespace, its index. Here it has a name, and
the index is looked up by the same socket: names mean something else in the next namespace.

What the kernel tells of them is read in `link_reader`. Questions that a single ioctl answers are in
`netdevice`; packet filter rules are in `nft`; what is asked of the network is decided in
`kernelbox.network`.

Source: rtnetlink(7); linux/rtnetlink.h, if_link.h, if_addr.h, if_bridge.h, net_namespace.h.
"""

from __future__ import annotations

import socket

from kernelbox.kernel import flags as k
from kernelbox.kernel.door import Symbol, request
from kernelbox.kernel.errors import KernelError
from kernelbox.kernel.link_reader import LinkReader
from kernelbox.kernel.links import ADDRESS, LINK, ROUTE
from kernelbox.kernel.netlink import CREATE, EXCLUSIVE, Refusal, attribute, nested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_UP = Symbol("IFF_UP")
_NODAD = 0x02  # IFA_F_NODAD: no waiting until duplicate address detection has found nobody


def fields(**values: object) -> Symbol:
    """Show a message's fields as strace does: `{ifname="eth0", mtu=1500}`; None is left out."""
    parts = []
    for name, value in values.items():
        if value is not None:
            quoted = isinstance(value, str) and not isinstance(value, Symbol)
            parts.append(f'{name}="{value}"' if quoted else f"{name}={value}")
    return Symbol("{" + ", ".join(parts) + "}")


def _link_header(index: int = 0, *, family: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return LINK.pack(family, 0, index, flags, change)


def _mac(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))


class RouteSocket(LinkReader):
    """An rtnetlink socket, bound to the network namespace in which it is opened.

    Use it in a `with` statement: leaving closes it. A refusal of a change is a `KernelError`; what
    every one can meet is EPERM without CAP_NET_ADMIN over the namespace, ENODEV if there is no
    link of the name, and ERANGE for a name of more than 15 bytes.

    Source: rtnetlink(7); ip-link(8), ip-address(8), ip-route(8).
    """

    def _request(self, kind: str, shown: Symbol, shell: str, act: Callable[[], object]) -> None:
        try:
            request(kind, (shown,), act, shell)
        except KernelError as refusal:
            cause = refusal.__cause__
            if not refusal.hint and isinstance(cause, Refusal) and cause.words:
                refusal.hint = f"The kernel says: {cause.words}"
            raise

    def add_bridge(self, name: str, mac: str = "") -> None:
        """Make a bridge. A MAC address given stays; one left to the kernel follows its ports.

        Raises:
            KernelError: EEXIST if the name is taken; EOPNOTSUPP if the kernel has no bridges.

        Source: ip-link(8), type bridge.
        """
        body = (
            _link_header()
            + attribute(k.IFLA_IFNAME, name)
            + (attribute(k.IFLA_ADDRESS, _mac(mac)) if mac else b"")
            + nested(k.IFLA_LINKINFO, attribute(k.IFLA_INFO_KIND, "bridge"))
        )
        self._request(
            "RTM_NEWLINK",
            fields(ifname=name, kind="bridge", address=mac or None),
            f"ip link add {name}{f' address {mac}' if mac else ''} type bridge",
            lambda: self.change(k.RTM_NEWLINK, body, CREATE | EXCLUSIVE),
        )

    def add_veth(
        self, name: str, peer: str, *, netns_fd: int, peer_mac: str, mtu: int, netns: str = ""
    ) -> None:
        """Make a veth pair: one end here, the peer born in the namespace behind `netns_fd`.

        Args:
            name: This end.
            peer: The other end, in its own namespace.
            netns_fd: An open /proc/PID/ns/net.
            peer_mac: The peer's MAC address.
            mtu: Of both ends, in bytes.
            netns: How `ip` would name the peer's namespace (a pid), for the shell equivalent.

        Raises:
            KernelError: EEXIST if a name is taken on its side; EOPNOTSUPP if the kernel has no
                veth; EINVAL if `netns_fd` is no network namespace.

        Source: veth(4); ip-link(8), type veth.
        """
        other = (
            _link_header()
            + attribute(k.IFLA_IFNAME, peer)
            + attribute(k.IFLA_NET_NS_FD, netns_fd)
            + attribute(k.IFLA_ADDRESS, _mac(peer_mac))
            + attribute(k.IFLA_MTU, mtu)
        )
        data = nested(k.IFLA_INFO_DATA, attribute(k.VETH_INFO_PEER, other))
        body = (
            _link_header()
            + attribute(k.IFLA_IFNAME, name)
            + attribute(k.IFLA_MTU, mtu)
            + nested(k.IFLA_LINKINFO, attribute(k.IFLA_INFO_KIND, "veth"), data)
        )
        shown_peer = fields(ifname=peer, net_ns_fd=netns_fd, address=peer_mac, mtu=mtu)
        self._request(
            "RTM_NEWLINK",
            fields(ifname=name, mtu=mtu, kind="veth", peer=shown_peer),
            f"ip link add {name} mtu {mtu} type veth peer name {peer} netns {netns or '...'} "
            f"address {peer_mac} mtu {mtu}",
            lambda: self.change(k.RTM_NEWLINK, body, CREATE | EXCLUSIVE),
        )

    def set_up(self, name: str) -> None:
        """Set a link up. Source: ip-link(8)."""

        def act() -> None:
            header = _link_header(self._index(name), flags=k.IFF_UP, change=k.IFF_UP)
            self.change(k.RTM_NEWLINK, header)

        shown = fields(ifname=name, ifi_flags=_UP)
        self._request("RTM_NEWLINK", shown, f"ip link set {name} up", act)

    def set_master(self, name: str, master: str) -> None:
        """Plug a link into the bridge `master`. Source: ip-link(8)."""

        def act() -> None:
            bridge = attribute(k.IFLA_MASTER, self._index(master))
            self.change(k.RTM_NEWLINK, _link_header(self._index(name)) + bridge)

        shown = fields(ifname=name, master=master)
        self._request("RTM_NEWLINK", shown, f"ip link set {name} master {master}", act)

    def set_hairpin(self, name: str) -> None:
        """Let a port's frames go out where they came in: a bridge does not return them otherwise.

        Source: bridge(8), "bridge link set".
        """
        shell = f"bridge link set dev {name} hairpin on"
        self._set_port(name, k.IFLA_BRPORT_MODE, fields(ifname=name, brport_mode=1), shell)

    def set_isolated(self, name: str) -> None:
        """Let a port exchange frames with the bridge itself, and with no other isolated port.

        Raises:
            KernelError: EINVAL before Linux 4.18.

        Source: bridge(8), "bridge link set", `isolated`.
        """
        shell = f"bridge link set dev {name} isolated on"
        shown = fields(ifname=name, brport_isolated=1)
        self._set_port(name, k.IFLA_BRPORT_ISOLATED, shown, shell)

    def _set_port(self, name: str, what: int, shown: Symbol, shell: str) -> None:
        def act() -> None:
            header = _link_header(self._index(name), family=socket.AF_BRIDGE)
            self.change(k.RTM_SETLINK, header + nested(k.IFLA_PROTINFO, attribute(what, b"\1")))

        self._request("RTM_SETLINK", shown, shell, act)

    def set_mtu(self, name: str, size: int) -> None:
        """Set the largest packet of a link, in bytes. Source: ip-link(8)."""

        def act() -> None:
            self.change(
                k.RTM_NEWLINK, _link_header(self._index(name)) + attribute(k.IFLA_MTU, size)
            )

        shown = fields(ifname=name, mtu=size)
        self._request("RTM_NEWLINK", shown, f"ip link set {name} mtu {size}", act)

    def delete_link(self, name: str) -> None:
        """Delete a link; with one end of a veth pair goes the other. Source: ip-link(8)."""

        def act() -> None:
            self.change(k.RTM_DELLINK, _link_header(self._index(name)))

        self._request("RTM_DELLINK", fields(ifname=name), f"ip link del {name}", act)

    def add_address(self, name: str, address: str, prefix: int) -> None:
        """Give a link an address, and with it a route to the network of `prefix` bits.

        An IPv6 address can be used at once (`nodad`): whoever gives it knows that nobody has it.

        Raises:
            KernelError: EEXIST if the link has it already; EACCES if it has IPv6 switched off.

        Source: ip-address(8). RFC 3021: a network for two has no address for all.
        """
        if ":" in address:
            self._add_address6(name, address, prefix)
            return
        own = socket.inet_aton(address)
        host_bits = (1 << (32 - prefix)) - 1
        last = (int.from_bytes(own, "big") | host_bits).to_bytes(4, "big")
        broadcast = socket.inet_ntoa(last) if host_bits > 1 else None

        def act() -> None:
            body = (
                ADDRESS.pack(socket.AF_INET, prefix, 0, 0, self._index(name))
                + attribute(k.IFA_ADDRESS, own)
                + attribute(k.IFA_LOCAL, own)
                + (attribute(k.IFA_BROADCAST, last) if broadcast else b"")
            )
            self.change(k.RTM_NEWADDR, body, CREATE | EXCLUSIVE)

        self._request(
            "RTM_NEWADDR",
            fields(ifname=name, address=address, prefixlen=prefix, broadcast=broadcast),
            f"ip address add {address}/{prefix}{f' broadcast {broadcast}' if broadcast else ''}"
            f" dev {name}",
            act,
        )

    def _add_address6(self, name: str, address: str, prefix: int) -> None:
        def act() -> None:
            own = attribute(k.IFA_LOCAL, socket.inet_pton(socket.AF_INET6, address))
            header = ADDRESS.pack(socket.AF_INET6, prefix, _NODAD, 0, self._index(name))
            self.change(k.RTM_NEWADDR, header + own, CREATE | EXCLUSIVE)

        self._request(
            "RTM_NEWADDR",
            fields(ifname=name, address=address, prefixlen=prefix, flags=Symbol("IFA_F_NODAD")),
            f"ip address add {address}/{prefix} nodad dev {name}",
            act,
        )

    def add_default_route(self, gateway: str, name: str) -> None:
        """Send what no other route wants to `gateway`, over the link `name`.

        What it is of both, IPv4 or IPv6, the gateway's address says.

        Raises:
            KernelError: ENETUNREACH if no address of the link reaches the gateway, or the link is
                down; EEXIST if there is a default route already.

        Source: ip-route(8).
        """
        family = socket.AF_INET6 if ":" in gateway else socket.AF_INET

        def act() -> None:
            body = (
                ROUTE.pack(family, 0, 0, 0, k.RT_TABLE_MAIN, k.RTPROT_STATIC, 0, k.RTN_UNICAST, 0)
                + attribute(k.RTA_GATEWAY, socket.inet_pton(family, gateway))
                + attribute(k.RTA_OIF, self._index(name))
            )
            self.change(k.RTM_NEWROUTE, body, CREATE | EXCLUSIVE)

        shown = fields(dst="default", gateway=gateway, oif=name)
        ip = "ip -6" if family == socket.AF_INET6 else "ip"
        self._request(
            "RTM_NEWROUTE", shown, f"{ip} route add default via {gateway} dev {name}", act
        )

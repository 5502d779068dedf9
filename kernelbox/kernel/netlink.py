"""Links, addresses and routes: requests to rtnetlink, through pyroute2.

A socket speaks to the network namespace in which it was opened, wherever its process goes later.
So a `RouteSocket` opened `inside` a container's namespace configures the container.

pyroute2 takes 150 ms and 22 MB to import, asyncio included: more than starting a container. It is
imported where a socket is opened, so that a container without a network never waits for it.

Questions that a single ioctl answers are in `netdevice`; packet filter rules are in `nft`; what is
asked of the network is decided in `kernelbox.network`.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from contextlib import contextmanager

from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelError
from kernelbox.kernel.netdevice import IFF_UP
from kernelbox.kernel.record import Symbol, request
from kernelbox.kernel.syscalls import setns
from kernelbox.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


class Link(NamedTuple):
    """A network interface; `master` is the index of its bridge, `peer` of a veth's other end."""

    ifindex: int
    name: str
    kind: str
    mac: str
    mtu: int
    master: int
    peer: int
    up: bool


class Address(NamedTuple):
    """An IPv4 address with its prefix length, on the link with this `ifindex`."""

    ifindex: int
    address: str
    prefix: int


class Route(NamedTuple):
    """An IPv4 route; the default route is `0.0.0.0` with prefix 0, no gateway is empty."""

    destination: str
    prefix: int
    gateway: str
    ifindex: int


@contextmanager
def inside(netns_fd: int, shell: str = "") -> Iterator[None]:
    """Be in another network namespace for a while. For a process with a single thread.

    Args:
        netns_fd: An open /proc/PID/ns/net, or a pidfd.
        shell: The equivalent command, if the caller knows whose namespace it is.

    Raises:
        KernelError: EPERM without CAP_SYS_ADMIN; ESRCH if the process behind a pidfd is gone.

    Source: setns(2); network_namespaces(7).
    """
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(netns_fd, k.CLONE_NEWNET, shell)
        try:
            yield
        finally:
            _return_to(home)
    finally:
        os.close(home)


def _return_to(home: int) -> None:
    try:
        setns(home, k.CLONE_NEWNET, "exit")
    except KernelError:
        # Whoever handles this error cleans up, and must not do it in the container's namespace.
        setns(home, k.CLONE_NEWNET, "exit")
        raise


_UP = Symbol("IFF_UP")


def _fields(**values: object) -> Symbol:
    """Show a message's fields as strace does: `{ifname="eth0", mtu=1500}`; None is left out."""
    parts = []
    for name, value in values.items():
        if value is not None:
            quoted = isinstance(value, str) and not isinstance(value, Symbol)
            parts.append(f'{name}="{value}"' if quoted else f"{name}={value}")
    return Symbol("{" + ", ".join(parts) + "}")


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:  # Python's own, without an errno
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name) from None


class RouteSocket:
    """An rtnetlink socket, bound to the network namespace in which it is opened.

    Use it in a `with` statement: leaving closes every descriptor, at once and without a thread.
    A refusal is a `KernelError`; what every request can meet is EPERM without CAP_NET_ADMIN over
    the namespace, and ENODEV if there is no link of the name. Looking is not recorded.

    Source: rtnetlink(7); ip-link(8), ip-address(8), ip-route(8).
    """

    def __init__(self) -> None:
        from pyroute2 import IPRoute  # slow and large: see the top of this file

        self._route: Any = IPRoute()

    def __enter__(self) -> RouteSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._route.close()

    def _ask(self, kind: str, shown: Symbol, shell: str, act: Callable[[], object]) -> None:
        from pyroute2.netlink.exceptions import NetlinkError  # with the socket, so loaded already

        def ask() -> None:
            try:
                act()
            except NetlinkError as refusal:
                raise OSError(refusal.code, os.strerror(refusal.code)) from refusal

        request(kind, (shown,), ask, shell)

    def add_bridge(self, name: str, mac: str) -> None:
        """Make a bridge. A MAC address given stays; one left to the kernel follows its ports.

        Raises:
            KernelError: EEXIST if the name is taken; EOPNOTSUPP if the kernel has no bridges.

        Source: ip-link(8), type bridge.
        """
        self._ask(
            "RTM_NEWLINK",
            _fields(ifname=name, kind="bridge", address=mac),
            f"ip link add {name} address {mac} type bridge",
            lambda: self._route.link("add", ifname=name, kind="bridge", address=mac),
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
        other = {"ifname": peer, "net_ns_fd": netns_fd, "address": peer_mac, "mtu": mtu}
        shown_peer = _fields(ifname=peer, net_ns_fd=netns_fd, address=peer_mac, mtu=mtu)
        self._ask(
            "RTM_NEWLINK",
            _fields(ifname=name, mtu=mtu, kind="veth", peer=shown_peer),
            f"ip link add {name} mtu {mtu} type veth peer name {peer} netns {netns or '...'} "
            f"address {peer_mac} mtu {mtu}",
            lambda: self._route.link("add", ifname=name, mtu=mtu, kind="veth", peer=other),
        )

    def _set_link(self, name: str, shown: Symbol, shell: str, **values: object) -> None:
        def act() -> None:
            self._route.link("set", index=_index(name), **values)

        self._ask("RTM_NEWLINK", shown, f"ip link set {name} {shell}", act)

    def set_up(self, name: str) -> None:
        """Set a link up. Source: ip-link(8)."""
        self._set_link(name, _fields(ifname=name, ifi_flags=_UP), "up", state="up")

    def set_down(self, name: str) -> None:
        """Set a link down. Source: ip-link(8)."""
        self._set_link(name, _fields(ifname=name, ifi_flags=0), "down", state="down")

    def set_master(self, name: str, master: str) -> None:
        """Plug a link into the bridge `master`. Source: ip-link(8)."""

        def act() -> None:
            index, port = _index(master), _index(name)
            self._route.link("set", index=port, master=index)

        shown = _fields(ifname=name, master=master)
        self._ask("RTM_NEWLINK", shown, f"ip link set {name} master {master}", act)

    def set_hairpin(self, name: str) -> None:
        """Let a port's frames go out where they came in: a bridge does not return them otherwise.

        Source: bridge(8), "bridge link set".
        """

        def act() -> None:
            self._route.brport("set", index=_index(name), mode=1)

        shell = f"bridge link set dev {name} hairpin on"
        self._ask("RTM_SETLINK", _fields(ifname=name, brport_mode=1), shell, act)

    def set_mtu(self, name: str, size: int) -> None:
        """Set the largest packet of a link, in bytes. Source: ip-link(8)."""
        self._set_link(name, _fields(ifname=name, mtu=size), f"mtu {size}", mtu=size)

    def rename(self, name: str, new: str) -> None:
        """Rename a link. Raises KernelError with EEXIST if `new` is taken. Source: ip-link(8)."""
        shown = _fields(ifname=name, new_ifname=new)
        self._set_link(name, shown, f"name {new}", ifname=new)

    def delete_link(self, name: str) -> None:
        """Delete a link; with one end of a veth pair goes the other. Source: ip-link(8)."""

        def act() -> None:
            self._route.link("del", index=_index(name))

        self._ask("RTM_DELLINK", _fields(ifname=name), f"ip link del {name}", act)

    def add_address(self, name: str, address: str, prefix: int) -> None:
        """Give a link an IPv4 address, and with it a route to the network of `prefix` bits.

        Raises:
            KernelError: EEXIST if the link has it already.

        Source: ip-address(8).
        """
        host_bits = (1 << (32 - prefix)) - 1
        last = int.from_bytes(socket.inet_aton(address), "big") | host_bits
        broadcast = socket.inet_ntoa(last.to_bytes(4, "big"))

        def act() -> None:
            index = _index(name)
            self._route.addr(
                "add", index=index, address=address, prefixlen=prefix, broadcast=broadcast
            )

        self._ask(
            "RTM_NEWADDR",
            _fields(ifname=name, address=address, prefixlen=prefix, broadcast=broadcast),
            f"ip address add {address}/{prefix} broadcast {broadcast} dev {name}",
            act,
        )

    def add_default_route(self, gateway: str, name: str) -> None:
        """Send what no other route wants to `gateway`, over the link `name`.

        Raises:
            KernelError: ENETUNREACH if no address of the link reaches the gateway, or the link is
                down; EEXIST if there is a default route already.

        Source: ip-route(8).
        """

        def act() -> None:
            index = _index(name)
            self._route.route("add", dst="default", gateway=gateway, oif=index)

        shown = _fields(dst="default", gateway=gateway, oif=name)
        self._ask("RTM_NEWROUTE", shown, f"ip route add default via {gateway} dev {name}", act)

    def wait_until_running(self, name: str, seconds: float = 2.0) -> bool:
        """Wait until a link whose other end is up passes packets; return whether it does.

        The kernel notices a carrier at once, but lets the link and its bridge send a moment later
        (link watch). Packets in between are lost, and TCP repeats the first after a second.

        Source: kernel, `Documentation/networking/operstates.rst`.
        """
        deadline = time.monotonic() + seconds
        while True:
            (link,) = self._route.link("get", index=_index(name))
            if link.get("state") == "up" and link.get("operstate") == "UP":
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)

    def links(self) -> list[Link]:
        """Return all links of the namespace. Source: ip-link(8)."""
        found = []
        for message in self._route.get_links():
            info = message.get("linkinfo")
            found.append(
                Link(
                    ifindex=message["index"],
                    name=message.get("ifname"),
                    kind=(info.get("kind") or "") if info else "",
                    mac=message.get("address") or "",
                    mtu=message.get("mtu"),
                    master=message.get("master") or 0,
                    peer=message.get("link") or 0,
                    up=bool(message["flags"] & IFF_UP),
                )
            )
        return found

    def addresses(self) -> list[Address]:
        """Return all IPv4 addresses of the namespace. Source: ip-address(8)."""
        found = self._route.get_addr(family=socket.AF_INET)
        return [Address(m["index"], m.get("local"), m["prefixlen"]) for m in found]

    def routes(self) -> list[Route]:
        """Return all IPv4 routes of the namespace, of every table. Source: ip-route(8)."""
        return [
            Route(
                m.get("dst") or "0.0.0.0", m["dst_len"], m.get("gateway") or "", m.get("oif") or 0
            )
            for m in self._route.get_routes(family=socket.AF_INET)
        ]

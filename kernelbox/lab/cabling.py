"""A held process's network, by hand: one request a call; cables, addresses, routes, rules, ears.

Everything is made in the network namespace that the process is in, and is gone with it: a link of
the process, its rules, and with one end of a veth pair also the other.
"""

from __future__ import annotations

import ipaddress
from socket import socket as Socket
from typing import TYPE_CHECKING, Any

from kernelbox.lab.conversation import LabError
from kernelbox.lab.traffic import Capture, Echo, ping

if TYPE_CHECKING:
    from kernelbox.lab.agent_link import AgentLink
    from kernelbox.lab.traces import Trace


class Cabling:
    """What a held process does with its network. Refusals by the kernel are LabErrors."""

    pid: int
    _agent: AgentLink

    def add_veth(self, name: str, peer: str) -> Trace:
        """Make a cable, a veth pair: both ends are here, and down. Source: veth(4)."""
        return self._do("add_veth", name=name, peer=peer)

    def add_bridge(self, name: str) -> Trace:
        """Make a bridge: a switch without ports yet. Source: ip-link(8), type bridge."""
        return self._do("add_bridge", name=name)

    def move_link(self, name: str, other: Any) -> Trace:
        """Carry a link to where another process is; it arrives down, and without addresses.

        Args:
            name: Of the link, here.
            other: A held process, a container, or a pid; not one in the host's network namespace.

        Source: network_namespaces(7).
        """
        return self._do("move_link", name=name, pid=getattr(other, "pid", other))

    def rename_link(self, name: str, new: str) -> Trace:
        """Give a link that is down another name. Source: ip-link(8)."""
        return self._do("rename_link", name=name, new=new)

    def delete_link(self, name: str) -> Trace:
        """Delete a link; with one end of a veth pair goes the other. Source: ip-link(8)."""
        return self._do("delete_link", name=name)

    def set_up(self, name: str) -> Trace:
        """Set a link up. Source: ip-link(8)."""
        return self._do("set_up", name=name)

    def set_down(self, name: str) -> Trace:
        """Set a link down; its routes go. Source: ip-link(8)."""
        return self._do("set_down", name=name)

    def set_master(self, name: str, bridge: str) -> Trace:
        """Plug a link into a bridge as a port of it. Source: ip-link(8)."""
        return self._do("set_master", name=name, bridge=bridge)

    def set_mtu(self, name: str, size: int) -> Trace:
        """Set the largest packet of a link, in bytes. Source: ip-link(8)."""
        return self._do("set_mtu", name=name, size=size)

    def add_address(self, name: str, address: str) -> Trace:
        """Give a link an address, and the bits of its network: `"10.0.0.1/24"`.

        The kernel adds a route to that network, once the link is up. Source: ip-address(8).
        """
        own = _interface(address)
        return self._do("add_address", name=name, address=str(own.ip), prefix=own.network.prefixlen)

    def add_route(self, destination: str, via: str) -> Trace:
        """Send what is for a network to a gateway: `add_route("default", via="10.0.0.1")`.

        Args:
            destination: As `10.0.0.0/24`, or `default`.
            via: The gateway's address.

        Source: ip-route(8).
        """
        to = _interface("0.0.0.0/0" if destination == "default" else destination)
        return self._do(
            "add_route",
            destination=str(to.ip),
            prefix=to.network.prefixlen,
            gateway=str(_interface(via).ip),
        )

    def nft(self, rules: str) -> Trace:
        """Apply packet filter rules, all or none: what could stand in a file for nft(8)."""
        return self._do("nft", rules=rules)

    def rules(self, table: str) -> str:
        """Return an IPv4 table of packet filter rules as `nft list table` prints it, with counters.

        It is empty if there is no such table. Source: nft(8).
        """
        return str(self._ask("rules", table=table)["value"])

    def socket(self, kind: str = "udp") -> Socket:
        """Return a socket of the process's network, whoever uses it: `tcp`, `udp` or `icmp`.

        Source: network_namespaces(7); socket(2).
        """
        return self._opened("socket", kind=kind)

    def capture(self, link: str) -> Capture:
        """Return an ear at a link: it hears each frame from now on. Source: packet(7)."""
        there: dict[str, int] = self._agent.call("namespaces", pid=self.pid)
        return Capture(self._opened("capture", link=link), link, there["net"])

    def ping(self, address: str, seconds: float = 1.0) -> Echo:
        """Send a ping, again and again until it is answered; return what became of it.

        Args:
            address: To whom.
            seconds: How long to wait for an answer.
        """
        to = str(_interface(address).ip)
        return ping(self.socket("icmp"), to, seconds)

    def _opened(self, request: str, **arguments: Any) -> Socket:
        [fd] = self._ask(request, **arguments)["fds"]
        return Socket(fileno=fd)

    def _do(self, request: str, **arguments: Any) -> Trace:
        raise NotImplementedError

    def _ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        raise NotImplementedError


def _interface(text: str) -> ipaddress.IPv4Interface:
    try:
        return ipaddress.IPv4Interface(text)
    except ValueError as error:
        raise LabError(
            f"{text!r:.60} is no IPv4 address", "Write it as 10.0.0.1, or 10.0.0.1/24"
        ) from error

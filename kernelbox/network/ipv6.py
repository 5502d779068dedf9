"""A network's IPv6 beside its IPv4: a subnet that nobody else has, and a container's address in it.

Which one a container gets is plain to see: the number that its IPv4 address has in its subnet is
its number here too. 10.170.0.2 of 10.170.0.0/24 goes with fd12:3456:789a::2.

A subnet that nobody names is a *unique local* one: `fd`, and forty bits by lot, so that two hosts
that are joined one day have different ones. What is translated on the way out is so for IPv6 as it
is for IPv4, as Docker does it.

Source: RFC 4193, section 3.2.
"""

from __future__ import annotations

import os
import socket
from itertools import chain

from kernelbox.kernel import files
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.network import addresses, subnets
from kernelbox.network.addresses import Subnet, locked, number
from kernelbox.network.subnets import Taken, demand_free, overlap, taken_by_networks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.network.link_names import Bridge

_UNIQUE_LOCAL = 0xFD << 120
_LINK_LOCAL = Subnet(0xFE80 << 112, 10, 128)
_MULTICAST = Subnet(0xFF << 120, 8, 128)
_LOW = Subnet(0, 8, 128)  # loopback, and IPv4 in IPv6's clothes
_EVERYBODYS = (_LINK_LOCAL, _MULTICAST, _LOW)
_PREFIXES = (16, 120)
_HINT = "Write it like fd12:3456:789a::/64"


def check(text: str) -> None:
    """Check an IPv6 subnet that a person wishes.

    Raises:
        UsageError: It is none, or none that a link can have.
    """
    try:
        found = Subnet.parse(text)
    except (OSError, ValueError):
        raise UsageError(f"{text!r:.80} is no IPv6 subnet", _HINT) from None
    least, most = _PREFIXES
    if not least <= found.prefix <= most:
        raise UsageError(f"the subnet {text} has no prefix from /{least} to /{most}", _HINT)
    if found.first != number(text.partition("/")[0]):
        raise UsageError(f"{text} is an address in a subnet", f"Write the subnet: {found}")
    if any(map(found.overlaps, _EVERYBODYS)):
        raise UsageError(f"no network can have the subnet {text}: it is reserved", _HINT)


def demand() -> None:
    """Refuse IPv6 where the host has none.

    Raises:
        KernelboxError: The kernel speaks no IPv6, or it is switched off.
    """
    switch = "/proc/sys/net/ipv6/conf/all/disable_ipv6"
    if not os.path.exists(switch):
        raise KernelboxError("this kernel speaks no IPv6", "Leave out --ipv6")
    if files.read(switch).strip() != "0":
        raise KernelboxError(
            "this host has IPv6 switched off",
            "Switch it on (sysctl net.ipv6.conf.all.disable_ipv6=0), or leave out --ipv6",
        )


def choose(wanted: str) -> Subnet:
    """Return the subnet that a new network gets: what is wanted, or one by lot.

    Raises:
        UsageError: What is wanted overlaps one that is in use.
    """
    in_use = taken() + taken_by_networks()
    if wanted:
        return demand_free(Subnet.parse(wanted), in_use)
    while overlap(subnet := _by_lot(), in_use):
        pass
    return subnet


def _by_lot() -> Subnet:
    lot = int.from_bytes(os.urandom(5), "big")
    return Subnet(_UNIQUE_LOCAL | lot << 80, 64, 128)


def taken(link: str = "") -> list[Taken]:
    """Return the IPv6 subnets that the host has routes to.

    Args:
        link: A bridge that does not count.
    """
    return [
        one
        for one in subnets.taken(link, socket.AF_INET6)
        if not any(map(one.subnet.overlaps, _EVERYBODYS))
    ]


def lease_ipv6(
    bridge: Bridge,
    container_id: str,
    address: str,
    record: Callable[[str, str], None],
    wanted: str = "",
) -> str:
    """Give a container an IPv6 address beside the other; nothing (empty) where there are none.

    Args:
        bridge: Of which network.
        container_id: The owner.
        address: The IPv4 address that it has there.
        record: Writes down what is about to be made: kind and name.
        wanted: An address to have, and no other.

    Raises:
        UsageError: The wanted address is no address of the network's, or not free.
        KernelboxError: Every address is taken.
    """
    subnet, network = bridge.subnet6, bridge.network
    if subnet is None:
        if wanted:
            raise UsageError(
                f"network {network} has no IPv6 addresses",
                "Make one that has: kernelbox network create --ipv6 NAME",
            )
        return ""
    with locked("cursor", network):
        if wanted:
            addresses.demand(subnet, bridge.gateway6, network, wanted)
            plain = addresses.written(number(wanted), 128)
            return addresses.take(network, plain, container_id, record)
        own = number(address) - bridge.subnet.first
        for place in chain([own] if own < subnet.size - 1 else [], range(1, subnet.size - 1)):
            found = subnet.address(place)
            if found != bridge.gateway6 and not addresses.is_leased(network, found):
                return addresses.take(network, found, container_id, record)
    raise KernelboxError(
        f"every address of {subnet} is taken", "Remove containers: kernelbox ps -a, kernelbox rm"
    )


def switch_on(link: str) -> None:
    """Let a link have IPv6 addresses, and let nobody on it say that he is the way out.

    A router announces itself, and every link that is no router's own believes it (CVE-2020-13401).

    Raises:
        KernelError: EACCES, EROFS.

    Source: kernel, `Documentation/networking/ip-sysctl.rst`, `disable_ipv6`, `accept_ra`.
    """
    for key in ("disable_ipv6", "accept_ra"):
        path = f"/proc/sys/net/ipv6/conf/{link}/{key}"
        if files.read(path).strip() != "0":
            files.write(path, "0")

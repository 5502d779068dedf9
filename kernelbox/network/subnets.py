"""Which subnets are free on this host: no route, address or name server of the host's is in one."""

from __future__ import annotations

import socket

from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import definition
from kernelbox.network.addresses import Subnet, number
from kernelbox.network.dns import nameservers
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Private networks that neither Docker (from 172.17 upwards), podman (10.88) nor the usual home
# router (192.168.0 and .1) begins with.
CANDIDATES = (
    "172.29.0.0/16",
    "172.30.0.0/16",
    "172.31.0.0/16",
    *(f"10.{number}.0.0/16" for number in range(129, 170)),
)


class Taken(NamedTuple):
    """A subnet that is in use, and what by, for a person."""

    subnet: Subnet
    by: str


def candidates_of_people() -> Iterable[Subnet]:
    """Yield the subnets that networks which people make may get: small ones, and many."""
    for second in range(170, 200):
        for third in range(256):
            yield Subnet(number(f"10.{second}.{third}.0"), 24)


def taken(link: str = "", family: int = socket.AF_INET) -> list[Taken]:
    """Return the networks that the host has routes to, but for the default route.

    Args:
        link: A bridge that does not count.
        family: AF_INET or AF_INET6; ipv6.py says which of the latter everybody has.
    """
    bits = 128 if family == socket.AF_INET6 else 32
    with RouteSocket() as host:
        names = {one.ifindex: one.name for one in host.links()}
        routes = [one for one in host.routes(family=family) if one.prefix]
        addresses = host.addresses(family)
    found = [
        Taken(
            Subnet(number(one.destination), one.prefix, bits),
            _way(one.gateway, names, one.ifindex),
        )
        for one in routes
        if names.get(one.ifindex) != link
    ]
    found += [
        Taken(Subnet.parse(f"{one.address}/{one.prefix}"), _way("", names, one.ifindex))
        for one in addresses
        if names.get(one.ifindex) != link
    ]
    if family == socket.AF_INET6:
        return found
    # A name server behind the default route must not vanish behind the bridge.
    return found + [Taken(Subnet(number(one), 32), "it is a name server") for one in nameservers()]


def _way(gateway: str, names: dict[int, str], ifindex: int) -> str:
    via = f"via {gateway} " if gateway else ""
    return f"the host reaches that {via}on {names.get(ifindex, '?')}"


def taken_by_networks(but: str = "") -> list[Taken]:
    """Return the subnets of the networks that people made, also of those that are not up."""
    found = []
    for name in definition.every():
        try:
            bridge = definition.read(name).bridge
        except KernelboxError:  # damaged: it cannot be used either
            continue
        if name != but:
            both = (bridge.subnet, bridge.subnet6)
            found += [Taken(one, f"it is network {name}") for one in both if one]
    return found


def overlap(subnet: Subnet, in_use: list[Taken]) -> Taken | None:
    """Return what a subnet overlaps with; None if it is free."""
    return next((one for one in in_use if subnet.overlaps(one.subnet)), None)


def demand_free(subnet: Subnet, in_use: list[Taken]) -> Subnet:
    """Return a subnet that a person wishes.

    Raises:
        UsageError: It overlaps one that is in use.
    """
    clash = overlap(subnet, in_use)
    if clash is not None:
        raise UsageError(
            f"the subnet {subnet} overlaps {clash.subnet}, and {clash.by}",
            "Choose another, or leave out --subnet",
        )
    return subnet


def first_free(candidates: Iterable[Subnet], in_use: list[Taken]) -> Subnet | None:
    """Return the first subnet that is free; None if none is."""
    return next((one for one in candidates if overlap(one, in_use) is None), None)

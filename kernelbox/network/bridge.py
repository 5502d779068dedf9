"""The default bridge: the switch that all containers of `--network bridge` are plugged into.

It is made when the first container needs it and stays for the next. `prepare` is called before
each of them, and repairs what is missing: a student may have deleted the bridge, its address or
its table, and a restart of the host's firewall deletes the table.
"""

from __future__ import annotations

import os

from kernelbox.kernel import files, netdevice, nft
from kernelbox.kernel.errors import KernelboxError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import nat
from kernelbox.network.addresses import (
    Subnet,
    directory,
    host_locked,
    leases,
    locked,
    number,
    reserve,
)
from kernelbox.network.dns import nameservers
from kernelbox.network.link_names import Bridge, bridge_and_table, link_name, mac_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.kernel.links import Link

# Private networks that neither Docker (from 172.17 upwards), podman (10.88) nor the usual home
# router (192.168.0 and .1) begins with.
CANDIDATES = (
    "172.29.0.0/16",
    "172.30.0.0/16",
    "172.31.0.0/16",
    *(f"10.{number}.0.0/16" for number in range(129, 170)),
)


def prepare(record: Callable[[str, str], None]) -> Bridge:
    """Make the default bridge and its rules, or repair them; usually, find all in order.

    Safe when several processes do it at once. A process that is stepped through this holds the
    others up.

    Args:
        record: Writes into the host's ledger what is about to be made: kind and name.

    Raises:
        KernelError: EPERM; EOPNOTSUPP if the kernel has no bridges, or no nftables.
        KernelboxError: nft is not installed; no candidate subnet is free.

    Source: ip-link(8), type bridge; Docker, "Bridge network driver".
    """
    name, table = bridge_and_table()
    with locked("lock"), host_locked():
        nft.demand()  # before anything is made
        subnet = _remembered_subnet()
        if subnet is None:
            # What is there already was made under a root whose files are lost: it is ours again.
            record("link", name)
            record("nft", table)
        if subnet is None or not (netdevice.exists(name) or leases()):
            subnet = _choose_subnet(name, subnet)
        bridge = Bridge(name, table, subnet)
        if not _is_whole(bridge):
            _repair(bridge, record)
        nat.prepare(name, table, str(subnet), record)
    return bridge


def lease(bridge: Bridge, container_id: str, record: Callable[[str, str], None]) -> str:
    """Give a container the next free address on the bridge: see `addresses.reserve`."""
    return reserve(bridge.subnet, container_id, record)


# --- the subnet ---------------------------------------------------------------------------------


def _remembered_subnet() -> Subnet | None:
    try:
        with open(f"{directory()}/subnet", encoding="ascii") as file:
            return Subnet.parse(file.read().strip())
    except (OSError, ValueError):
        return None


def _choose_subnet(name: str, remembered: Subnet | None) -> Subnet:
    """Return a subnet that nobody on this host uses, the remembered one if possible; note it."""
    in_use = _in_use(name)
    candidates = [remembered] if remembered else []
    candidates += [Subnet.parse(text) for text in CANDIDATES]
    for candidate in candidates:
        if not any(candidate.overlaps(taken) for taken in in_use):
            with open(f"{directory()}/subnet", "w", encoding="ascii") as file:
                file.write(f"{candidate}\n")
            return candidate
    raise KernelboxError(
        "no subnet is free for the bridge: the host's routes overlap all that it could have, "
        f"{CANDIDATES[0]} to {CANDIDATES[-1]}",
        f"Write one that is free into {directory()}/subnet, such as 10.77.0.0/16",
    )


def _in_use(name: str) -> list[Subnet]:
    """Return the networks that the host has routes to, but for the default route and our own."""
    with RouteSocket() as host:
        ours = {link.ifindex for link in host.links() if link.name == name}
        routes = [route for route in host.routes() if route.ifindex not in ours and route.prefix]
        addresses = [one for one in host.addresses() if one.ifindex not in ours]
    networks = [Subnet(number(route.destination), route.prefix) for route in routes]
    networks += [Subnet.parse(f"{one.address}/{one.prefix}") for one in addresses]
    # A name server behind the default route must not vanish behind the bridge.
    return networks + [Subnet(number(server), 32) for server in nameservers()]


# --- the link -----------------------------------------------------------------------------------


def _is_whole(bridge: Bridge) -> bool:
    expected = (bridge.gateway, bridge.subnet.prefix)
    return (
        netdevice.is_up(bridge.name)
        and netdevice.first_address(bridge.name) == expected
        and files.read(_setting(bridge, "route_localnet")).strip() == "1"
    )


def _setting(bridge: Bridge, key: str, family: str = "ipv4") -> str:
    return f"/proc/sys/net/{family}/conf/{bridge.name}/{key}"


def _repair(bridge: Bridge, record: Callable[[str, str], None]) -> None:
    """Make whatever the bridge lacks; all of it goes with the bridge."""
    name, prefix = bridge.name, bridge.subnet.prefix
    record("link", name)
    with RouteSocket() as host:
        links = {link.name: link for link in host.links()}
        if name not in links:
            host.add_bridge(name, mac_address(bridge.gateway))
            _configure(bridge, host, links)
            links = {link.name: link for link in host.links()}
        has = {
            (one.address, one.prefix)
            for one in host.addresses()
            if one.ifindex == links[name].ifindex
        }
        if (bridge.gateway, prefix) not in has:
            host.add_address(name, bridge.gateway, prefix)
        if not links[name].up:
            host.set_up(name)
    # Lets 127.0.0.1:8080 on the host be a container's port; see nat.py for what it must not let.
    if files.read(_setting(bridge, "route_localnet")).strip() != "1":
        files.write(_setting(bridge, "route_localnet"), "1")


def _configure(bridge: Bridge, host: RouteSocket, links: dict[str, Link]) -> None:
    # Packets that fit the container but not the host's way out would depend on path MTU
    # discovery, which many networks break.
    uplinks = {route.ifindex for route in host.routes() if route.prefix == 0 and route.ifindex}
    sizes = [link.mtu for link in links.values() if link.ifindex in uplinks]
    if sizes and min(sizes) < 1500:
        host.set_mtu(bridge.name, min(sizes))
    # A container must not become the host's IPv6 router by announcing itself (CVE-2020-13401).
    if os.path.exists(_setting(bridge, "accept_ra", "ipv6")):
        files.write(_setting(bridge, "accept_ra", "ipv6"), "0")
    # The containers of a bridge that was deleted are plugged in again.
    for container_id in leases().values():
        if link_name(container_id) in links:
            host.set_master(link_name(container_id), bridge.name)

"""A network's bridge: the switch that all of its containers are plugged into.

It is made when a container, or the network, first needs it, and stays for the next. `prepare` is
called before each of them, and repairs what is missing: a student may have deleted the bridge, its
address or its table, a restart of the host's firewall deletes the table, and a reboot all of it.
"""

from __future__ import annotations

import os

from kernelbox.kernel import files, netdevice, nft
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import definition, endpoints, ipv6, nat, on_wire, parents, ports, subnets
from kernelbox.network.addresses import (
    DEFAULT,
    Subnet,
    directory,
    host_locked,
    leases,
    locked,
    release_lease,
    reserve,
)
from kernelbox.network.link_names import Bridge, bridge_and_table, link_name, mac_address
from kernelbox.network.names import inside, keeper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.kernel.links import Link
    from kernelbox.network.subnets import Taken


def prepare(record: Callable[[str, str], None], network: str = DEFAULT) -> Bridge:
    """Make a network's bridge and its rules, or repair them; usually, find all in order.

    Safe when several processes do it at once. A process that is stepped through this holds the
    others up.

    Args:
        record: Writes into a ledger what is about to be made: kind and name.
        network: Which; the default one needs no definition.

    Raises:
        KernelError: EPERM; EOPNOTSUPP if the kernel has no bridges, or no nftables.
        UsageError: There is no such network.
        KernelboxError: nft is not installed; no candidate subnet is free, or a defined one not.

    Source: ip-link(8), type bridge; Docker, "Bridge network driver".
    """
    with locked("lock", network), host_locked():
        defined = None if network == DEFAULT else _defined(network)
        if defined is None or not defined.parent:
            nft.demand()  # before anything is made
        bridge = defined or _default(record)
        mend(bridge, record)
    return bridge


def remembered() -> Bridge | None:
    """Return the default bridge as it was made last; None if it never was."""
    subnet = _remembered_subnet()
    return Bridge(*bridge_and_table(), subnet) if subnet else None


def gateway(network: str) -> str:
    """Return the address of a network's bridge; of one without, that of the way out.

    Raises:
        UsageError: There is no such network.
    """
    found = remembered() if network == DEFAULT else definition.read(network).bridge
    return found.gateway if found else ""


def name_server(network: str) -> str:
    """Return where the name server of a network that people made answers. Raises as above."""
    found = definition.read(network).bridge
    return inside.ADDRESS if found.parent else found.gateway


def gateway6(network: str) -> str:
    """Return the IPv6 address of a network's bridge; empty where it has none. Raises as above."""
    return "" if network == DEFAULT else definition.read(network).bridge.gateway6


def mend(bridge: Bridge, record: Callable[[str, str], None]) -> None:
    """Make whatever a bridge lacks; the locks of `prepare` are held, and it raises as that."""
    if bridge.subnet6:
        ipv6.demand()
    if bridge.parent:
        parents.prepare(bridge, record)
    else:
        if not _is_whole(bridge):
            _repair(bridge, record)
        if nat.prepare(bridge, record):
            ports.publish_again(bridge)
    if bridge.network != DEFAULT:
        keeper.keep(bridge, record)


def lease(
    bridge: Bridge, container_id: str, record: Callable[[str, str], None], wanted: str = ""
) -> str:
    """Give a container the next free address on the bridge: see `addresses.reserve`.

    Raises:
        UsageError: Also if the wanted address is in use by somebody whom no lease knows.
    """
    address = reserve(
        bridge.subnet,
        container_id,
        record,
        network=bridge.network,
        gateway=bridge.gateway,
        wanted=wanted,
    )
    if wanted and (mac := on_wire.owner(bridge.link, wanted)):
        release_lease(f"{directory(bridge.network)}/{address}={container_id}")
        raise UsageError(
            f"the address {wanted} of network {bridge.network!r} is in use by {mac}, of whom no "
            "lease knows",
            f"Choose another, or leave out --ip. Who is there: ip neighbour show dev {bridge.link}"
            if bridge.parent
            else "Choose another, or leave out --ip. Where it is: bridge fdb show br "
            + bridge.name,
        )
    return address


# --- the subnet ---------------------------------------------------------------------------------


def _defined(network: str) -> Bridge:
    """Return the bridge of a network that somebody made.

    Raises:
        KernelboxError: It is not there, after a reboot perhaps, and its subnet is somebody else's.
    """
    bridge = definition.read(network).bridge
    if not bridge.parent and not netdevice.exists(bridge.name):
        _demand_free(network, bridge.subnet, subnets.taken(bridge.name))
        if bridge.subnet6:
            _demand_free(network, bridge.subnet6, ipv6.taken(bridge.name))
    return bridge


def _demand_free(network: str, subnet: Subnet, in_use: list[Taken]) -> None:
    clash = subnets.overlap(subnet, in_use)
    if clash is not None:
        raise KernelboxError(
            f"network {network} cannot have its subnet {subnet} any more: it overlaps "
            f"{clash.subnet}, and {clash.by}",
            f"Change that, or make the network anew: kernelbox network rm {network}",
        )


def _default(record: Callable[[str, str], None]) -> Bridge:
    """Return the default bridge, its subnet chosen when it is made first."""
    name, table = bridge_and_table()
    subnet = _remembered_subnet()
    if subnet is None:
        # What is there already was made under a root whose files are lost: it is ours again.
        record("link", name)
        record("nft", table)
    if subnet is None or not (netdevice.exists(name) or leases()):
        subnet = _choose_subnet(name, subnet)
    return Bridge(name, table, subnet)


def _remembered_subnet() -> Subnet | None:
    try:
        with open(f"{directory()}/subnet", encoding="ascii") as file:
            return Subnet.parse(file.read().strip())
    except (OSError, ValueError):
        return None


def _choose_subnet(name: str, remembered: Subnet | None) -> Subnet:
    """Return a subnet that nobody on this host uses, the remembered one if possible; note it."""
    candidates = [remembered] if remembered else []
    candidates += [Subnet.parse(text) for text in subnets.CANDIDATES]
    free = subnets.first_free(candidates, subnets.taken(name) + subnets.taken_by_networks())
    if free is None:
        raise KernelboxError(
            "no subnet is free for the bridge: the host's routes overlap all that it could have, "
            f"{subnets.CANDIDATES[0]} to {subnets.CANDIDATES[-1]}",
            f"Write one that is free into {directory()}/subnet, such as 10.77.0.0/16",
        )
    with open(f"{directory()}/subnet", "w", encoding="ascii") as file:
        file.write(f"{free}\n")
    return free


# --- the link -----------------------------------------------------------------------------------


def _is_whole(bridge: Bridge) -> bool:
    expected = (bridge.gateway, bridge.subnet.prefix)
    return (
        netdevice.is_up(bridge.name)
        and netdevice.first_address(bridge.name) == expected
        and files.read(_setting(bridge, "route_localnet")).strip() == "1"
        and _has_ipv6(bridge)
    )


def _has_ipv6(bridge: Bridge) -> bool:
    """Whether a bridge has the IPv6 address that it is to have, if it is to have any."""
    if bridge.subnet6 is None:
        return True
    return netdevice.has_address6(bridge.name, bridge.gateway6, bridge.subnet6.prefix)


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
        if bridge.subnet6 and not _has_ipv6(bridge):
            ipv6.switch_on(name)
            host.add_address(name, bridge.gateway6, bridge.subnet6.prefix)
    # Lets 127.0.0.1:8080 on the host be a container's port; see nat.py for what it must not let.
    if files.read(_setting(bridge, "route_localnet")).strip() != "1":
        files.write(_setting(bridge, "route_localnet"), "1")


def _configure(bridge: Bridge, host: RouteSocket, links: dict[str, Link]) -> None:
    # Packets that fit the container but not the host's way out would depend on path MTU
    # discovery, which many networks break.
    uplinks = {route.ifindex for route in host.routes() if route.prefix == 0 and route.ifindex}
    sizes = [link.mtu for link in links.values() if link.ifindex in uplinks]
    size = bridge.mtu or min([*sizes, 1500])
    if size != 1500:
        host.set_mtu(bridge.name, size)
    # A container must not become the host's IPv6 router by announcing itself (CVE-2020-13401).
    if os.path.exists(_setting(bridge, "accept_ra", "ipv6")):
        files.write(_setting(bridge, "accept_ra", "ipv6"), "0")
    # The containers of a bridge that was deleted are plugged in again.
    for one in endpoints.of(bridge.network).values():
        name = link_name(one.container, one.device)
        if name in links:
            host.set_master(name, bridge.name)
            if not bridge.icc:
                host.set_isolated(name)

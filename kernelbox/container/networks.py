"""Networks that people make: made, listed, told of, removed, joined and left.

A container may be on several. The one that it came with is its eth0, and each further one the next
free number. The default route belongs to the first of them in this order that is not internal, as
long as the container is on it.
"""

from __future__ import annotations

import time
from contextlib import suppress

from kernelbox import network
from kernelbox.container import ledger, state
from kernelbox.container.birth import own_files
from kernelbox.container.lifecycle import cleanup
from kernelbox.kernel import netdevice, process
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import (
    addresses,
    creation,
    definition,
    endpoints,
    link_inside,
    link_names,
)
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.container.spec import Spec
    from kernelbox.container.state import State
    from kernelbox.network.definition import Definition
    from kernelbox.network.link_names import Bridge


def create(wish: Definition) -> None:
    """Make a network; one that cannot be made whole leaves nothing.

    Raises:
        UsageError, KernelboxError: As `creation.create`.
    """
    state.prepare()
    before = definition.exists(wish.name)
    try:
        creation.create(wish, ledger.recording(wish.name))
    except BaseException:
        if not before and definition.exists(wish.name):
            with suppress(KernelboxError):
                remove(wish.name)
        raise


def remove(name: str) -> None:
    """Remove a network that no container is on: its bridge, its rules, its definition.

    Raises:
        UsageError: It is not there, or one of those that always are; or a container is on it.
        KernelboxError: Something resisted; the network is still there, and can be removed again.
    """
    if name in creation.TAKEN_WORDS:
        raise UsageError(f"the network {name} is always there", "Remove those that you have made")
    if not definition.exists(name):
        raise addresses.missing(name)
    with creation.removing(name, _known_as):
        cleanup.undo(ledger.of_network(name))
        creation.forget(name, f"{paths.trash()}/network-{name}")
    cleanup.delete_files(f"network-{name}")


def attach(container_id: str, name: str, aliases: list[str], ip: str = "", ip6: str = "") -> None:
    """Connect a container to one more network: now if it runs, and whenever it is started.

    Args:
        container_id: Which.
        name: Of the network.
        aliases: What it is called there, besides its name and id.
        ip: The address that it wants there; empty for the next.
        ip6: The IPv6 address, likewise.

    Raises:
        UsageError: It cannot be: the container has no network of its own, or is on that network
            already; or as `addresses.reserve`.
        KernelboxError: The container has ended meanwhile. Nothing is left of it.

    Source: Docker, "docker network connect".
    """
    with state.housekeeping():
        spec, its = _plugged_in(container_id)
        wish: dict[str, Any] = {"name": name, "aliases": aliases, "ip": ip, "ip6": ip6}
        on = {spec.kernelbox.network, *(one["name"] for one in spec.kernelbox.joined)}
        if name in (endpoints.of_container(container_id) if its.status == "running" else on):
            raise UsageError(f"container {container_id} is on network {name} already", _LS)
        if (ip or ip6 or aliases) and name == addresses.DEFAULT:
            raise UsageError("the default network gives no aliases, nor addresses of choice", _LS)
        if name != addresses.DEFAULT and not network.exists(name):
            raise addresses.missing(name)
        if its.status == "running":
            end = _join(spec, its.pid, **wish)
            if state.read(container_id).status != "running":
                _take_off(container_id, name, [end.address, end.address6], end.device, its.pid)
                raise KernelboxError(f"container {container_id} has ended meanwhile")
            _rewrite_files(spec)
        if name != spec.kernelbox.network:
            _note(container_id, [*spec.kernelbox.joined, wish])


def join_again(spec: Spec, pid: int) -> None:
    """Connect a container that is about to start to the networks that it was connected to.

    Raises:
        UsageError: One is gone, or gives it no address.
    """
    with state.housekeeping():
        for wish in spec.kernelbox.joined:
            _join(spec, pid, **wish)
        _rewrite_files(spec)


def _join(
    spec: Spec, pid: int, name: str, aliases: list[str], ip: str, ip6: str
) -> endpoints.Endpoint:
    """Connect the container whose first process is `pid` to a network; or leave nothing of that."""
    container_id, ends = spec.id, endpoints.of_container(spec.id)
    bridge = network.prepare(ledger.recording(name), name)
    own = ledger.Ledger(paths.container(container_id))
    used = {one.device for one in ends.values()}
    device = next(one for number in range(256) if (one := f"eth{number}") not in used)
    address = network.lease(bridge, container_id, own.record, ip)
    called = str(state.extra(container_id).get("name") or container_id)
    address6 = ""
    try:
        address6 = network.lease_ipv6(bridge, container_id, address, own.record, ip6)
        mac = network.connect(
            bridge, pid, container_id, address, own.record, device, address6=address6
        )
        servers = [one for one in spec.kernelbox.dns if bridge.reaches(one)]
        end = endpoints.Endpoint(
            container_id,
            address,
            [called, *aliases],
            mac,
            device,
            servers,
            address6=address6,
            process=f"{pid} {process.start_time(pid)}" if bridge.parent else "",
        )
        endpoints.add(name, end, own.record)
        return end
    except BaseException:
        _take_off(container_id, name, [address, address6], device, pid)
        raise


def _note(container_id: str, joined: list[dict[str, Any]]) -> None:
    """Write down which networks a container is to be on besides the one that it came with."""
    config = state.config(container_id)
    config["kernelbox"]["joined"] = joined
    state.write_config(container_id, config)


def detach(container_id: str, name: str) -> None:
    """Disconnect a container from a network. The one that it came with is back at its next start.

    Raises:
        UsageError: It is not on it.

    Source: Docker, "docker network disconnect".
    """
    with state.housekeeping():
        spec, its = _plugged_in(container_id)
        ends = endpoints.of_container(container_id)
        joined = [one for one in spec.kernelbox.joined if one["name"] != name]
        if name not in ends and len(joined) == len(spec.kernelbox.joined):
            raise UsageError(f"container {container_id} is not on a network {name!r:.80}", _LS)
        _note(container_id, joined)
        if name not in ends:
            return
        network.release["ports"](f"{link_names.bridge_and_table(name)[1]}:{container_id}")
        end = ends.pop(name)
        _take_off(container_id, name, [end.address, end.address6], end.device, its.pid)
        for gateway in (network.gateway, network.gateway6):
            ways = [
                (gateway(one), ends[one].device) for one in ends if not network.is_internal(one)
            ]
            network.route_out(its.pid, [way for way in ways if way[0]])
        _rewrite_files(spec)


_LS = "See: kernelbox network ls, kernelbox network inspect NETWORK"


def _plugged_in(container_id: str) -> tuple[Spec, State]:
    """Return spec and state of a container that has a network of its own."""
    its = state.read(container_id)
    spec = state.spec(container_id)
    if not spec.kernelbox.is_plugged_in:
        raise UsageError(
            f"container {container_id} has network {spec.kernelbox.network}, and no other goes "
            "with it",
            "Start it with --network NAME or bridge",
        )
    return spec, its


def _take_off(container_id: str, name: str, its: list[str], device: str, pid: int) -> None:
    """Undo what `attach` made; what it did not come to is fine."""
    network.release["endpoint"](f"{name}={container_id}")
    link = link_names.link_name(container_id, device)
    if network.is_macvlan(name):
        network.release["standing"](f"{name}={container_id} {device}")
        with suppress(KernelboxError), link_inside.namespace_of(pid) as netns_fd:  # it has ended
            link_inside.unplug(netns_fd, device)
    elif netdevice.exists(link):
        with RouteSocket() as host:
            host.delete_link(link)
    for address in filter(None, its):
        network.release["lease"](f"{addresses.directory(name)}/{address}={container_id}")


def _rewrite_files(spec: Spec) -> None:
    """Bring a container's hosts and resolv.conf up to the networks that it is on."""
    ends = endpoints.of_container(spec.id)
    its = [address for one in ends.values() for address in (one.address, one.address6) if address]
    own_files.write(spec, its, list(ends))


def prune() -> list[str]:
    """Remove all networks that no container is on; return their names."""
    removed = []
    for name in definition.every():
        with suppress(UsageError):  # somebody is on it, or was faster
            remove(name)
            removed.append(name)
    return removed


def every() -> list[Bridge]:
    """Return all networks: the default one if it was ever used, then people's."""
    found = [definition.read(name).bridge for name in definition.every()]
    default = network.remembered()
    return [default, *found] if default else found


def inspection(name: str) -> dict[str, Any]:
    """Return all that is known about a network, in Docker's words where it has one.

    Raises:
        UsageError: There is no such network.

    Source: Docker Engine API, "Inspect a network".
    """
    default = network.remembered() if name == addresses.DEFAULT else None
    created = 0.0
    if default is None:
        made = definition.read(name)
        default, created = made.bridge, made.created
    return {
        "Name": name,
        "Created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created)) if created else "",
        "Driver": "macvlan" if default.parent else "bridge",
        "EnableIPv6": default.subnet6 is not None,
        "IPAM": {
            "Config": [
                {"Subnet": str(subnet), "Gateway": gateway}
                for subnet, gateway in (
                    (default.subnet, default.gateway),
                    (default.subnet6, default.gateway6),
                )
                if subnet
            ]
        },
        "Internal": default.internal,
        "Containers": containers(default),
        "Options": _options(default),
        "Table": "" if default.parent else default.table,
    }


def _options(bridge: Bridge) -> dict[str, str]:
    size = {"com.docker.network.driver.mtu": str(bridge.mtu or "")}
    if bridge.parent:
        return {"parent": bridge.parent, "macvlan_mode": bridge.mode, **size}
    return {
        "com.docker.network.bridge.name": bridge.name,
        "com.docker.network.bridge.enable_icc": str(bridge.icc).lower(),
        **size,
    }


def containers(bridge: Bridge) -> dict[str, dict[str, str]]:
    """Return who is on a network, by id: name, address and MAC address."""
    return {
        one.container: {
            "Name": one.names[0],
            "MacAddress": one.mac,
            "IPv4Address": f"{one.address}/{bridge.subnet.prefix}",
            "IPv6Address": f"{one.address6}/{bridge.subnet6.prefix}" if bridge.subnet6 else "",
        }
        for _, one in sorted(endpoints.of(bridge.network).items())
    }


def _known_as(container_id: str) -> str:
    """Return a container's name; its id, if its config is damaged or gone."""
    with suppress(KernelboxError):
        return str(state.extra(container_id).get("name") or container_id)
    return container_id

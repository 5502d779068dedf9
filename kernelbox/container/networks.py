"""Networks that people make: made, listed, told of, removed, with who is on them."""

from __future__ import annotations

import time
from contextlib import suppress

from kernelbox import network
from kernelbox.container import cleanup, ledger, state
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.network import addresses, creation, definition, link_names
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


def prune() -> list[str]:
    """Remove all networks that no container is on; return their names."""
    removed = []
    for name in definition.every():
        with suppress(UsageError):  # somebody is on it, or was faster
            remove(name)
            removed.append(name)
    return removed


def every() -> list[Bridge]:
    """Return all networks with a bridge: the default one if it was ever used, then people's."""
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
        "Driver": "bridge",
        "EnableIPv6": False,
        "IPAM": {"Config": [{"Subnet": str(default.subnet), "Gateway": default.gateway}]},
        "Internal": default.internal,
        "Containers": containers(default),
        "Options": {
            "com.docker.network.bridge.name": default.name,
            "com.docker.network.bridge.enable_icc": str(default.icc).lower(),
            "com.docker.network.driver.mtu": str(default.mtu or ""),
        },
        "Table": default.table,
    }


def containers(bridge: Bridge) -> dict[str, dict[str, str]]:
    """Return who is on a network, by id: name, address and MAC address."""
    found = addresses.leases(bridge.network)
    return {
        container_id: {
            "Name": _known_as(container_id),
            "MacAddress": link_names.mac_address(address),
            "IPv4Address": f"{address}/{bridge.subnet.prefix}",
        }
        for address, container_id in sorted(found.items(), key=lambda one: one[1])
    }


def _known_as(container_id: str) -> str:
    """Return a container's name; its id, if its config is damaged or gone."""
    with suppress(KernelboxError):
        return str(state.extra(container_id).get("name") or container_id)
    return container_id

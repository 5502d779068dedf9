"""Networks that a student makes in a notebook: gone with the agent.

Each is one like any other, with a definition and a ledger of its own; beside these a file says
which agent has made it. Where that agent was killed, the next one takes the network away.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress

from kernelbox.agent import groups
from kernelbox.container import names, networks, state
from kernelbox.container.lifecycle import stopping
from kernelbox.container.options import network_options
from kernelbox.kernel import door, process
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.network import addresses, creation, definition, endpoints
from kernelbox.plumbing import storage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_PATIENCE = 5.0  # seconds: at the end, who is on a network is being removed by its monitor
_STEP = 0.05


def make(network: str, wish: dict[str, Any]) -> dict[str, Any]:
    """Make a network; one of this name that this agent has made goes first.

    Args:
        network: Its name.
        wish: `subnet`, `gateway`, `options`, `internal` as for `creation.define`.

    Returns:
        `network`: its bridge, nft table, subnet and gateway. `events`: what the kernel was asked.

    Raises:
        UsageError, KernelboxError: As `networks.create`.
    """
    if is_ours(network):
        remove(network)
    with _heard() as events:
        networks.create(creation.define(network, **wish))
    storage.write(_mark(network), _identity())
    made = definition.read(network).bridge
    found = {"bridge": made.name, "table": made.table, "subnet": str(made.subnet)}
    return {"network": {**found, "gateway": made.gateway}, "events": events}


def connect(network: str, container: str, aliases: list[str], ip: str) -> list[door.Event]:
    """Connect a running container to one more network; return what the kernel was asked for it.

    Raises:
        UsageError, KernelboxError: As `networks.attach`.
    """
    with _heard() as events:
        wanted = [network_options.alias(one) for one in aliases]
        networks.attach(names.find(container), network, wanted, ip)
    return events


def disconnect(network: str, container: str) -> list[door.Event]:
    """Disconnect a running container; return what the kernel was asked. Raises as `detach`."""
    with _heard() as events:
        networks.detach(names.find(container), network)
    return events


def remove(network: str) -> None:
    """Remove a network, and the containers that came with it; who joined it later, leaves it.

    One that is gone is fine.

    Raises:
        UsageError: No agent has made it; somebody is on it who does not go.
    """
    if not definition.exists(network):
        return
    if not os.path.exists(_mark(network)):
        raise UsageError(
            f"network {network} was not made in a notebook",
            f"Remove it: kernelbox network rm {network}",
        )
    deadline = time.monotonic() + _PATIENCE
    while True:
        _empty(network)
        try:
            return networks.remove(network)
        except UsageError:  # in use, or gone meanwhile
            if not definition.exists(network):
                return
            if time.monotonic() > deadline:
                raise
            time.sleep(_STEP)


def _empty(name: str) -> None:
    for container, end in endpoints.of(name).items():
        with suppress(KernelboxError):  # its monitor is faster
            if end.device == "eth0" or state.read(container).status != "running":
                stopping.remove(container, force=True)
            else:
                networks.detach(container, name)


def end() -> None:
    """Remove the networks of this agent."""
    for name in filter(is_ours, definition.every()):
        with suppress(KernelboxError):  # the next agent tries again, and `reset` knows it
            remove(name)


def sweep() -> None:
    """Remove the networks of agents that were killed."""
    for name in definition.every():
        with suppress(KernelboxError, OSError):
            if not groups.is_alive(storage.read(_mark(name))):
                remove(name)


def is_ours(name: str) -> bool:
    """Whether this agent has made a network."""
    try:
        return storage.read(_mark(name)) == _identity()
    except OSError:
        return False


def _mark(name: str) -> str:
    return f"{addresses.directory(name)}/agent"


def _identity() -> str:
    return f"{os.getpid()}-{process.start_time(os.getpid())}"


@contextmanager
def _heard() -> Iterator[list[door.Event]]:
    """Collect what the kernel is asked."""
    events: list[door.Event] = []
    before, door.sink = door.sink, events.append
    try:
        yield events
    finally:
        door.sink = before


REQUESTS: dict[str, Callable[..., Any]] = {
    "make_network": make,
    "connect_network": connect,
    "disconnect_network": disconnect,
    "remove_network": remove,
}

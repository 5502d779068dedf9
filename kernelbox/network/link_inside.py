"""A container's link as it is inside, whatever it is at its other end: address, default route."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager

from kernelbox.kernel import flags as k
from kernelbox.kernel import netdevice, netlink
from kernelbox.kernel.errors import KernelboxError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import ipv6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.network.link_names import Bridge


@contextmanager
def namespace_of(pid: int) -> Iterator[int]:
    """Hold a descriptor of the network namespace of a process.

    Raises:
        KernelboxError: The process has ended.
    """
    try:
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise KernelboxError(f"process {pid} ended before it had a network") from gone
    try:
        yield fd
    finally:
        os.close(fd)


def configure(bridge: Bridge, container: RouteSocket, addresses: list[str], device: str) -> None:
    """Give a link its addresses, set it up, and let it be the way out, if there is none.

    The caller is inside.

    Args:
        bridge: Of its network.
        container: Opened inside.
        addresses: Of IPv4, and of IPv6; empty without that.
        device: What the link is called inside.

    Raises:
        KernelError: EEXIST, EADDRINUSE; see `RouteSocket`.

    Source: ip-address(8); ip-route(8).
    """
    address, address6 = addresses
    container.add_address(device, address, bridge.subnet.prefix)
    if address6 and bridge.subnet6:
        ipv6.switch_on(device)
        container.add_address(device, address6, bridge.subnet6.prefix)
    container.set_up(device)
    for gateway in (bridge.gateway, bridge.gateway6):
        if gateway and not bridge.internal and not _has_way_out(container, device, gateway):
            container.add_default_route(gateway, device)


def _has_way_out(container: RouteSocket, device: str, gateway: str) -> bool:
    """Whether a container has a default route already, of the kind that goes to this gateway.

    With its first link it cannot have any.
    """
    return device != "eth0" and _has_default_route(container, gateway)


def _has_default_route(container: RouteSocket, gateway: str) -> bool:
    family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
    routes = container.routes(k.RT_TABLE_MAIN, family)
    return any(one.prefix == 0 and one.gateway for one in routes)


def route_out(pid: int, ways: list[tuple[str, str]]) -> None:
    """Give a container a default route again, if it has none.

    Args:
        pid: A process in its network namespace.
        ways: Gateways and links inside that could have it, the best first; of IPv4 or of IPv6.

    Raises:
        KernelboxError: The container has ended.
    """
    with (
        namespace_of(pid) as netns_fd,
        netlink.inside(netns_fd, f"nsenter -t {pid} -n"),
        RouteSocket() as container,
    ):
        if ways and not _has_default_route(container, ways[0][0]):
            container.add_default_route(*ways[0])


def unplug(netns_fd: int, device: str) -> None:
    """Delete a link inside, and with it what it leads to; one that is gone is fine."""
    with netlink.inside(netns_fd):
        if netdevice.exists(device):
            with RouteSocket() as container:
                container.delete_link(device)

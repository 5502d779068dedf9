"""A container's eth0 (eth1, ...): one end of a veth pair, whose other is plugged into the bridge.

What goes in at one end comes out at the other, so the pair is a cable through the wall of the
network namespace. The container's end is born inside, with its name and MAC address.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from contextlib import contextmanager

from kernelbox.kernel import flags as k
from kernelbox.kernel import netdevice, netlink
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import ipv6
from kernelbox.network.link_names import link_name, mac_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelbox.network.link_names import Bridge


def connect(
    bridge: Bridge,
    pid: int,
    container_id: str,
    address: str,
    record: Callable[[str, str], None],
    device: str = "eth0",
    mac: str = "",
    address6: str = "",
) -> None:
    """Connect the network namespace of process `pid` to the bridge.

    The default route is its network's who came first, but for an internal one, which has none.

    What fails half-way is in the ledger, and `release_link` removes both ends.

    Args:
        bridge: From `prepare`.
        pid: A process in the container's network namespace.
        container_id: Whose it is.
        address: From `lease`.
        record: Writes down what is about to be made: kind and name.
        device: What the link is called inside.
        mac: The container's MAC address; empty for the one that belongs to its address.
        address6: From `lease_ipv6`; empty without IPv6.

    Raises:
        KernelError: EEXIST if the namespace has a link of this name already; EPERM.
        KernelboxError: The container has ended; or its link exists already.

    Source: veth(4); ip-link(8); ip-route(8).
    """
    name = link_name(container_id, device)
    if netdevice.exists(name):
        raise KernelboxError(f"a link {name} exists already", f"Look at it: ip link show {name}")
    with _namespace_of(pid) as netns_fd:
        record("link", name)
        with RouteSocket() as host:
            host.add_veth(
                name,
                device,
                netns_fd=netns_fd,
                peer_mac=mac or mac_address(address),
                mtu=netdevice.mtu(bridge.name) or 1500,
                netns=str(pid),
            )
            host.set_master(name, bridge.name)
            if not bridge.icc:
                host.set_isolated(name)
            host.set_up(name)
            _configure_inside(netns_fd, pid, bridge, [address, address6], device)
            for link in (name, bridge.name):
                host.wait_until_running(link)


def _configure_inside(
    netns_fd: int, pid: int, bridge: Bridge, addresses: list[str], device: str
) -> None:
    address, address6 = addresses
    with netlink.inside(netns_fd, f"nsenter -t {pid} -n"):
        netdevice.loopback_up()
        with RouteSocket() as container:
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
        _namespace_of(pid) as netns_fd,
        netlink.inside(netns_fd, f"nsenter -t {pid} -n"),
        RouteSocket() as container,
    ):
        if ways and not _has_default_route(container, ways[0][0]):
            container.add_default_route(*ways[0])


@contextmanager
def _namespace_of(pid: int) -> Iterator[int]:
    try:
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise KernelboxError(f"process {pid} ended before it had a network") from gone
    try:
        yield fd
    finally:
        os.close(fd)


def release_link(name: str) -> None:
    """Remove a link; one that is gone is fine.

    The kernel removes a container's veth by itself when the network namespace ends, a moment
    after its last process. It gets that moment: the name goes early, while a request to delete a
    link is answered late, when nobody uses it any more.
    """
    if _goes_by_itself(name):
        return
    try:
        with RouteSocket() as host:
            host.delete_link(name)
    except KernelError as refusal:
        if refusal.errno != errno.ENODEV:  # it went while we came
            raise


def _goes_by_itself(name: str, seconds: float = 0.02) -> bool:
    deadline = time.monotonic() + seconds
    while netdevice.exists(name):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.0002)
    return True

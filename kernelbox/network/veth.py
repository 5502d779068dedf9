"""A container's eth0: one end of a veth pair, whose other end is plugged into the bridge.

What goes in at one end comes out at the other, so the pair is a cable through the wall of the
network namespace. The container's end is born inside, with its name and MAC address.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager

from kernelbox.kernel import netdevice, netlink
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.network.addresses import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelbox.network.bridge import Bridge


def link_name(container_id: str) -> str:
    """Return the name of the host's end: `veth` and the first seven digits of the id."""
    return f"veth{container_id[:7]}"


def mac_address(address: str) -> str:
    """Return the MAC address that belongs to an IPv4 address: 02:42 and its four bytes.

    Whoever gets the address later has the same MAC, so no ARP cache is ever wrong about it. The
    bit 02 marks it as locally administered; Docker uses the same ones.

    Source: IEEE 802, "locally administered address"; Docker, `libnetwork/netutils`.
    """
    return "02:42:" + number(address).to_bytes(4, "big").hex(":")


def connect(
    bridge: Bridge,
    pid: int,
    container_id: str,
    address: str,
    record: Callable[[str, str], None],
) -> None:
    """Connect the network namespace of process `pid` to the bridge, as eth0.

    What fails half-way is in the ledger, and `release_link` removes both ends.

    Args:
        bridge: From `prepare`.
        pid: A process in the container's network namespace.
        container_id: Whose it is.
        address: From `lease`.
        record: Writes down what is about to be made: kind and name.

    Raises:
        KernelError: EEXIST if the namespace has an eth0 already; EPERM.
        KernelboxError: The container has ended; or its link exists already.

    Source: veth(4); ip-link(8); ip-route(8).
    """
    name = link_name(container_id)
    if netdevice.exists(name):
        raise KernelboxError(f"a link {name} exists already", f"Look at it: ip link show {name}")
    with _namespace_of(pid) as netns_fd:
        record("link", name)
        with netlink.RouteSocket() as host:
            host.add_veth(
                name,
                "eth0",
                netns_fd=netns_fd,
                peer_mac=mac_address(address),
                mtu=netdevice.mtu(bridge.name) or 1500,
                netns=str(pid),
            )
            host.set_master(name, bridge.name)
            host.set_up(name)
            _configure_inside(netns_fd, pid, bridge, address)
            for link in (name, bridge.name):
                host.wait_until_running(link)


def _configure_inside(netns_fd: int, pid: int, bridge: Bridge, address: str) -> None:
    with netlink.inside(netns_fd, f"nsenter -t {pid} -n"):
        netdevice.loopback_up()
        with netlink.RouteSocket() as container:
            container.add_address("eth0", address, bridge.subnet.prefix)
            container.set_up("eth0")
            container.add_default_route(bridge.gateway, "eth0")


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
    after its last process. So usually nothing is left to do here, and pyroute2 is not loaded.
    """
    if not netdevice.exists(name):
        return
    try:
        with netlink.RouteSocket() as host:
            host.delete_link(name)
    except KernelError as refusal:
        if refusal.errno != errno.ENODEV:  # it went while we came
            raise

"""A container's eth0: one end of a veth pair, whose other end is plugged into the bridge.

What goes in at one end comes out at the other, so the pair is a cable through the wall of the
network namespace. The container's end is born inside, with its name and MAC address.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager

from kernelbox.kernel import netdevice, netlink
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import endpoints
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
        with RouteSocket() as host:
            host.add_veth(
                name,
                "eth0",
                netns_fd=netns_fd,
                peer_mac=mac_address(address),
                mtu=netdevice.mtu(bridge.name) or 1500,
                netns=str(pid),
            )
            host.set_master(name, bridge.name)
            if not bridge.icc:
                host.set_isolated(name)
            host.set_up(name)
            _configure_inside(netns_fd, pid, bridge, address)
            for link in (name, bridge.name):
                host.wait_until_running(link)


def join(
    bridge: Bridge,
    container_id: str,
    address: str,
    names: list[str],
    record: Callable[[str, str], None],
) -> None:
    """Give a connected container its names on the network: from here on they mean its address.

    Args:
        bridge: From `prepare`.
        container_id: Whose they are.
        address: From `lease`.
        names: What it is called there; its id it is anyway.
        record: Writes down what is about to be made: kind and name.

    Raises:
        UsageError: There is no such network any more.
    """
    called = list(dict.fromkeys(name.lower() for name in (*names, container_id)))
    endpoint = endpoints.Endpoint(
        container_id, address, called, mac_address(address), "eth0", link_name(container_id)
    )
    endpoints.add(bridge.network, endpoint, record)


def _configure_inside(netns_fd: int, pid: int, bridge: Bridge, address: str) -> None:
    with netlink.inside(netns_fd, f"nsenter -t {pid} -n"):
        netdevice.loopback_up()
        with RouteSocket() as container:
            container.add_address("eth0", address, bridge.subnet.prefix)
            container.set_up("eth0")
            if not bridge.internal:
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

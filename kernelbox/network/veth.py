"""A container's eth0 (eth1, ...): one end of a veth pair, whose other is plugged into the bridge.

What goes in at one end comes out at the other, so the pair is a cable through the wall of the
network namespace. The container's end is born inside, with its name and MAC address.
"""

from __future__ import annotations

import errno
import time

from kernelbox.kernel import netdevice, netlink
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import link_inside
from kernelbox.network.link_names import link_name, mac_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.network.link_names import Bridge


def plug_in(
    bridge: Bridge,
    inside: tuple[int, int],
    container_id: str,
    addresses: list[str],
    record: Callable[[str, str], None],
    device: str,
    mac: str,
) -> str:
    """Lay a container's cable to the bridge: see `joining`.

    What fails half-way is in the ledger, and `release_link` removes both ends.

    Args:
        bridge: From `prepare`.
        inside: Its network namespace: open, and a process in it.
        container_id: Whose it is.
        addresses: Of IPv4, and of IPv6 or empty.
        record: Writes down what is about to be made: kind and name.
        device: What the link is called inside.
        mac: Its MAC address; empty for the one that belongs to its address.

    Returns:
        The MAC address that it has then.

    Raises:
        KernelError: EEXIST if the namespace has a link of this name already; EPERM.
        KernelboxError: The link exists already on the host.

    Source: veth(4); ip-link(8).
    """
    netns_fd, pid = inside
    mac = mac or mac_address(addresses[0])
    name = link_name(container_id, device)
    if netdevice.exists(name):
        raise KernelboxError(f"a link {name} exists already", f"Look at it: ip link show {name}")
    record("link", name)
    with RouteSocket() as host:
        host.add_veth(
            name,
            device,
            netns_fd=netns_fd,
            peer_mac=mac,
            mtu=netdevice.mtu(bridge.name) or 1500,
            netns=str(pid),
        )
        host.set_master(name, bridge.name)
        if not bridge.icc:
            host.set_isolated(name)
        host.set_up(name)
        with netlink.inside(netns_fd, f"nsenter -t {pid} -n"):
            netdevice.loopback_up()
            with RouteSocket() as container:
                link_inside.configure(bridge, container, addresses, device)
        for link in (name, bridge.name):
            host.wait_until_running(link)
    return mac


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

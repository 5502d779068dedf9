"""A container that stands on a link of the host's, its network's parent: a macvlan, and no bridge.

What it sends goes out on the parent's wire under a MAC address of its own, as if it were one more
machine there. So nothing is translated, no port is published, and no rule of the host's holds: who
reaches it is a matter of that wire. The host itself does not, by this link: a parent and those who
stand on it do not hear each other. What those hear of each other is the network's mode:

    bridge     each other, without the wire
    private    nobody who stands there
    vepa       each other by way of a switch that sends back where it came from
    passthru   there is one only, and it has the parent's own MAC address

Nobody listens at the gateway, which is a machine on that wire, so the name server listens inside:
see `names/inside.py`. It also is how the link is found again when no process is left in there.

Source: Docker, "Macvlan network driver"; kernel, `drivers/net/macvlan.c`.
"""

from __future__ import annotations

import errno
import os

from kernelbox.kernel import netdevice, netlink
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from kernelbox.kernel.stacking import StackingSocket
from kernelbox.network import link_inside
from kernelbox.network.link_names import mac_address
from kernelbox.network.names import inside as listening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.network.link_names import Bridge


def stand(
    network: Bridge,
    inside: tuple[int, int],
    container_id: str,
    addresses: list[str],
    record: Callable[[str, str], None],
    device: str,
    mac: str,
) -> str:
    """Let a container stand on its network's parent: see `joining`; arguments as `veth.plug_in`.

    What fails half-way is in the ledger, and `release_standing` removes it.

    Raises:
        UsageError: A MAC address is wished where there can be only the parent's.
        KernelError: EEXIST if the namespace has a link of this name already; EPERM.
        KernelboxError: Somebody has the parent for himself, or the MAC address.
    """
    netns_fd, pid = inside
    is_alone = network.mode == "passthru"
    if is_alone and mac:
        raise UsageError(
            f"who has {network.parent} for himself (passthru) has its MAC address, too",
            "Leave out --mac-address",
        )
    mac = mac or ("" if is_alone else mac_address(addresses[0]))
    record("standing", f"{network.network}={container_id} {device}")
    with netlink.inside(netns_fd, f"nsenter -t {pid} -n"):
        netdevice.loopback_up()
        sockets = listening.bound()
    listening.lend(network.network, container_id, sockets)
    with StackingSocket() as host:
        try:
            host.add_macvlan(
                network.parent,
                device,
                network.mode,
                netns_fd=netns_fd,
                mac=mac,
                mtu=network.mtu,
                netns=str(pid),
            )
        except KernelError as refusal:
            if refusal.errno not in (errno.EINVAL, errno.EBUSY):
                raise
            raise KernelboxError(
                f"{network.parent} takes nobody more: somebody has it for himself (passthru), or "
                "this network wants that and is not the first",
                f"See who: kernelbox network inspect {network.network}; ip -details link",
            ) from refusal
        carries = host.wait_until_running(network.parent, 0)
    with netlink.inside(netns_fd, f"nsenter -t {pid} -n"), StackingSocket() as container:
        try:
            link_inside.configure(network, container, addresses, device)
        except KernelError as refusal:
            if refusal.errno != errno.EADDRINUSE:
                raise
            raise KernelboxError(
                f"somebody else stands on {network.parent} with the MAC address {mac}",
                "Choose another: --mac-address, or --ip",
            ) from refusal
        if carries:
            container.wait_until_running(device)
        return next(one.mac for one in container.links() if one.name == device)


def release_standing(name: str) -> None:
    """Let a container stand there no more; `name` is as recorded, `NETWORK=ID DEVICE`.

    Its processes may have ended: the sockets of the name server know where they are. With the last
    of them goes the namespace, unless others have joined it, and the link with that.
    """
    where, _, device = name.rpartition(" ")
    network, _, container_id = where.partition("=")
    for one in listening.take_back(network, container_id):
        with one:
            netns_fd = netdevice.namespace_of(one)
        try:
            link_inside.unplug(netns_fd, device)
        finally:
            os.close(netns_fd)

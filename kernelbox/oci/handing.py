"""Links of the host's that a container gets: moved into its network namespace, as they are.

The kernel takes the addresses off on the way, so they are given again; those that were meant to
last, and for everywhere. Nobody takes a link back: with its namespace a physical one returns to the
host by itself, and any other is deleted.

Source: OCI runtime-spec, config-linux.md, "Network Devices"; network_namespaces(7).
"""

from __future__ import annotations

import os

from kernelbox.kernel import netdevice, netlink
from kernelbox.kernel.cabling import CablingSocket
from kernelbox.kernel.errors import UsageError
from kernelbox.kernel.rtnetlink import RouteSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.oci.config import Config


def hand_over(config: Config, pid: int) -> None:
    """Move a container's links to it, and set them up there.

    Args:
        config: The container.
        pid: Of its first process, which is in its network namespace.

    Raises:
        UsageError: There is no such link; a name is taken inside.
        KernelError: EINVAL if it has to stay where it is, as `lo` has.
    """
    shell = f"nsenter -t {pid} -n"
    netns_fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with CablingSocket() as host:
            with netlink.inside(netns_fd, shell):
                inside = RouteSocket()
            with inside:
                for name, wanted in config.netDevices.items():
                    _hand_over(host, inside, netns_fd, name, wanted)
    finally:
        os.close(netns_fd)


def _hand_over(
    host: CablingSocket, inside: RouteSocket, netns_fd: int, name: str, wanted: str
) -> None:
    before = {link.name for link in inside.links()}
    if wanted in before:
        raise UsageError(
            f"the container has a link {wanted} already: {name} cannot be called so",
            "Choose another name in linux.netDevices, such as eth%d",
        )
    if not netdevice.exists(name):
        raise UsageError(
            f"this host has no link {name:.40} to hand to the container",
            "See `ip link`, and linux.netDevices",
        )
    addresses = host.lasting_addresses(name)
    host.move(name, netns_fd, name_there=wanted)
    (given,) = {link.name for link in inside.links()} - before
    for one in addresses:
        inside.add_address(given, one.address, one.prefix)
    inside.set_up(given)

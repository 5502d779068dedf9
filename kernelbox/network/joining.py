"""A container joins a network: by a cable to its bridge, or by standing on its parent."""

from __future__ import annotations

from kernelbox.network import macvlan, veth
from kernelbox.network.link_inside import namespace_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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
) -> str:
    """Connect the network namespace of process `pid` to a network.

    The default route is its network's who came first, but for an internal one, which has none.

    What fails half-way is in the ledger, and its release removes all of it.

    Args:
        bridge: From `prepare`.
        pid: A process in the container's network namespace.
        container_id: Whose it is.
        address: From `lease`.
        record: Writes down what is about to be made: kind and name.
        device: What the link is called inside.
        mac: The container's MAC address; empty for the one that belongs to its address.
        address6: From `lease_ipv6`; empty without IPv6.

    Returns:
        The link's MAC address.

    Raises:
        KernelError: EEXIST if the namespace has a link of this name already; EPERM.
        KernelboxError: The container has ended; its link exists already; its parent does not let
            it stand there.

    Source: veth(4); ip-link(8); ip-route(8).
    """
    join = macvlan.stand if bridge.parent else veth.plug_in
    with namespace_of(pid) as netns_fd:
        return join(bridge, (netns_fd, pid), container_id, [address, address6], record, device, mac)

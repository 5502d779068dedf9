"""The host's link that the containers of a macvlan network stand on: its parent.

It is somebody else's, and is left as it is. Two kinds are made here, and go with their network: a
*dummy* where no parent was named, which leads nowhere, so that the network is an internal one; and
`eth0.50`, where there is an `eth0` and no such link, for what its wire marks with the number 50.

Source: Docker, "Macvlan network driver"; kernel, `Documentation/networking/`.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager

from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.kernel.stacking import StackingSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelbox.kernel.links import Link
    from kernelbox.network.link_names import Bridge

_VLANS = range(1, 4095)  # IEEE 802.1Q


def prepare(network: Bridge, record: Callable[[str, str], None]) -> None:
    """See to it that a network's parent is there, and can be one. The network's lock is held.

    Raises:
        KernelError: EPERM.
        KernelboxError: The kernel has no macvlan; the parent is missing, down, or can be none.
    """
    name = network.parent
    with StackingSocket() as host:
        if not host.has_macvlan():
            raise _lacking("macvlan", "a network of this driver")
        links = {one.name: one for one in host.links()}
        if name not in links:
            links = _make(network, host, links, record)
        _demand_fit(links[name], links, network)


def _make(
    network: Bridge,
    host: StackingSocket,
    links: dict[str, Link],
    record: Callable[[str, str], None],
) -> dict[str, Link]:
    """Make a parent that is the network's own; return the links that there are then."""
    name = network.parent
    if name == network.name:
        record("link", name)
        with _asking("dummy", "a network without a parent"):
            host.add_dummy(name)
    else:
        below, number = _vlan(name)
        if below not in links:
            raise KernelboxError(
                f"this host has no link {name!r:.80} that network {network.network} could stand on",
                "See which there are: ip -brief link; then: network create -o parent=LINK",
            )
        _demand_fit(links[below], links, network)
        record("link", name)
        with _asking("8021q", f"the parent {name}"):
            host.add_vlan(below, name, number)
    host.set_up(name)
    return {one.name: one for one in host.links()}


def _vlan(name: str) -> tuple[str, int]:
    """Return the link and the number that `eth0.50` means; no link if it is not of this form."""
    below, _, number = name.rpartition(".")
    if number.isascii() and number.isdecimal() and len(number) < 5 and int(number) in _VLANS:
        return below, int(number)
    return "", 0


def _demand_fit(link: Link, links: dict[str, Link], network: Bridge) -> None:
    name = link.name
    if link.kind == "loopback":
        raise KernelboxError(f"{name} can be nobody's parent: it leads to this host alone", _OTHER)
    if is_wireless(name):
        raise KernelboxError(
            f"{name} can be nobody's parent: it is wireless, and its access point lets one MAC "
            "address through",
            "Name a link with a cable, or use a bridge: kernelbox network create NAME",
        )
    if link.master:
        owner = next((one.name for one in links.values() if one.ifindex == link.master), "another")
        raise KernelboxError(
            f"{name} can be nobody's parent: it is plugged into {owner}",
            f"Name {owner} instead: network create -o parent={owner}",
        )
    if not link.up:
        raise KernelboxError(
            f"the parent {name} of network {network.network} is down",
            f"Set it up: ip link set {name} up",
        )
    if network.mtu > link.mtu:
        raise KernelboxError(
            f"no packet of {network.mtu} bytes fits on {name}, whose MTU is {link.mtu}",
            f"Leave out mtu, or use at most {link.mtu}",
        )


_OTHER = "Name another (ip -brief link), or none: then the network is an internal one"


def is_wireless(name: str) -> bool:
    """Whether a link is a radio's. Source: kernel, `net/wireless/core.c`, "phy80211"."""
    return os.path.exists(f"/sys/class/net/{name}/phy80211")


@contextmanager
def _asking(module: str, what: str) -> Iterator[None]:
    try:
        yield
    except KernelError as refusal:
        if refusal.errno != errno.EOPNOTSUPP:
            raise
        raise _lacking(module, what) from refusal


def _lacking(module: str, what: str) -> KernelboxError:
    return KernelboxError(
        f"this kernel has no {module}, which {what} needs",
        f"Load it (modprobe {module}), or use the lab VM",
    )

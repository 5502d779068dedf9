"""What of a network is drawn on its map: which namespaces, which of their links, and the cables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelbox.observe.model import Link, Network, NetworkNamespace
    from kernelbox.widgets.patch import Document

_FEW = 3  # so many namespaces without a network are drawn


def alone(namespaces: tuple[NetworkNamespace, ...]) -> list[NetworkNamespace]:
    """Return the namespaces with nothing but a loopback interface, if they are many.

    The first namespace is the host's.
    """
    lonely = [one for one in namespaces[1:] if all(link.kind == "loopback" for link in one.links)]
    return lonely if len(lonely) > _FEW else []


def row(link: Link) -> Document:
    """Return what a row of the map says of a link."""
    said: Document = {
        "name": link.name,
        "kind": link.kind,
        "mac": link.mac,
        "state": link.state,
        "mtu": link.mtu,
        "addresses": list(link.addresses),
    }
    return {**said, "master": link.master} if link.master else said


def leads_somewhere(link: Link, one: NetworkNamespace, ends: set[str]) -> bool:
    """Return whether a link of the host has to do with containers, or is the way out."""
    if f"{one.inode}/{link.index}" in ends:
        return True
    masters = {other.master for other in one.links if f"{one.inode}/{other.index}" in ends}
    way_out = any(f"dev {link.name}" in route for route in one.routes if "default" in route)
    return link.name in masters or way_out


def cables(network: Network) -> dict[str, str]:
    """Return each veth pair once, the end in the earlier namespace first; and then each macvlan.

    Of these the first is what stands, and the second what it stands on, as others may, too.
    """
    known = {f"{one.inode}/{link.index}" for one in network.namespaces for link in one.links}
    found: dict[str, str] = {}
    standing: dict[str, str] = {}
    taken: set[str] = set()
    for one in network.namespaces:
        for link in one.links:
            here = f"{one.inode}/{link.index}"
            there = f"{link.peer[0]}/{link.peer[1]}" if link.peer else ""
            if link.kind == "macvlan" and there in known:
                standing[here] = there
            elif there in known and here not in taken:
                found[here] = there
                taken |= {here, there}
    return found | standing

"""Network namespaces and the cables between them: which links hear a frame that leaves by one.

This is the link layer: veth pairs, bridges that pass frames on, and macvlans. What these send goes
out by the link that they stand on, past the namespace that it is in, and to each other if that is
their mode. A frame that leaves by a cable whose other end no observed process is in has gone out of
sight. Leaves what a packet meets on its way (forwarding, rules, the reply) to reach.py.

Source: veth(4); `Documentation/networking/bridge.rst`; ip-link(8), "MACVLAN and MACVTAP".
"""

from __future__ import annotations

import socket
from typing import NamedTuple

from kernelbox.kernel.links import Address, Link, Route
from kernelbox.kernel.stacking import MODES
from kernelbox.observe import routes
from kernelbox.observe.nftables import Ruleset
from kernelbox.observe.packet_filter import number

End = tuple[int, int]  # of a cable: inode of a network namespace, and the link's index in it


class World(NamedTuple):
    """A network namespace, as far as a packet can notice.

    Attributes:
        inode: What identifies it.
        label: What to call it.
        links: By index.
        peers: The other ends of its veth links, and what its macvlans stand on, by their index
            here; an inode of 0 is unknown.
        addresses: In the kernel's order.
        routes: Of the main table, IPv4.
        rules: Of nftables.
        forwards: Whether it passes on what is not for it (ip_forward).
        filters_bridged: Whether what a bridge passes on goes through the rules as well.
    """

    inode: int
    label: str
    links: dict[int, Link]
    peers: dict[int, End]
    addresses: tuple[Address, ...]
    routes: tuple[Route, ...]
    rules: Ruleset
    forwards: bool
    filters_bridged: bool

    def own(self) -> list[Address]:
        """Return its IPv4 addresses that others may know."""
        return [
            one
            for one in self.addresses
            if one.family == socket.AF_INET and not one.address.startswith("127.")
        ]

    def has(self, address: str) -> bool:
        """Whether an IPv4 address is one of its own."""
        return any(one.address == address for one in self.own())

    def route_to(self, address: str) -> Route | None:
        """Return the route that the kernel takes: the longest prefix, then the lowest metric."""
        wanted = number(address)
        fitting = [
            route
            for route in self.routes
            if (wanted ^ number(route.destination)) >> (32 - route.prefix) == 0
            and not routes.is_dead(route)
        ]
        return min(fitting, key=lambda one: (-one.prefix, one.metric), default=None)


class Neighbour(NamedTuple):
    """A link that a frame can get to without being routed.

    Attributes:
        world: The namespace that the link is in.
        link: Itself.
        bridges: Those on the way, the nearest first.
    """

    world: World
    link: Link
    bridges: tuple[End, ...]


class Topology:
    """All namespaces and the cables between them."""

    def __init__(self, worlds: list[World]) -> None:
        self.worlds = {world.inode: world for world in worlds}
        self._standing: dict[End, list[tuple[World, Link]]] = {}  # macvlans, by what they stand on
        for world in worlds:
            for link in world.links.values():
                if link.kind == "macvlan":
                    parent = world.peers.get(link.ifindex, (0, 0))
                    self._standing.setdefault(parent, []).append((world, link))
        self._segments: dict[End, tuple[list[Neighbour], bool]] = {}

    def neighbours(self, world: World, link: Link) -> tuple[list[Neighbour], bool]:
        """Return which links hear a frame that leaves by `link`, and whether it leaves our sight.

        Args:
            world: Where it leaves.
            link: By which: a bridge of that namespace sends it by all of its ports.

        Source: bridge(8); veth(4).
        """
        key = (world.inode, link.ifindex)
        if key not in self._segments:
            self._segments[key] = self._spread(world, link)
        return self._segments[key]

    def _spread(self, world: World, link: Link) -> tuple[list[Neighbour], bool]:
        found: list[Neighbour] = []
        outside = False
        bridged: set[End] = set()
        leaving: list[tuple[World, Link, tuple[End, ...]]] = []
        if link.kind == "macvlan":
            parent = world.peers.get(link.ifindex, (0, 0))
            if link.mode == MODES["bridge"]:
                found += [one for one in self._upon(parent, ()) if one.link is not link]
            world = self.worlds.get(parent[0], world)
            if parent[1] not in world.links or world.inode != parent[0]:
                return found, True
            link = world.links[parent[1]]
        if link.kind == "bridge":
            bridged.add((world.inode, link.ifindex))
            leaving += [(world, port, ()) for port in _ports(world, link.ifindex)]
        else:
            leaving.append((world, link, ()))
        while leaving:
            here, port, path = leaving.pop(0)
            inode, ifindex = here.peers.get(port.ifindex, (0, 0))
            there = self.worlds.get(inode)
            if there is None or ifindex not in there.links:
                outside = True
                continue
            end = there.links[ifindex]
            if end.state != "up":
                continue
            bridge = there.links.get(end.master)
            if bridge is None:
                found += [Neighbour(there, end, path), *self._upon((inode, ifindex), path)]
            elif (there.inode, bridge.ifindex) not in bridged and bridge.state == "up":
                bridged.add((there.inode, bridge.ifindex))
                found.append(Neighbour(there, bridge, path))
                found += self._upon((there.inode, bridge.ifindex), path)
                through = (*path, (there.inode, bridge.ifindex))
                others = [one for one in _ports(there, bridge.ifindex) if one is not end]
                leaving += [(there, one, through) for one in others]
        return found, outside

    def _upon(self, parent: End, path: tuple[End, ...]) -> list[Neighbour]:
        """Return the macvlans on a link, which hear what comes in there."""
        standing = self._standing.get(parent, ()) if parent[0] else ()
        return [Neighbour(world, link, path) for world, link in standing if link.state == "up"]


def _ports(world: World, bridge: int) -> list[Link]:
    return [one for one in world.links.values() if one.master == bridge and one.state == "up"]

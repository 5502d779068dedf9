"""Whether a ping from one network namespace would arrive in another and be answered, and why not.

No packet is sent. The way of an echo request is walked through what was read: the route, the link,
the cable or the bridge behind it (topology.py), forwarding, and the rules at each hook
(packet_filter.py); then the way of the reply. The first thing that stops it is named.

Not considered: policy routing (ip-rule), rp_filter, VLANs and port isolation on bridges, traffic
control, rules of nft's families arp, bridge and netdev, and neighbours that were entered by hand.

Source: ip-route(8); `Documentation/networking/ip-sysctl.rst`; nftables wiki, "Netfilter hooks".
"""

from __future__ import annotations

from typing import NamedTuple

from kernelbox.observe import routes
from kernelbox.observe.packet_filter import Packet, decide
from kernelbox.observe.topology import Topology, World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.kernel.links import Link


def grid(worlds: list[World]) -> dict[str, tuple[bool, str]]:
    """Return for every two namespaces, as `label -> label`, whether a ping arrives, and why."""
    net = Topology(worlds)
    return {
        f"{one.label} -> {other.label}": _reaches(net, one, other)
        for one in worlds
        for other in worlds
        if one is not other
    }


def _reaches(net: Topology, one: World, other: World) -> tuple[bool, str]:
    """Return whether some address of `other` can be pinged from `one`, and why (not)."""
    if not other.own():
        return False, f"{other.label} has no address"
    outcomes = []
    for target in sorted(other.own(), key=lambda a: not _is_near(one, a.address)):
        outcome = _Ping(net, one, other).send(target.address)
        if outcome[0]:
            return outcome
        outcomes.append(outcome)
    return outcomes[0]


def _is_near(world: World, address: str) -> bool:
    route = world.route_to(address)
    return route is not None and not route.gateway


class _Blocked(Exception):
    """Something stops the packet; its text says what."""


class _Rewritten(NamedTuple):
    """What connection tracking remembers of a request: its addresses before and after."""

    before: tuple[str, str]
    after: tuple[str, str]
    dnat: bool


class _Ping:
    """One echo request and its reply."""

    def __init__(self, net: Topology, one: World, other: World) -> None:
        self._net = net
        self._one = one
        self._other = other
        self._tracked: dict[int, _Rewritten] = {}
        self._way: list[str] = []
        self._doubts: list[str] = []

    def send(self, address: str) -> tuple[bool, str]:
        """Send it to an address; return whether the reply comes back, and why (not)."""
        doing = ""
        try:
            arrived, packet = self._originate(self._one, Packet("", address))
            if arrived is not self._other:
                return False, f"{address} is an address of {arrived.label} as well"
            way = " > ".join(dict.fromkeys(self._way))
            doing = "the reply: "
            back = Packet(packet.destination, packet.source, icmp="echo-reply", state="established")
            arrived, _ = self._originate(arrived, back)
            if arrived is not self._one:
                return False, f"the reply goes to {arrived.label}"
        except _Blocked as blocked:
            return False, f"{doing}{blocked}{self._hedge()}"
        return True, f"{way}{self._hedge()}"

    def _hedge(self) -> str:
        doubts = dict.fromkeys(self._doubts)
        return f" (not weighed: {'; '.join(doubts)})" if doubts else ""

    def _originate(self, world: World, packet: Packet) -> tuple[World, Packet]:
        """Make a packet in a namespace; return where it arrives, and how it looks there."""
        packet = self._undo(world, packet)
        link, hop, source = self._route(world, packet.destination)
        if not packet.source:
            packet = packet._replace(source=source or _source(world, link.name))
        packet = packet._replace(oif=link.name, local=False)
        packet = self._filter(world, "output", packet)
        if packet.dnat:
            link, hop, _ = self._route(world, packet.destination)
        for _ in range(_TTL):
            self._way.append(f"{world.label} {link.name}")
            packet = self._filter(world, "postrouting", packet._replace(oif=link.name))
            world, link = self._transmit(world, link, hop, packet)
            arriving = self._undo(world, packet._replace(iif=link.name, oif="", dnat=False))
            arriving = arriving._replace(local=world.has(arriving.destination))
            packet = self._filter(world, "prerouting", arriving)
            packet = packet._replace(local=world.has(packet.destination))
            if packet.local:
                self._way.append(f"{world.label} {link.name}")
                return world, self._filter(world, "input", packet)
            if not world.forwards:
                raise _Blocked(f"{world.label} does not forward (net.ipv4.ip_forward is 0)")
            link, hop, _ = self._route(world, packet.destination)
            packet = self._filter(world, "forward", packet._replace(oif=link.name))
        raise _Blocked("the packet goes in circles")

    def _route(self, world: World, address: str) -> tuple[Link, str, str]:
        """Return link, next hop and source address for a destination."""
        route = world.route_to(address)
        if route is None:
            raise _Blocked(f"{world.label} has no route to {address}")
        link = world.links.get(route.ifindex)
        kind = routes.kind(route)
        if kind or link is None:
            raise _Blocked(f"{world.label} has a route to {address}: {kind or 'dead'}")
        return link, route.gateway or address, route.source

    def _filter(self, world: World, hook: str, packet: Packet) -> Packet:
        """Put a packet to the rules at a hook; return it as they leave it."""
        verdict = decide(world.rules, hook, packet, self._doubts)
        if verdict.what == "drop":
            raise _Blocked(f"{world.label} drops it, {hook}: {verdict.rule}")
        if verdict.what == "accept" or packet.state != "new":
            return packet
        before = packet.source, packet.destination
        if verdict.what == "dnat":
            packet = packet._replace(destination=verdict.address, dnat=True)
        else:
            packet = packet._replace(source=verdict.address or _source(world, packet.oif))
        known = self._tracked.get(world.inode)
        self._tracked[world.inode] = _Rewritten(
            known.before if known else before, (packet.source, packet.destination), packet.dnat
        )
        return packet

    def _undo(self, world: World, packet: Packet) -> Packet:
        """Give a reply the addresses that the request had before it was rewritten here."""
        known = self._tracked.get(world.inode)
        if packet.state == "new" or not known:
            return packet
        if (packet.destination, packet.source) != known.after:
            return packet
        return packet._replace(destination=known.before[0], source=known.before[1], dnat=known.dnat)

    def _transmit(self, world: World, link: Link, hop: str, packet: Packet) -> tuple[World, Link]:
        """Send a frame by a link to the neighbour with an address; return where it comes in."""
        if link.state != "up":
            why = "is down" if link.state == "down" else "has nobody at its other end"
            raise _Blocked(f"{link.name} of {world.label} {why}")
        neighbours, outside = self._net.neighbours(world, link)
        # Linux answers for any of its addresses, by whichever link it is asked.
        answering = [one for one in neighbours if one.world.has(hop)]
        if not answering:
            where = f"behind {link.name} of {world.label}"
            if outside:
                raise _Blocked(f"nothing is known of {hop} {where}")
            raise _Blocked(f"nobody has the address {hop} {where}")
        nearest = answering[0]
        for inode, ifindex in nearest.bridges:
            between = self._net.worlds[inode]
            bridge = between.links[ifindex].name
            self._way.append(f"{between.label} {bridge}")
            if between.filters_bridged:
                passing = packet._replace(iif=bridge, oif=bridge, local=False, dnat=False)
                for hook in ("prerouting", "forward", "postrouting"):
                    self._filter(between, hook, passing)
        return nearest.world, nearest.link


_TTL = 16


def _source(world: World, link: str) -> str:
    """Return the address that a packet gets when it leaves by a link, given by its name."""
    indexes = [one.ifindex for one in world.links.values() if one.name == link]
    on_link = [one.address for one in world.own() if one.ifindex in indexes]
    anywhere = [one.address for one in world.own()]
    if not anywhere:
        raise _Blocked(f"{world.label} has no address")
    return (on_link or anywhere)[0]

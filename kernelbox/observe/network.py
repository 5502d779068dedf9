"""Network namespaces, links and the cables between them, from netlink and nft.

Each namespace in which something has changed (see `memory`) is entered for a moment, to open a
socket and to read two settings there; a socket keeps to the namespace it was opened in. So the
caller must have a single thread, or live with the fact that this one is elsewhere for a moment. The
`setns` there and back are all that the recorder sees of a snapshot: no other request changes
anything.

The kernel says which two ends belong to one cable: by the index of the peer, and the number by
which one namespace knows the other.
"""

from __future__ import annotations

import os
import re
import socket
from typing import NamedTuple

from kernelbox.kernel import flags as k
from kernelbox.kernel import netlink
from kernelbox.kernel.announcements import HERE
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network.link_names import bridge_and_table
from kernelbox.observe import nftables
from kernelbox.observe.memory import Memory, Seen
from kernelbox.observe.model import Link, Network, NetworkNamespace
from kernelbox.observe.procfs import text
from kernelbox.observe.reach import grid
from kernelbox.observe.routes import spell
from kernelbox.observe.topology import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from kernelbox.kernel import links as rtnetlink
    from kernelbox.observe.model import Process
    from kernelbox.observe.topology import End

MOST_IN_GRID = 16  # namespaces: a larger grid tells a person nothing, and grows with the square

HOST = "host"


def look(processes: Iterable[Process], configs: Mapping[str, Mapping[str, Any]]) -> Network:
    """Return all network namespaces that the processes are in, the observer's own first.

    Args:
        processes: From `processes.look`.
        configs: Of the containers, by id: for their names.

    Raises:
        KernelError: EPERM without CAP_SYS_ADMIN, to enter another namespace.
        KernelboxError: nft may not look.

    Source: network_namespaces(7); rtnetlink(7); nft(8).
    """
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        places = _places(home, processes, configs)
        _memory.begin(places[0].inode, [place.inode for place in places])
        with RouteSocket() as here:
            raw = [_look_into(place, places, here) for place in places]
    finally:
        os.close(home)
    seen = [one for one in raw if one is not None]
    worlds = [one.world for one in seen]
    nftables.forget_others(one.rules for one in worlds)
    return Network(
        namespaces=tuple(one.told for one in seen),
        nat=tuple(_rewriting(worlds)),
        ports=tuple(_published(worlds)),
        reach=_reach(worlds),
    )


class _Place(NamedTuple):
    """A network namespace to look into.

    Attributes:
        inode: What identifies it.
        label: For people.
        container: Whose it is; empty if no container's.
        pids: Of processes in it; none for the observer's own namespace.
        fd: Of the observer's own namespace, open; -1 for all others.
    """

    inode: int
    label: str
    container: str = ""
    pids: tuple[int, ...] = ()
    fd: int = -1


def _places(
    home_fd: int, processes: Iterable[Process], configs: Mapping[str, Mapping[str, Any]]
) -> list[_Place]:
    home = os.fstat(home_fd).st_ino
    residents: dict[int, list[Process]] = {}
    for process in processes:
        inode = process.namespaces.get("net", home)
        if inode != home:
            residents.setdefault(inode, []).append(process)
    places = [_Place(home, HOST, fd=home_fd)]
    taken = {HOST}
    for inode, there in residents.items():
        container = _owner(there, configs)
        label = _label(there, container, configs)
        if label in taken:
            label += f" ({container or inode})"
        taken.add(label)
        places.append(_Place(inode, label, container, tuple(one.pid for one in there)))
    return places


def _owner(residents: list[Process], configs: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the container that a namespace was made for: others may have joined it."""
    ids = dict.fromkeys(one.container for one in residents if one.side == "container")
    guests = [
        one for one in ids if configs.get(one, {}).get("network", "").startswith("container:")
    ]
    return next((one for one in ids if one not in guests), guests[0] if guests else "")


def _label(
    residents: list[Process], container: str, configs: Mapping[str, Mapping[str, Any]]
) -> str:
    if container:
        return str(configs.get(container, {}).get("name") or container)
    first = residents[0]
    return f"{'held' if first.side == 'runtime' else first.name} {first.pid}"


# --- looking --------------------------------------------------------------------------------------


_memory = Memory()


def _look_into(place: _Place, places: list[_Place], here: RouteSocket) -> Seen | None:
    """Read one namespace, unless it is still as it was; None if it is gone.

    Args:
        place: Which.
        places: All of them.
        here: Of the observer's own namespace.
    """
    key = place[:-1]
    known = _memory.recall(key)
    is_home = place.fd >= 0
    if known and (
        not is_home or known.world.filters_bridged == _filters_bridged(known.world.links)
    ):
        return known
    fd = _open(place)
    if fd is None:
        return None
    try:
        if fd == place.fd:
            number, world = HERE, _look_around(place, places)
        else:
            number = here.nsid(netns_fd=fd)
            with netlink.inside(fd, f"nsenter -t {place.pids[0]} -n"):
                world = _look_around(place, places)
    finally:
        if fd != place.fd:
            os.close(fd)
    seen = Seen(world, _spell(world, place.container))
    _memory.keep(key, number, seen)
    return seen


def _open(place: _Place) -> int | None:
    """Return a descriptor of the namespace; None if all its processes have ended or moved."""
    if place.fd >= 0:
        return place.fd
    for pid in place.pids:
        try:
            fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if os.fstat(fd).st_ino == place.inode:
            return fd
        os.close(fd)
    return None


def _look_around(place: _Place, places: list[_Place]) -> World:
    """Read the namespace that this process is in."""
    with RouteSocket() as here:
        links = {link.ifindex: link for link in here.links()}
        return World(
            inode=place.inode,
            label=place.label,
            links=links,
            peers=_peers(here, place.inode, links, places),
            addresses=tuple(here.addresses(socket.AF_UNSPEC)),
            routes=tuple(here.routes(k.RT_TABLE_MAIN)),
            rules=nftables.look(),
            # With one link beside lo there is nothing to forward to, and without a bridge nothing
            # to filter on it.
            forwards=len(links) > 2 and text("/proc/sys/net/ipv4/ip_forward") == "1\n",
            filters_bridged=_filters_bridged(links),
        )


def _filters_bridged(links: Mapping[int, rtnetlink.Link]) -> bool:
    has_bridge = any(link.kind == "bridge" for link in links.values())
    return has_bridge and text("/proc/sys/net/bridge/bridge-nf-call-iptables") == "1\n"


def _peers(
    here: RouteSocket, inode: int, links: Mapping[int, rtnetlink.Link], places: list[_Place]
) -> dict[int, End]:
    """Return where each cable and macvlan leads. The host comes first: there most of them do."""
    cables = [link for link in links.values() if link.peer]
    unknown = {link.peer_nsid for link in cables} - {-1}
    inodes = {-1: inode}
    for place in places:
        if not unknown:
            break
        nsid = here.nsid(pid=next(iter(place.pids), 0), netns_fd=place.fd)
        if nsid in unknown:
            unknown.discard(nsid)
            inodes[nsid] = place.inode
    return {link.ifindex: (inodes.get(link.peer_nsid, 0), link.peer) for link in cables}


# --- telling --------------------------------------------------------------------------------------


def _spell(world: World, container: str) -> NetworkNamespace:
    names = {link.ifindex: link.name for link in world.links.values()}
    addresses: dict[int, list[str]] = {}
    for one in world.addresses:
        addresses.setdefault(one.ifindex, []).append(f"{one.address}/{one.prefix}")
    links = tuple(
        Link(
            name=link.name,
            index=link.ifindex,
            kind=link.kind,
            mac=link.mac,
            state=link.state,
            mtu=link.mtu,
            addresses=tuple(addresses.get(link.ifindex, ())),
            peer=world.peers.get(link.ifindex),
            master=names.get(link.master, ""),
        )
        for link in world.links.values()
    )
    routes = tuple(spell(route, names) for route in world.routes)
    return NetworkNamespace(world.inode, world.label, container, links, routes)


_SOURCE_NAT = re.compile(r"\b(masquerade|snat)\b")
_DNAT = re.compile(r"(?:ip daddr (\S+) )?.*\b(tcp|udp) dport (\d+).* dnat (?:ip )?to (\S+)")


def _rules(worlds: list[World]) -> Iterator[tuple[str, str]]:
    """Yield the rules to show: of the host, those of kernelbox's own table; of others, all."""
    table = bridge_and_table()[1]
    for world in worlds:
        prefix = "" if world.label == HOST else f"{world.label}: "
        for chain in world.rules.chains:
            if prefix or chain.table == table:
                for rule in chain.rules:
                    yield prefix, rule


def _rewriting(worlds: list[World]) -> Iterator[str]:
    for prefix, rule in _rules(worlds):
        if _SOURCE_NAT.search(rule):
            yield prefix + rule


def _published(worlds: list[World]) -> Iterator[str]:
    for prefix, rule in _rules(worlds):
        if port := _DNAT.search(rule):
            address, protocol, number, target = port.groups()
            yield f"{prefix}{address or '0.0.0.0'}:{number} -> {target}/{protocol}"


_last: tuple[list[World], dict[str, tuple[bool, str]]] = ([], {})


def _reach(worlds: list[World]) -> dict[str, tuple[bool, str]]:
    """Return the grid; what it is computed from seldom changes between two looks."""
    global _last
    if len(worlds) > MOST_IN_GRID:
        return {}
    if worlds != _last[0]:
        _last = (worlds, grid(worlds))
    return dict(_last[1])

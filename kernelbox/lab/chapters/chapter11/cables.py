"""Exercises of chapter 11 about cables: one laid, one found, and three on a switch."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from kernelbox.lab.chapters.chapter11.wires import (
    PATIENCE,
    ends,
    given,
    not_apart,
    room,
    seen,
    witness,
)
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.neighbours import apart

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.observe.model import Link, Network

_NARROW = 30  # bits of a network with room for two
_TTL = 64  # that an answer begins with: net.ipv4.ip_default_ttl


@exercise(
    "a-cable",
    title="A cable",
    points=2,
    hints=(
        "The check observes the network namespaces of both, the ends of the cables between them, "
        "the addresses of these ends, and a ping each way, from a process of its own.",
        "Section 2 made the same in six requests. Which of them is missing, or was made by the "
        "wrong one of the two?",
        "The number behind the slash says how many bits are the network's; those that remain, of "
        "32, number whoever is in it. How many have to remain for two?",
    ),
)
def a_cable(box: Lab, left: object, right: object) -> Verdict:
    """Look at the cables between them, their addresses, and whether each reaches the other."""
    if wrong_thing := not_apart(box, left=left, right=right):
        return wrong_thing
    here: Any = left
    there: Any = right
    network = seen(box)
    cables = ends(room(box, network, here), room(box, network, there))
    if not cables:
        return failed("no cable has one end in left and the other in right", "a veth pair")
    pairs = [
        (cable, mine, yours)
        for cable in cables
        for mine in given(cable[0])
        for yours in given(cable[1])
        if yours.ip in mine.network and mine.ip in yours.network and mine.ip != yours.ip
    ]
    if not pairs:
        told = [" ".join(map(str, given(link))) or "none" for link in cables[0]]
        return failed(
            f"the addresses of the cable's ends are {told[0]} and {told[1]}",
            "two addresses of one network",
        )
    narrow = [
        (cable, mine, yours)
        for cable, mine, yours in pairs
        if min(mine.network.prefixlen, yours.network.prefixlen) >= _NARROW
    ]
    if not narrow:
        widest = min(one.network.prefixlen for one in pairs[0][1:])
        return failed(
            f"the network of the two has {widest} bits: there is room for more than two in it",
            "a network with room for two",
        )
    cable, mine, yours = narrow[0]  # of several, those that have no address are no matter
    for name, link in zip(("left", "right"), cable, strict=True):
        if link.state == "down":
            return failed(f"the end of the cable in {name} is down", "up")
    for name, process, target in (("left", here, yours.ip), ("right", there, mine.ip)):
        with witness(box, process) as asking:
            echo = asking.ping(str(target), PATIENCE)
        if not echo:
            return failed(f"a ping that {name} sends: {echo!r}", "an answer")
    return passed("a veth pair between two namespaces, a network for two, and an answer each way")


@exercise(
    "whose-end",
    title="Whose end?",
    points=3,
    seconds=30.0,
    hints=(
        "The check lays cables with names drawn anew, and gives your function what the kernel says "
        "of all links. It asks for each of them, in any order.",
        "Each namespace counts its links from 1. What does a number say alone, without the "
        "namespace that it counts in?",
        "A link says where its other end is: in `peer_namespace` the one with the number "
        "`peer_index`. Look for the link that has both.",
    ),
)
def whose_end(box: Lab, other_end: object) -> Verdict:
    """Compare with how the check has cabled them."""
    rooms = [apart(box) for _ in range(3)]
    names = random.sample([f"{word}{number}" for word in _WORDS for number in range(4)], 4)
    try:
        wired = _wired(box, rooms, names)
        table = _table(seen(box), rooms, box)
        random.shuffle(table)
        for number, (where, name) in enumerate(_asked(table)):
            really = wired.get((where, name))
            tried = attempt(other_end, [dict(one) for one in table], where, name)
            what = f"of {_kind(table, where, name)}"
            if tried.failure:
                return failed(f"{what}: {tried.failure}")
            if _plain(tried.value) != really:
                return failed(
                    f"{what}, your function says {tried.value!r:.80}",
                    "where the check has put the other end, and its name there"
                    if number or really is None
                    else repr(really),
                )
    finally:
        for one in rooms:
            one.end()
    return passed("cables between three namespaces and within one, and what is no cable")


_WORDS = ("eth", "veth", "wan", "lan", "port")


def _wired(box: Lab, rooms: list[Held], names: list[str]) -> dict[tuple[int, str], tuple[int, str]]:
    """Lay four cables: in a ring, and one within the first namespace; return both ends of each.

    Every link of the ring is made in a namespace of its own, so numbers come again; and so do
    names: each is in two namespaces or three.
    """
    inodes = [box.namespaces(one.pid)["net"] for one in rooms]
    p, q, r, s = names
    found = {}
    for near, far, one, other in ((0, 1, p, q), (1, 2, p, r), (2, 0, q, s), (0, 0, q, r)):
        rooms[near].add_veth(one, other)
        if near != far:
            rooms[near].move_link(other, rooms[far])
        found[inodes[near], one] = inodes[far], other
        found[inodes[far], other] = inodes[near], one
    rooms[1].add_bridge(s)
    return found


def _table(network: Network, rooms: list[Held], box: Lab) -> list[dict[str, Any]]:
    """Return what the kernel says of the links of some namespaces, a dict for each."""
    return [
        described(one.inode, link)
        for process in rooms
        for one in [room(box, network, process)]
        for link in one.links
    ]


def described(namespace: int, link: Link) -> dict[str, Any]:
    """Return a link as the function of the exercise is given it."""
    where, number = link.peer or (None, None)
    return {
        "namespace": namespace,
        "index": link.index,
        "name": link.name,
        "kind": link.kind,
        "peer_namespace": where,
        "peer_index": number,
    }


def _asked(table: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Draw what to ask for: four ends of cables to elsewhere, one of one within, and no cables."""
    cables = [one for one in table if one["peer_namespace"]]
    within = [one for one in cables if one["peer_namespace"] == one["namespace"]]
    elsewhere = [one for one in cables if one not in within]
    others = [one for one in table if one not in cables]
    asked = random.sample(elsewhere, 4) + random.sample(within, 1) + random.sample(others, 2)
    return [(one["namespace"], one["name"]) for one in random.sample(asked, len(asked))]


def _kind(table: list[dict[str, Any]], where: int, name: str) -> str:
    [one] = [one for one in table if (one["namespace"], one["name"]) == (where, name)]
    if one["kind"] != "veth":
        return f"a link of kind {one['kind']}"
    near = one["peer_namespace"] == where
    return f"a veth whose other end is in {'the same' if near else 'another'} namespace"


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else value


@exercise(
    "a-switch",
    title="A switch",
    points=2,
    seconds=40.0,
    hints=(
        "The check observes into which bridge the cable of each of the three is plugged, and lets "
        "each of them ping both others. It reads the TTL of the answers.",
        "A port of a bridge is up and has a master; and the bridge itself is a link, too. In which "
        "state do links come into the world?",
        "Section 3 had all of it: a bridge, three cables to where it is, three ports. And three "
        "addresses of how many networks?",
    ),
)
def a_switch(box: Lab, members: object) -> Verdict:
    """Look for a bridge that all of them are on, and let each ping both others over it."""
    if not isinstance(members, list | tuple) or len(members) != 3:
        return failed(f"members is {members!r:.80}", "a list of three processes")
    if wrong_thing := not_apart(box, **{f"member {n}": one for n, one in enumerate(members, 1)}):
        return wrong_thing
    network = seen(box)
    plugs = [_plugs(network, room(box, network, one).inode) for one in members]
    for number, found in enumerate(plugs, 1):
        if not found:
            return failed(f"member {number} is on no bridge", "three on one and the same")
    common = plugs[0].keys() & plugs[1].keys() & plugs[2].keys()
    if not common:
        return failed("there is no bridge that all three are on", "one and the same")
    where, name = min(common)
    [bridge] = [
        link
        for one in network.namespaces
        if one.inode == where
        for link in one.links
        if link.name == name
    ]
    links = [found[where, name] for found in plugs]
    for what, link in (("the bridge", bridge), *((f"a link to it, {x.name},", x) for x in links)):
        if link.state == "down":
            return failed(f"{what} is down", "up")
    for number, link in enumerate(links, 1):
        if not given(link):
            return failed(f"member {number} has no address there", "one")
    several = [str(given(link)[0].ip) for link in links]
    if len({*several}) < len(several):  # a ping of one's own address is no ping of another's
        return failed(f"the addresses of the three are {' '.join(several)}", "three")
    for number, process in enumerate(members):
        with witness(box, process) as asking:
            for other, link in enumerate(links):
                if other == number:
                    continue
                way = f"from member {number + 1} to member {other + 1}"
                echo = asking.ping(str(given(link)[0].ip), PATIENCE)
                if not echo:
                    return failed(f"a ping {way}: {echo!r}", "an answer")
                if echo.ttl != _TTL:
                    return failed(
                        f"the answer to a ping {way} has a TTL of {echo.ttl}",
                        f"{_TTL}, as it was sent: a bridge takes nothing off",
                    )
    return passed("three on one bridge, six ways between them, and no router on any")


def _plugs(network: Network, inode: int) -> dict[tuple[int, str], Link]:
    """Return the bridges that a namespace is on, by place and name, each with its own link there.

    That is a cable to a port of the bridge; or the bridge itself, where it is.
    """
    namespaces = {one.inode: one for one in network.namespaces}
    found = {}
    for link in namespaces[inode].links:
        if link.kind == "bridge":
            found[inode, link.name] = link
        if link.peer is not None and link.peer[0] in namespaces:
            there = {one.index: one for one in namespaces[link.peer[0]].links}
            port = there.get(link.peer[1])
            if port is not None and port.master:
                found[link.peer[0], port.master] = link
    return found

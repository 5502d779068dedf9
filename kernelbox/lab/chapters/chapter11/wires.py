"""What the checks of chapter 11 see: namespaces, cables and bridges, and who answers whom.

Whatever is tried is tried by witnesses of the check's own, in the namespaces of what was given.
"""

from __future__ import annotations

import ipaddress
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.verdict import Verdict, failed
from kernelbox.lab.held import Held
from kernelbox.lab.started import Container

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.notebook import Lab
    from kernelbox.observe.model import Link, Network, NetworkNamespace

PATIENCE = 3.0  # seconds for an answer: a new cable may rest for one before it carries


def not_apart(box: Lab, **things: object) -> Verdict | None:
    """Return the verdict on what is no process or container with a network of its own, each."""
    inodes: dict[int, str] = {}
    for name, thing in things.items():
        if not isinstance(thing, Held | Container):
            return failed(f"{name} is {thing!r:.80}", "what box.hold() or box.start() returned")
        if outside.has_ended(thing.pid):
            return failed(f"the process {name} has ended", "one that is there to be looked at")
        if "net" not in outside.own(box, thing.pid):
            return failed(f"{name}: its net namespace is the host's", "one of its own")
        inode = box.namespaces(thing.pid)["net"]
        if inode in inodes:
            return failed(f"{inodes[inode]} and {name} share one network namespace", "one for each")
        inodes[inode] = name
    return None


def seen(box: Lab) -> Network:
    """Return all network namespaces as they are now."""
    return box.snapshot("network").network


def room(box: Lab, network: Network, process: Held | Container) -> NetworkNamespace:
    """Return the network namespace of a process among those that were seen."""
    inode = box.namespaces(process.pid)["net"]
    [found] = [one for one in network.namespaces if one.inode == inode]
    return found


def ends(one: NetworkNamespace, other: NetworkNamespace) -> list[tuple[Link, Link]]:
    """Return the cables between two namespaces: of each, its end here and its end there."""
    there = {(other.inode, link.index): link for link in other.links}
    return [
        (link, there[link.peer])
        for link in one.links
        if link.peer is not None and link.peer in there
    ]


def given(link: Link) -> list[ipaddress.IPv4Interface]:
    """Return the IPv4 addresses of a link, each with its network."""
    return [ipaddress.IPv4Interface(one) for one in link.addresses if ":" not in one]


@contextmanager
def witness(box: Lab, process: Held | Container) -> Iterator[Held]:
    """Hold a process of the check's own in the network namespace of another."""
    found = box.hold()
    try:
        found.setns(process.pid, "network")
        yield found
    finally:
        found.end()

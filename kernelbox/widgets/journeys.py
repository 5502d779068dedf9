"""A ping's way over the network map: the map of a few namespaces by name, and the hops on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kernelbox.widgets.still import Cell, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kernelbox.observe.model import Network
    from kernelbox.widgets.patch import Document


def only(network: Network, names: Mapping[int, str]) -> Network:
    """Return a network with these namespaces alone, called by these names.

    Args:
        network: As it was seen.
        names: From the inode that identifies a namespace to what it is to be called; empty for all
            of them as they are.
    """
    if not names:
        return network
    spoken = {one.label: names[one.inode] for one in network.namespaces if one.inode in names}
    # The longest first: one label may begin like another.
    labels = sorted(spoken, key=len, reverse=True)

    def told(text: str) -> str:
        for label in labels:
            text = text.replace(label, spoken[label])
        return text

    reach = {}
    for way, (ok, why) in network.reach.items():
        start, _, end = way.partition(" -> ")
        if start in spoken and end in spoken:
            reach[f"{spoken[start]} -> {spoken[end]}"] = ok, told(why)
    return replace(
        network,
        namespaces=tuple(
            replace(one, label=names[one.inode]) for one in network.namespaces if one.inode in names
        ),
        nat=_of(network.nat, labels, told),
        ports=_of(network.ports, labels, told),
        reach=reach,
    )


def _of(rules: Iterable[str], labels: list[str], told: object) -> tuple[str, ...]:
    """Return the rules of these namespaces, which begin with a label."""
    assert callable(told)
    return tuple(told(one) for one in rules if one.startswith(tuple(f"{x}: " for x in labels)))


def hops(journey: Iterable[tuple[int, int, str]], namespaces: Document) -> list[Document]:
    """Return the hops of a journey that the map shows: at which link, and what was heard there.

    Args:
        journey: For each hop the inode of a namespace, the number of a link, and a text.
        namespaces: As in the picture of a NetworkMap.
    """
    found: list[Document] = []
    for inode, link, text in journey:
        one = namespaces.get(str(inode))
        if one is not None and str(link) in one["links"]:
            found.append({"end": f"{inode}/{link}", "where": one["label"], "text": text})
    return found


def lines(found: list[Document]) -> list[str]:
    """Return the hops in words, numbered."""
    return [f"{number}. {hop['where']}: {hop['text']}" for number, hop in enumerate(found, 1)]


def hop_table(found: list[Document]) -> str:
    """Return a row for each hop; nothing without any."""
    if not found:
        return ""
    rows = [
        [Cell(str(number)), Cell(hop["where"]), Cell(hop["text"])]
        for number, hop in enumerate(found, 1)
    ]
    return table("The way of a ping", ("hop", "namespace", "what was heard"), rows)

"""NetworkMap: network namespaces, the cables between them, and who reaches whom.

A namespace is a box, its interfaces are the rows in it, and a veth pair is the cable between two of
them; so is what leads from a macvlan to the link that it stands on. Beside the map a grid says
which namespace's pings would arrive in which, and if not, why.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from kernelbox.widgets import graph, journeys, wiring
from kernelbox.widgets.base import View, bundle, marked
from kernelbox.widgets.palette import HOST
from kernelbox.widgets.still import (
    ROW,
    Cell,
    Column,
    document,
    margins,
    sheet,
    table,
    tall,
    wide,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from kernelbox.observe.model import NetworkNamespace, Snapshot
    from kernelbox.widgets.patch import Document


class NetworkMap(View):
    """Network namespaces with their interfaces and cables, and the grid of who reaches whom.

    Of the host's interfaces, it draws only those that lead to a container or out of the host, and
    says how many others there are, unless all are asked for. Likewise, more than three namespaces
    with nothing but a loopback interface are only named.

    Args:
        source: As for every view.
        every: Whether to draw all of the host's interfaces, and all namespaces.
        names: What namespaces are called, by the inode that identifies each: then there are these
            alone.
        journey: A ping's way over the map, hop by hop: the inode of a namespace, the number of a
            link in there, and what was heard.
        interval: Seconds between two looks.

    Source: network_namespaces(7); veth(4); nft(8).
    """

    script: ClassVar[str] = "network_map"
    parts: ClassVar[tuple[str, ...]] = ("network",)
    _esm = bundle(script)
    title: ClassVar[str] = "Network namespaces and cables"

    def __init__(
        self,
        source: Callable[[], Snapshot] | Snapshot | None = None,
        *,
        every: bool = False,
        names: Mapping[int, str] | None = None,
        journey: Sequence[tuple[int, int, str]] = (),
        **options: Any,
    ) -> None:
        self._every = every
        self._names = dict(names or {})
        self._journey = tuple(journey)
        super().__init__(source, **options)

    def picture(self, snapshot: Snapshot) -> Document:
        """Return the namespaces with their links, the cables, the rules and the grid."""
        host = next((one.inode for one in snapshot.network.namespaces), 0)
        network = journeys.only(snapshot.network, self._names)
        cables = wiring.cables(network)
        namespaces = {
            str(one.inode): self._namespace(one, place, cables, host=one.inode == host)
            for place, one in enumerate(network.namespaces)
        }
        alone = [] if self._every else wiring.alone(network.namespaces)
        folded = {str(one.inode): namespaces.pop(str(one.inode)) for one in alone}
        return {
            "note": "" if namespaces else "no network namespace to be seen",
            "namespaces": namespaces,
            "folded": {key: one["label"] for key, one in folded.items()},
            "cables": cables,
            "nat": list(network.nat),
            "ports": list(network.ports),
            "reach": {way: {"ok": ok, "why": why} for way, (ok, why) in network.reach.items()},
            "hops": journeys.hops(self._journey, namespaces),
        }

    def _namespace(
        self, one: NetworkNamespace, place: int, cables: dict[str, str], *, host: bool
    ) -> Document:
        host = host and not one.container
        if host:
            self._letters.host("net", one.inode)
        ends = {*cables, *cables.values()}
        drawn = [
            link
            for link in one.links
            if self._every or not host or wiring.leads_somewhere(link, one, ends)
        ]
        return {
            "place": place,
            "label": one.label,
            "letter": self._letters.of("net", one.inode, one.container or one.label),
            "container": one.container,
            "links": {str(link.index): wiring.row(link) for link in drawn},
            "more": len(one.links) - len(drawn),
            "routes": list(one.routes),
        }

    def compare(self, old: Document, new: Document) -> None:
        """Mark the namespaces that came and went, and in the others each link."""
        before, after = old["namespaces"], new["namespaces"]
        for inode, namespace in after.items():
            links = before[inode]["links"] if inode in before else namespace["links"]
            after[inode] = {**namespace, "links": marked(links, namespace["links"])}
            if inode not in before:
                after[inode]["mark"] = "appeared"
        for inode, namespace in before.items():
            if inode not in after:
                after[inode] = {**namespace, "mark": "gone"}

    # -- on paper ------------------------------------------------------------------------------

    def text(self) -> str:
        """Return the namespaces, the cables and the grid, without addresses."""
        found = self._namespaces()
        if not found:
            return f"{self.title}: {self._picture['note']}"
        lines = ["namespaces: " + ", ".join(f"{one['letter']} {_plain(one)}" for one in found)]
        lines += [self._folded()] if self._folded() else []
        lines += self._cable_texts()
        lines += [f"published: {len(self._picture['ports'])}"] if self._picture["ports"] else []
        reach = self._picture["reach"]
        for one in found:
            answers = [_answer(reach, one, other) for other in found]
            told = " ".join(
                f"{other['letter']}:{answer}"
                for other, answer in zip(found, answers, strict=True)
                if answer
            )
            lines += [f"{one['letter']} reaches {told}"] if told else []
        lines += [f"{way}: {_timeless(why)}" for way, ok, why in self._ways() if not ok]
        lines += journeys.lines(self._picture["hops"])
        return "\n".join(lines)

    def svg(self) -> str:
        """Return the map, drawn by Graphviz, and under it the rules and the grid."""
        found = self._namespaces()
        if not found:
            return document(self.title, self.text(), "", 420, 40, self._picture["note"])
        left, top = margins()
        drawn = graph.network(found, self._picture["cables"], self._inodes())
        content, width, height = "", 0, top - ROW
        if drawn is not None:
            content = drawn.at(left, top - 10)
            width, height = drawn.width, top + drawn.height
        columns = [
            Column("pings from", 190),
            *(Column(one["letter"], 44, middle=True) for one in found),
        ]
        content += sheet(columns, self._grid(), left, height + 18)
        height += 18 + tall(len(found))
        translated = [f"address translation: {rule}" for rule in self._picture["nat"]]
        published = [f"published port: {rule}" for rule in self._picture["ports"]]
        for rule in (*translated, *published):
            height += ROW
            content += words(rule, left, height, "code muted", varies=True)
        for line in journeys.lines(self._picture["hops"]):
            height += ROW
            content += words(line, left, height, "code")
        note = (
            self._folded() if drawn else "The map itself needs Graphviz: apt-get install graphviz"
        )
        width = max(width, wide(columns), 560)
        return document(self.title, self.text(), content, width, height + 8, note, foreign=True)

    def table(self) -> str:
        """Return a row for each interface, and the grid with its reasons."""
        cables = self._picture.get("cables", {})
        # A link may carry macvlans; its own cable comes before them.
        peers = {other: one for one, other in reversed(cables.items())} | cables
        rows = []
        for inode, one in zip(self._inodes(), self._namespaces(), strict=True):
            for index, link in one["links"].items():
                peer = self._end(peers.get(f"{inode}/{index}", ""))
                rows.append(
                    [
                        Cell(f"{one['letter']} {_plain(one)}"),
                        Cell(link["name"], varies=link["kind"] == "veth"),
                        Cell(link["kind"]),
                        Cell(link["state"]),
                        Cell(", ".join(link["addresses"]), varies=True),
                        Cell(link.get("master", "-")),
                        Cell(peer or "-", varies=True),
                    ]
                )
        headings = ("namespace", "interface", "kind", "state", "addresses", "bridge", "other end")
        links = table("Network namespaces and their interfaces", headings, rows)
        ways = [
            [Cell(way), Cell("yes" if ok else "no"), Cell(why, varies=True)]
            for way, ok, why in self._ways()
        ]
        grid = table("Who reaches whom", ("from -> to", "arrives", "why"), ways)
        return links + grid + journeys.hop_table(self._picture.get("hops", []))

    def _folded(self) -> str:
        """Return how many namespaces are not drawn, in words; empty for none."""
        count = len(self._picture.get("folded", {}))
        return f"and {count} more, with nothing but a loopback interface" if count else ""

    def _namespaces(self) -> list[Document]:
        namespaces = self._picture.get("namespaces", {})
        return [namespaces[inode] for inode in self._inodes()]

    def _inodes(self) -> list[str]:
        namespaces = self._picture.get("namespaces", {})
        return sorted(namespaces, key=lambda inode: int(namespaces[inode]["place"]))

    def _grid(self) -> list[list[Cell]]:
        rows = []
        for one in self._namespaces():
            row = [Cell(f"{one['letter']}  {_plain(one)}")]
            for other in self._namespaces():
                answer = _answer(self._picture["reach"], one, other)
                hue = {"yes": 2, "no": 5}.get(answer, -1)
                row.append(Cell(answer or "·", "muted", hue=hue))
            rows.append(row)
        return rows

    def _ways(self) -> list[tuple[str, bool, str]]:
        """Return each way through the grid in letters, whether a ping arrives, and why (not)."""
        letters = {one["label"]: one["letter"] for one in self._namespaces()}
        found = []
        for way, one in self._picture.get("reach", {}).items():
            start, _, end = way.partition(" -> ")
            name = f"{letters.get(start, start)} -> {letters.get(end, end)}"
            found.append((name, one["ok"], one["why"]))
        return found

    def _cable_texts(self) -> list[str]:
        texts = []
        for one, other in self._picture["cables"].items():
            inode, _, index = one.partition("/")
            link = self._picture["namespaces"][inode]["links"].get(index)
            # The name of a veth's outer end is made of the container's id: its bridge says more.
            letter = self._picture["namespaces"][inode]["letter"]
            outer = f"{letter} {link.get('master') or 'veth'}" if link else letter
            if link and link["kind"] == "macvlan":
                texts.append(f"macvlan: {self._end(one)} stands on {self._end(other)}")
            else:
                texts.append(f"cable: {self._end(other)} -- {outer}")
        return sorted(texts)

    def _end(self, end: str) -> str:
        inode, _, index = end.partition("/")
        namespace = self._picture["namespaces"].get(inode)
        if namespace is None:
            return ""
        link = namespace["links"].get(index, {"name": "?"})
        return f"{namespace['letter']} {link['name']}"


def _answer(reach: Document, one: Document, other: Document) -> str:
    found = reach.get(f"{one['label']} -> {other['label']}")
    return "" if found is None or one is other else "yes" if found["ok"] else "no"


def _plain(namespace: Document) -> str:
    """Return a label without what changes from run to run: a container's id, a held pid."""
    label = str(namespace["label"])
    if re.fullmatch(r"[0-9a-f]{12,}", label):
        return "a container"
    label = re.sub(r" \d+$", "", label)
    return "the host" if namespace["letter"] == HOST else label


def _timeless(reason: str) -> str:
    """Return a reason without addresses: a container may have another one in the next run."""
    return re.sub(r"\b\d+\.\d+\.\d+\.\d+(/\d+)?\b", "(address)", reason)

"""CapabilityTable: who may do what, and where.

A row for each process: who it is on the host, its effective capabilities, the user namespace in
which they count, and how they differ from those of the process above. The effective set is the
one that the kernel asks; of the other four a snapshot says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kernelbox.users import capabilities
from kernelbox.widgets.base import View, bundle
from kernelbox.widgets.palette import HOST
from kernelbox.widgets.still import (
    Cell,
    Column,
    branches,
    document,
    indent,
    margins,
    sheet,
    table,
    tall,
    wide,
)  # fmt: skip
from kernelbox.widgets.whose import hosts

if TYPE_CHECKING:
    from kernelbox.observe.model import Process, Snapshot
    from kernelbox.widgets.patch import Document

FEW = 6  # so many are told by name
_LEGEND = f"{HOST} is the host's user namespace: what counts in one counts in those below it, too"
_DOCKERS = capabilities.mask(capabilities.DEFAULT)


class CapabilityTable(View):
    """The effective capabilities of processes, in words.

    Arguments are as for every view.

    Source: capabilities(7); user_namespaces(7), "Capabilities".
    """

    script: ClassVar[str] = "capability_table"
    parts: ClassVar[tuple[str, ...]] = ("processes",)
    _esm = bundle(script)
    title: ClassVar[str] = "Who may do what"

    def picture(self, snapshot: Snapshot) -> Document:
        """Return a row for each process; each set that is found, by name."""
        shown = [one for one in snapshot.processes if one.side != "host"]
        by_pid = {one.pid: one for one in shown}
        for kind, inode in hosts(snapshot.processes).items():
            self._letters.host(kind, inode)
        every = capabilities.mask(capabilities.NAMES)
        for one in shown:
            every |= one.capabilities  # a newer kernel has more than we have names for
        ours = next((one.capabilities for one in shown if one.side == "runtime"), None)
        return {
            "note": "" if shown else "no process to be seen",
            "rows": {str(one.pid): self._row(one, by_pid.get(one.ppid), every) for one in shown},
            "sets": {
                f"{bits:x}": {"has": _listed(bits), "lacks": _listed(every & ~bits)}
                for bits in sorted({one.capabilities for one in shown})
            },
            "ours": "" if ours is None else f"{ours:x}",
        }

    def _row(self, one: Process, above: Process | None, every: int) -> Document:
        where = self._where(one)
        return {
            "pid": one.pid,
            "parent": str(one.ppid),
            "name": one.name,
            "command": " ".join(one.command),
            "uid": one.uid,
            "where": where,
            "set": f"{one.capabilities:x}",
            "may": in_words(one.capabilities, every),
            "beside": "" if above is None else self._beside(one, above),
        }

    def _where(self, one: Process) -> str:
        """Return the letter of its user namespace; of a zombie, which is in none any more, none."""
        inode = one.namespaces.get("user")
        owner = one.container if one.side == "container" else str(one.pid)
        return "" if inode is None else self._letters.of("user", inode, owner)

    def _beside(self, one: Process, above: Process) -> str:
        """Say what it has more or less than its parent; sets of two namespaces do not compare."""
        where, outside = self._where(one), self._where(above)
        if where != outside:
            return f"counts in {where}, not in {outside}" if where and outside else ""
        more = one.capabilities & ~above.capabilities
        less = above.capabilities & ~one.capabilities
        told = [
            f"{sign} {_some(bits)}" for sign, bits in (("with", more), ("without", less)) if bits
        ]
        return ", ".join(told) or "the same"

    # -- on paper ------------------------------------------------------------------------------

    def text(self) -> str:
        """Return the tree in words, without what kernelbox itself has: the host decides that."""
        lines = [f"{'process':24} {'in':3} {'may':32} beside the one above"]
        for rails, row in self._tree():
            may = "what the lab may" if self._is_ours(row) else row["may"]
            beside = "" if self._depends_on_ours(row) else row["beside"]
            name = indent(rails) + str(row["name"])
            lines.append(f"{name:24} {row['where']:3} {may:32} {beside}".rstrip())
        return "\n".join(lines) if lines[1:] else f"{self.title}: {self._picture['note']}"

    def svg(self) -> str:
        """Return the tree, the letters and the words."""
        columns = [
            Column("process", 220),
            Column("pid on the host", 112, middle=True),
            Column("user on the host", 118, middle=True),
            Column("counts in", 78, middle=True),
            Column("may", 260),
            Column("beside the one above", 230),
        ]
        rows = [
            [
                Cell(
                    str(row["name"]), "gone muted" if row.get("mark") == "gone" else "", rails=rails
                ),
                Cell(str(row["pid"]), "code", varies=True),
                Cell(str(row["uid"]), "code", varies=True),
                Cell(row["where"], letter=row["where"]),
                Cell(row["may"], varies=self._is_ours(row)),
                Cell(row["beside"], varies=self._depends_on_ours(row)),
            ]
            for rails, row in self._tree()
        ]
        left, top = margins()
        note = self._picture["note"] or f"{_LEGEND}."
        content = sheet(columns, rows, left, top) if rows else ""
        return document(
            self.title, self.text(), content, wide(columns), top + tall(len(rows)), note
        )

    def table(self) -> str:
        """Return a row for each process, with its set as /proc has it."""
        rows = [
            [
                Cell(str(row["name"])),
                Cell(str(row["pid"]), varies=True),
                Cell(str(row["uid"]), varies=True),
                Cell(row["where"]),
                Cell(row["may"], varies=self._is_ours(row)),
                Cell(row["beside"], varies=self._depends_on_ours(row)),
                Cell(f"{int(row['set'], 16):016x}", varies=self._is_ours(row)),
            ]
            for _, row in self._tree()
        ]
        headings = ("process", "pid on the host", "user on the host", "counts in", "may")
        return table(
            f"{self.title}. {_LEGEND}.", (*headings, "beside the one above", "CapEff"), rows
        )

    def _is_ours(self, row: Document) -> bool:
        """Whether a process has just what kernelbox has: an outer container may withhold some."""
        return bool(row["where"] == HOST and row["set"] == self._picture["ours"])

    def _depends_on_ours(self, row: Document) -> bool:
        above = self._picture["rows"].get(row["parent"], row)
        alike = row["where"] == above["where"]
        return alike and (self._is_ours(row) or self._is_ours(above))

    def _tree(self) -> list[tuple[tuple[bool, ...], Document]]:
        rows = self._picture.get("rows", {})
        parents = {key: rows[key]["parent"] for key in sorted(rows, key=int)}
        return [(branch.rails, rows[branch.key]) for branch in branches(parents)]


def in_words(bits: int, every: int) -> str:
    """Say what is in a set.

    Args:
        bits: The set: bit N for capability number N.
        every: All that there are.
    """
    if bits in (0, every, _DOCKERS):
        return {0: "nothing", every: "everything", _DOCKERS: f"Docker's {_DOCKERS.bit_count()}"}[
            bits
        ]
    lacks = every & ~bits
    return f"all but {_some(lacks)}" if 0 < lacks.bit_count() <= FEW else _some(bits)


def _some(bits: int) -> str:
    """Return the names in a set if these are few; otherwise how many there are."""
    count = bits.bit_count()
    return " ".join(_listed(bits)) if count <= FEW else f"{count} capabilities"


def _listed(bits: int) -> list[str]:
    """Return the names in a set; the number of what a newer kernel has that has none here."""
    unknown = range(len(capabilities.NAMES), bits.bit_length())
    return [*capabilities.names(bits), *(str(number) for number in unknown if bits >> number & 1)]

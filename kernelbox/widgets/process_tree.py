"""ProcessTree: which processes run, as whose children, and which share a namespace.

A tree of processes, each with both of its pids; beside it a matrix with a letter for each
namespace. The same letter in a column is the same namespace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

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
    from collections.abc import Callable
    from typing import Any

    from kernelbox.observe.model import Process, Snapshot
    from kernelbox.widgets.patch import Document

# In the order in which the chapters come to them; procfs's spelling.
KINDS = ("pid", "mnt", "net", "uts", "ipc", "user", "cgroup", "time")


class ProcessTree(View):
    """Processes as a tree, and the matrix of their namespaces.

    Args:
        source: As for every view.
        ancestors: Whether to draw those that only lead to kernelbox's own processes: the notebook's
            kernel, the shell it was started from.
        interval: Seconds between two looks.

    Source: namespaces(7); pid_namespaces(7).
    """

    script: ClassVar[str] = "process_tree"
    parts: ClassVar[tuple[str, ...]] = ("processes",)
    _esm = bundle(script)
    title: ClassVar[str] = "Processes and their namespaces"

    def __init__(
        self,
        source: Callable[[], Snapshot] | Snapshot | None = None,
        *,
        ancestors: bool = False,
        **options: Any,
    ) -> None:
        self._ancestors = ancestors
        super().__init__(source, **options)

    def picture(self, snapshot: Snapshot) -> Document:
        """Return a row for each process; its namespaces as letters."""
        shown = [one for one in snapshot.processes if self._ancestors or one.side != "host"]
        self._name_namespaces(snapshot.processes, shown)
        rows = {str(one.pid): self._row(one) for one in shown}
        sets = sorted({one.capabilities for one in shown})
        return {
            "note": "" if rows else "no process to be seen",
            "kinds": [kind for kind in KINDS if any(kind in one.namespaces for one in shown)],
            "rows": rows,
            "capabilities": {f"{bits:x}": _capability_names(bits) for bits in sets},
        }

    def _name_namespaces(self, every: tuple[Process, ...], shown: list[Process]) -> None:
        """Give letters, first to the host's namespaces."""
        for kind, inode in hosts(every).items():
            self._letters.host(kind, inode)
        by_pid = {str(one.pid): one for one in shown}
        for branch in branches({str(one.pid): str(one.ppid) for one in shown}):
            one = by_pid[branch.key]
            # kernelbox's own processes look after a container, but do not own its namespaces.
            inside = one.side == "container" and one.container
            for kind in KINDS:
                if kind in one.namespaces:
                    self._letters.of(kind, one.namespaces[kind], inside or str(one.pid))

    def _row(self, one: Process) -> Document:
        return {
            "pid": one.pid,
            "parent": str(one.ppid),
            "inside": one.inside_pid,
            "name": one.name,
            "command": " ".join(one.command),
            "side": one.side,
            "container": one.container,
            "uid": one.uid,
            "cgroup": one.cgroup,
            "capabilities": f"{one.capabilities:x}",
            "inodes": one.namespaces,
            "letters": {
                kind: self._letters.of(kind, inode, str(one.pid))
                for kind, inode in one.namespaces.items()
                if kind in KINDS
            },
        }

    # -- on paper ------------------------------------------------------------------------------

    def text(self) -> str:
        """Return the tree with the pids inside and the letters; no pid of the host's."""
        lines = []
        for rails, row in self._tree():
            name = indent(rails) + str(row["name"])
            letters = "".join(f"{row['letters'].get(kind, '?'):7}" for kind in self._kinds())
            lines.append(f"{name:24} {_inside(row):>6}  {letters}".rstrip())
        if not lines:
            return f"{self.title}: {self._picture['note']}"
        head = f"{'process':24} {'inside':>6}  {''.join(f'{kind:7}' for kind in self._kinds())}"
        return "\n".join([head.rstrip(), *lines])

    def svg(self) -> str:
        """Return the tree and the matrix."""
        columns = [
            Column("process", 250),
            Column("pid on the host", 112, middle=True),
            Column("pid inside", 84, middle=True),
            *(Column(kind, 58, middle=True) for kind in self._kinds()),
        ]
        rows = [
            [
                Cell(str(row["name"]), _style(row), rails=rails),
                Cell(str(row["pid"]), "code", varies=True),
                Cell(_inside(row), "code"),
                *(
                    Cell(row["letters"].get(kind, ""), letter=row["letters"].get(kind, ""))
                    for kind in self._kinds()
                ),
            ]
            for rails, row in self._tree()
        ]
        left, top = margins()
        height = top + tall(len(rows))
        note = self._picture["note"] or f"{HOST}: the host's. The same letter: the same namespace."
        content = sheet(columns, rows, left, top) if rows else ""
        return document(self.title, self.text(), content, wide(columns), height, note)

    def table(self) -> str:
        """Return a row for each process, with all that is known about it."""
        rows = [
            [
                Cell(str(row["name"])),
                Cell(str(row["pid"]), varies=True),
                Cell(_inside(row)),
                *(Cell(row["letters"].get(kind, "")) for kind in self._kinds()),
                Cell(str(row["uid"]), varies=True),
                Cell(str(row["cgroup"]), varies=True),
                self._command(row),
            ]
            for _, row in self._tree()
        ]
        caption = f"{self.title}. {HOST} is the host's; the same letter is the same namespace."
        headings = ("process", "pid on the host", "pid inside", *self._kinds(), "uid", "cgroup")
        return table(caption, (*headings, "command"), rows)

    def _command(self, row: Document) -> Cell:
        """Return the command line; of a program of the host's, not where it is installed."""
        command = str(row["command"])
        parent = self._picture["rows"].get(row["parent"], row)
        # A container's first process has its parent's command line, until it has one of its own.
        own = parent["side"] == "container" or parent["command"] != command
        if row["side"] == "container" and own:
            return Cell(command)
        program, space, rest = command.partition(" ")
        return Cell(program.rpartition("/")[2] + space + rest, varies=True)

    def _kinds(self) -> list[str]:
        kinds: list[str] = self._picture.get("kinds", [])
        return kinds

    def _tree(self) -> list[tuple[tuple[bool, ...], Document]]:
        rows = self._picture.get("rows", {})
        ordered = sorted(rows, key=int)
        return [
            (branch.rails, rows[branch.key])
            for branch in branches({key: rows[key]["parent"] for key in ordered})
        ]


def _inside(row: Document) -> str:
    """Return the pid inside; a dash where inside and outside are the same namespace."""
    return "-" if row["letters"].get("pid", HOST) == HOST else str(row["inside"])


def _style(row: Document) -> str:
    return "gone muted" if row.get("mark") == "gone" else ""


def _capability_names(bits: int) -> list[str]:
    """Return the names of a set; where there is no Linux, a recording shows the number alone."""
    try:
        from kernelbox.users import capabilities
    except (ImportError, OSError, AttributeError, TypeError):
        return []
    return capabilities.names(bits)

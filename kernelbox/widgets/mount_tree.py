"""MountTree: what a mount namespace has mounted where, and which mounts tell each other.

One namespace as a tree; or two side by side, with their differences. A mount that lies under
another is there, but cannot be reached: it is dimmed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import traitlets

from kernelbox.widgets.base import View, bundle, marked
from kernelbox.widgets.palette import MARKS, letter
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

    from kernelbox.observe.model import Mount, Process, Snapshot
    from kernelbox.widgets.patch import Document

_COMPARED = ("kind", "source", "root", "options", "propagation")
_DIFFERENCES = {"left": "gone", "right": "appeared", "differs": "changed"}


class MountTree(View):
    """The mounts of one namespace, or the difference between two.

    Args:
        source: As for every view.
        pid: A process in the namespace to show; without it, the first container's, else the first.
        other: A process in the namespace to compare it with.
        interval: Seconds between two looks.

    Attributes:
        left: The namespace the reader has chosen, by the key of the picture's `namespaces`; empty
            for the one that was asked for.
        right: The one to compare it with, likewise; `-` for none.

    Source: proc_pid_mountinfo(5); mount_namespaces(7), "Shared subtrees".
    """

    script: ClassVar[str] = "mount_tree"
    parts: ClassVar[tuple[str, ...]] = ("processes", "mounts")
    _esm = bundle(script)
    title: ClassVar[str] = "Mounts"

    left = traitlets.Unicode().tag(sync=True)
    right = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        source: Callable[[], Snapshot] | Snapshot | None = None,
        *,
        pid: int | None = None,
        other: int | None = None,
        **options: Any,
    ) -> None:
        self._wanted = (pid, other)
        self._groups: dict[str, str] = {}
        super().__init__(source, **options)

    def picture(self, snapshot: Snapshot) -> Document:
        """Return a row for each place; in it, what each namespace has mounted there."""
        rows: Document = {}
        namespaces = _namespaces(snapshot)
        left, right = _choice(namespaces, *self._wanted)
        # What is shown comes first: its letters then do not depend on what else there is.
        for pid in sorted(snapshot.mounts, key=lambda pid: str(pid) not in (left, right)):
            places = _places(snapshot.mounts[pid])
            for mount in snapshot.mounts[pid]:
                row = rows.setdefault(places[mount.id], {"point": mount.point, "in": {}})
                parent = places.get(mount.parent, "")
                row["in"][str(pid)] = {**self._mount(mount), "parent": parent}
        note = "" if rows else "no mount to be seen"
        return {"note": note, "namespaces": namespaces, "rows": rows, "left": left, "right": right}

    def compare(self, old: Document, new: Document) -> None:
        """Mark the mounts of each namespace separately: a place may change in only one of them."""
        rows = new["rows"]
        for place, row in rows.items():
            before = old["rows"].get(place, {"in": {}})["in"]
            rows[place] = {**row, "in": marked(before, row["in"])}
        for place, row in old["rows"].items():
            if place not in rows:
                rows[place] = {**row, "in": marked(row["in"], {})}

    def _mount(self, mount: Mount) -> Document:
        return {
            "id": mount.id,
            "root": mount.root,
            "source": mount.source,
            "kind": mount.kind,
            "options": mount.options,
            "propagation": " ".join(self._spread(word) for word in mount.propagation.split()),
            "hidden": mount.hidden,
        }

    def _spread(self, word: str) -> str:
        """Name a peer group by a letter: its number differs from run to run."""
        how, _, group = word.partition(":")
        if not group:
            return how
        return f"{how} {self._groups.setdefault(group, letter(len(self._groups)))}"

    # -- on paper ------------------------------------------------------------------------------

    def text(self) -> str:
        """Return the places, with what is there and how it spreads."""
        found = self._tree()
        if not found:
            return f"{self.title}: {self._picture['note'] or 'no mount to be seen'}"
        lines = [self._heading()]
        for rails, point, here, how in found:
            sign = MARKS[_DIFFERENCES[how]][0] if how else " "
            hidden = " (hidden)" if here["hidden"] else ""
            access = here["options"].partition(",")[0]
            line = f"{sign + ' ' if self._both() else ''}{indent(rails)}{point}{hidden}"
            lines.append(f"{line:36} {here['kind']:10} {access:3} {here['propagation']}".rstrip())
        return "\n".join(lines)

    def svg(self) -> str:
        """Return the tree, and for two namespaces what each has there."""
        columns = [Column("mount point", 290)]
        columns += [Column("", 30, middle=True)] if self._both() else []
        widths = {"type": 90, "source": 200, "options": 170, "spreads": 130}
        columns += [Column(heading, width) for heading, width in widths.items()]
        rows = []
        for rails, point, here, how in self._tree():
            style = "muted" if here["hidden"] or how == "left" else ""
            name = f"{point} (hidden)" if here["hidden"] else point
            sign, hue = MARKS[_DIFFERENCES[how]] if how else ("", -1)
            rows.append(
                [
                    Cell(name, f"code {style}", rails=rails),
                    *([Cell(sign, hue=hue)] if self._both() else []),
                    Cell(here["kind"], style),
                    Cell(_from(here), style, varies=True),
                    Cell(here["options"], style, varies=True),
                    Cell(here["propagation"], style),
                ]
            )
        left, top = margins()
        height = top + tall(len(rows))
        content = sheet(columns, rows, left, top) if rows else ""
        note = self._picture["note"] or self._legend()
        return document(self._heading(), self.text(), content, wide(columns), height, note)

    def table(self) -> str:
        """Return a row for each mount."""
        rows = [
            [
                Cell(point),
                Cell({"left": "only the first", "right": "only the second"}.get(how, how) or "-"),
                Cell(here["kind"]),
                Cell(_from(here), varies=True),
                Cell(here["options"], varies=True),
                Cell(here["propagation"]),
                Cell("yes" if here["hidden"] else "no"),
            ]
            for _, point, here, how in self._tree()
        ]
        headings = ("mount point", "differs", "type", "source", "options", "spreads", "hidden")
        return table(f"{self._heading()}. {self._legend()}", headings, rows)

    def _shown(self) -> tuple[str, str]:
        """Return the keys of the namespaces to show: the reader's choice, or what was asked for."""
        namespaces = self._picture.get("namespaces", {})
        left = self.left if self.left in namespaces else self._picture.get("left", "")
        right = self.right or self._picture.get("right", "")
        return left, right if right in namespaces else ""

    def _both(self) -> bool:
        return bool(self._shown()[1])

    def _heading(self) -> str:
        namespaces = self._picture.get("namespaces", {})
        names = [namespaces[key]["name"] for key in self._shown() if key]
        return f"{self.title} of {' and of '.join(names)}" if names else self.title

    def _legend(self) -> str:
        same = "The same letter: they tell each other of new mounts."
        signs = "− only in the first, + only in the second, ~ different. "  # noqa: RUF001
        return signs + same if self._both() else same

    def _tree(self) -> list[tuple[tuple[bool, ...], str, Document, str]]:
        """Return rails, mount point, mount and difference of each row to be shown."""
        left, right = self._shown()
        chosen: dict[str, tuple[str, Document, str]] = {}
        for place, row in self._picture.get("rows", {}).items():
            one, other = row["in"].get(left), row["in"].get(right)
            here = one or other
            if here is None:
                continue
            how = ""
            if right and not (one and other):
                how = "left" if one else "right"
            elif one and other and any(one[name] != other[name] for name in _COMPARED):
                how = "differs"
            chosen[place] = (row["point"], here, how)
        # By name: the kernel gives a mount the lowest number that is free, so that says nothing.
        ordered = sorted(chosen, key=lambda place: (chosen[place][0], chosen[place][1]["id"]))
        return [
            (branch.rails, *chosen[branch.key])
            for branch in branches({place: chosen[place][1]["parent"] for place in ordered})
        ]


def _places(mounts: tuple[Mount, ...]) -> dict[int, str]:
    """Return a key for each mount that means the same in other namespaces: its point and count."""
    seen: dict[str, int] = {}
    places: dict[int, str] = {}
    for mount in mounts:
        seen[mount.point] = count = seen.get(mount.point, 0) + 1
        places[mount.id] = mount.point if count == 1 else f"{mount.point} #{count}"
    return places


def _namespaces(snapshot: Snapshot) -> Document:
    """Return for each mount namespace what to call it, and which processes are in it."""
    by_pid = {one.pid: one for one in snapshot.processes}
    members: dict[int, list[Process]] = {}
    for one in snapshot.processes:
        members.setdefault(one.namespaces.get("mnt", 0), []).append(one)
    of_host = hosts(snapshot.processes).get("mnt")
    found: Document = {}
    for pid in snapshot.mounts:
        first = by_pid.get(pid)
        inode = first.namespaces.get("mnt", 0) if first else 0
        inside = members.get(inode, []) if inode else []
        container = next((one.container for one in inside if one.side == "container"), "")
        name = "the host" if inode == of_host else first.name if first else "a process"
        found[str(pid)] = {
            "name": name,
            "label": name if inode == of_host else f"{name} {pid}",
            "container": "" if inode == of_host else container,
            "pids": [str(one.pid) for one in inside],
        }
    return found


def _choice(namespaces: Document, pid: int | None, other: int | None) -> tuple[str, str]:
    """Return the keys of the namespaces that were asked for, by a process in each."""

    def key(pid: int | None) -> str:
        found = (key for key, one in namespaces.items() if str(pid) in (key, *one["pids"]))
        return next(found, "")

    inside = [key for key, one in namespaces.items() if one["container"]]
    return key(pid) or next(iter(inside or namespaces), ""), key(other)


def _from(mount: Document) -> str:
    """Return what is mounted: its source, and which directory of it if not all."""
    return f"{mount['source']}{'' if mount['root'] == '/' else ' ' + mount['root']}"

"""LayerStack: the layers of a container's root, what it has written on top, and what it sees.

The upperdir lies on the image's layers, which never change. Each entry in it says what it does to
what lies below: it adds, it hides by a changed copy, it deletes (whiteout), it hides a whole
directory (opaque).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kernelbox.widgets.base import View, bundle
from kernelbox.widgets.still import (
    ROW,
    Cell,
    Column,
    branches,
    document,
    margins,
    sheet,
    size,
    table,
    tall,
    wide,
    words,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from kernelbox.observe.model import Entry, Snapshot
    from kernelbox.observe.model import LayerStack as Stack
    from kernelbox.widgets.patch import Document

# What an entry does: its letter, the number of its colour, and the word for it.
WHAT = {
    "added": ("A", 2, "added"),
    "changed": ("C", 0, "changed: copied up"),
    "whiteout": ("W", 5, "deleted: whiteout"),
    "opaque": ("O", 6, "opaque: hides the directory below"),
}
_MOST = 40  # rows of a still picture; the live one scrolls


class LayerStack(View):
    """The layers of one container's root file system, and what is in the upperdir.

    Args:
        source: As for every view.
        container: Id of the container; without it, the first that has layers.
        interval: Seconds between two looks.

    Source: `Documentation/filesystems/overlayfs.rst`.
    """

    script: ClassVar[str] = "layer_stack"
    parts: ClassVar[tuple[str, ...]] = ("layers",)
    _esm = bundle(script)
    title: ClassVar[str] = "Layers"
    rows: ClassVar[tuple[str, ...]] = ("upper", "merged")

    def __init__(
        self,
        source: Callable[[], Snapshot] | Snapshot | None = None,
        *,
        container: str = "",
        **options: Any,
    ) -> None:
        self._container = container
        super().__init__(source, **options)

    def picture(self, snapshot: Snapshot) -> Document:
        """Return the layers, and a row for each path of the upperdir and of the merged view."""
        stack = next(
            (one for one in snapshot.layers if self._container in ("", one.container)), None
        )
        if stack is None:
            return {"note": "no layers to be seen", "layers": [], "upper": {}, "merged": {}}
        return {
            "note": "too much to look at all of it: the numbers are too low"
            if stack.truncated
            else "",
            "container": stack.container,
            "layers": [
                {"name": one.name, "digest": one.digest, "files": one.files, "bytes": one.bytes}
                for one in stack.layers
            ],
            "upper": {one.path: _entry(one) for one in stack.upper},
            "merged": {one.path: _entry(one) for one in _merged(stack)},
            "wasted": stack.wasted,
        }

    # -- on paper ------------------------------------------------------------------------------

    def text(self) -> str:
        """Return the layers and the entries of the upperdir, without digests and sizes."""
        if not self._layers():
            return f"{self.title}: {self._picture['note']}"
        lines = ["upperdir, the container's own"]
        lines += [
            f"  {WHAT[one['what']][0]} {path}{'/' if one['kind'] == 'directory' else ''}"
            for path, one in self._written()
        ] or ["  (nothing written)"]
        lines += [f"{name}, never changed" for name in self._titles()]
        wasted = "some" if self._picture["wasted"] else "no"
        return "\n".join([*lines, f"{wasted} bytes wasted below what hides them"])

    def svg(self) -> str:
        """Return the stack, the upperdir's entries, and beside it what the container sees."""
        if not self._layers():
            return document(self.title, self.text(), "", 420, 50, self._picture["note"])
        left, top = margins()
        stack = [Column("upperdir and layers", 250), Column("entries", 70), Column("bytes", 90)]
        seen = [Column("what the container sees", 300), Column("from", 130)]
        ours, merged = self._stack_rows(), self._seen_rows()
        rows = max(len(ours), len(merged))
        gap = 40
        content = sheet(stack, ours, left, top)
        if merged:
            content += sheet(seen, merged, left + wide(stack) + gap, top)
        legend = " · ".join(f"{sign}: {what}" for sign, _, what in WHAT.values())
        height = top + tall(rows) + ROW + 6
        content += words(legend, left, height - 6, "muted")
        width = wide(stack) + (gap + wide(seen) if merged else 200)
        return document(self.title, self.text(), content, width, height, self._note())

    def table(self) -> str:
        """Return a row for each entry of the upperdir, then one for each layer."""
        rows = [
            [
                Cell(path),
                Cell(WHAT[one["what"]][2]),
                Cell(self._name(one["layer"]) if one["layer"] >= 0 else "-"),
                Cell(size(one["size"]), varies=True),
            ]
            for path, one in self._written()
        ]
        rows += [
            [
                Cell(name),
                Cell("layer, never changed"),
                Cell(str(one["digest"]), varies=True),
                Cell(f"{size(one['bytes'])} in {one['files']} entries", varies=True),
            ]
            for name, one in zip(self._titles(), self._layers(), strict=True)
        ]
        headings = ("path or layer", "what it is", "what lies below, or digest", "bytes")
        return table(f"Upperdir and layers. {self._note()}", headings, rows)

    def _stack_rows(self) -> list[list[Cell]]:
        written = self._written()
        total = sum(one["size"] for _, one in written if one["what"] != "whiteout")
        rows = [[Cell("upperdir, the container's own", "head"), *_sizes(len(written), total)]]
        for path, one in written[:_MOST]:
            sign, hue, _ = WHAT[one["what"]]
            rows.append([Cell(path, "code", rails=(True,)), Cell(sign, hue=hue), _size(one)])
        if len(written) > _MOST:
            rows.append([Cell(f"and {len(written) - _MOST} more", "muted"), Cell(""), Cell("")])
        for name, one in zip(self._titles(), self._layers(), strict=True):
            rows.append([Cell(name, "head"), *_sizes(one["files"], one["bytes"])])
        return rows

    def _seen_rows(self) -> list[list[Cell]]:
        merged = self._picture["merged"]
        # A directory without an entry of its own still carries the entries in it.
        parents: dict[str, str] = {}
        for path in sorted(merged):
            parts = path.split("/")
            for depth in range(2, len(parts) + 1):
                parents["/".join(parts[:depth])] = "/".join(parts[: depth - 1])
        rows = []
        for branch in branches(parents)[:_MOST]:
            one = merged.get(branch.key, {"what": "", "kind": "directory", "layer": -1})
            what = WHAT.get(one["what"])
            name = branch.key.rpartition("/")[2] + ("/" if one["kind"] == "directory" else "")
            layer = self._name(one["layer"]) if one["layer"] >= 0 else ""
            origin = Cell(what[0], hue=what[1]) if what else Cell(layer, "muted")
            rows.append([Cell(name, "code", rails=branch.rails), origin])
        if len(parents) > _MOST:
            more = Cell(f"and {len(parents) - _MOST} more", "muted", varies=True)
            rows.append([more, Cell("")])
        return rows

    def _note(self) -> str:
        wasted = self._picture["wasted"]
        told = f"{size(wasted)} of the layers are hidden by what lies above: wasted."
        return self._picture["note"] or (told if wasted else "No byte of the layers is hidden.")

    def _written(self) -> list[tuple[str, Document]]:
        """Return the upperdir's entries, except directories that only lead to the others."""
        upper = sorted(self._picture["upper"].items())
        return [(path, one) for path, one in upper if one["what"] in WHAT]

    def _layers(self) -> list[Document]:
        layers: list[Document] = self._picture.get("layers", [])
        return layers

    def _name(self, layer: int) -> str:
        return f"layer {len(self._layers()) - layer}"

    def _titles(self) -> list[str]:
        """Return what to call the layers: by number, as they were laid, and by name."""
        return [f"{self._name(at)}: {one['name']}" for at, one in enumerate(self._layers())]


def _entry(one: Entry) -> Document:
    return {"what": one.what, "kind": one.kind, "size": one.size, "layer": one.layer}


def _merged(stack: Stack) -> Iterable[Entry]:
    """Return what the container sees; if that was not asked for, what the upperdir shows of it."""
    return stack.merged or (one for one in stack.upper if one.what != "whiteout")


def _size(one: Document) -> Cell:
    return Cell("" if one["what"] == "whiteout" else size(one["size"]), "muted", varies=True)


def _sizes(count: int, total: int) -> tuple[Cell, Cell]:
    return Cell(str(count), "muted", varies=True), Cell(size(total), "muted", varies=True)

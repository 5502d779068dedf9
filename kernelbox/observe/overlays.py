"""A container's overlay: its layers, what has changed on top of them, and what is hidden below.

Everything is read from the directories that the overlay is made of, not through its mount: so a
container that has ended can be looked at as well. What the layers of an image have is looked up
once, as they never change; the upperdir is walked each time. Every walk ends after so many entries.

Features of overlayfs that kernelbox does not switch on are not understood: `redirect_dir`,
`metacopy` and whiteouts as extended attributes.

Source: `Documentation/filesystems/overlayfs.rst`.
"""

from __future__ import annotations

import dataclasses
import os
from typing import NamedTuple

from kernelbox.container import state
from kernelbox.observe.model import Entry, Layer, LayerStack
from kernelbox.observe.union import Item, Walk, look_at, showing, top
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

MOST_LOWER = 50_000  # entries of all layers of one container
MOST_UPPER = 2_000  # entries of an upperdir, and of a merged view

_UPPER = -1


def look(configs: Mapping[str, Mapping[str, Any]], merged: str = "") -> tuple[LayerStack, ...]:
    """Return the layers of each container that has some.

    Args:
        configs: Of the containers, by id.
        merged: Id of the one whose merged view is listed as well.
    """
    found = (_look(one, config, one == merged) for one, config in configs.items())
    return tuple(one for one in found if one is not None)


def of(container: str, *, merged: bool = False) -> LayerStack | None:
    """Return the layers of one container; None if it is gone.

    Args:
        container: Its id.
        merged: Whether to list also what the container sees: of an image, that is much.

    Raises:
        KernelboxError: Its config is damaged.
    """
    return _look(container, state.extra(container), merged)


def _look(container: str, config: Mapping[str, Any], merged: bool = False) -> LayerStack | None:
    upper = top(_UPPER, f"{paths.container(container)}/upper")
    lower = [top(*place) for place in enumerate(config.get("lowerdirs", ()))]
    whole = [one for one in lower if one is not None]
    if upper is None or not whole or len(whole) < len(lower):
        return None
    below = _survey(whole, config["image"])
    changes = _Changes(upper, whole)
    stack = LayerStack(
        container=container,
        layers=below.layers,
        upper=changes.entries,
        wasted=below.wasted + changes.hidden_bytes,
        truncated=below.truncated or changes.truncated,
    )
    if not merged:
        return stack
    return dataclasses.replace(stack, merged=_seen_together(below, stack, [upper, *whole]))


# What the container saw last that was asked for, and of which layers: it is much, and seldom other.
_together: tuple[_Below, LayerStack, tuple[Entry, ...]] | None = None


def _seen_together(below: _Below, stack: LayerStack, directories: list[Item]) -> tuple[Entry, ...]:
    global _together
    if _together and _together[0] is below and _together[1] == stack and not stack.truncated:
        return _together[2]
    _together = below, stack, _merged(directories, stack.upper)
    return _together[2]


class _Below(NamedTuple):
    """What the layers of an image are, without a container on top."""

    layers: tuple[Layer, ...]
    wasted: int
    truncated: bool


_known: dict[tuple[str, ...], _Below] = {}


def _survey(lower: list[Item], image: str) -> _Below:
    # A layer that was removed and unpacked anew has another inode.
    key = (image, *(f"{one.place} {one.status.st_ino} {one.status.st_ctime_ns}" for one in lower))
    if key not in _known:
        _known[key] = _look_below(lower, image)
    return _known[key]


def _look_below(lower: list[Item], image: str) -> _Below:
    """Walk through all layers, one by one and then as they lie over each other."""
    walk = Walk(MOST_LOWER)
    layers = []
    for number, one in enumerate(lower):
        items = list(walk.everything(one))
        name = os.path.basename(one.place)
        layers.append(
            Layer(
                name=f"{image} {len(lower) - number}/{len(lower)}",
                digest=name[:12] if len(name) == _HEX_DIGITS else "",
                files=len(items),
                bytes=_bytes(items),
            )
        )
    wasted = 0
    if len(lower) > 1 and not walk.truncated:
        seen = Walk(MOST_LOWER)
        wasted = sum(layer.bytes for layer in layers) - _bytes(seen.visible(lower))
    return _Below(tuple(layers), wasted, walk.truncated)


_HEX_DIGITS = 64  # of a SHA-256


def _bytes(items: Iterable[Item]) -> int:
    """Return the size of all regular files among the items, each once however often it is named."""
    sizes = {
        (item.layer, item.status.st_ino): item.status.st_size for item in items if item.is_file
    }
    return sum(sizes.values())


class _Changes:
    """What an upperdir does to what lies below it.

    Attributes:
        entries: All that is in it.
        hidden_bytes: Size of the files below that it hides.
        truncated: Whether there was more.
    """

    def __init__(self, upper: Item, lower: list[Item]) -> None:
        self._walk = Walk(MOST_UPPER)
        self._below = Walk(MOST_LOWER)
        self._hidden: dict[tuple[int, int], tuple[int, os.stat_result]] = {}
        entries = []
        waiting = [(upper, lower)]
        while waiting:
            directory, merged = waiting.pop()
            for name, item in self._walk.entries(directory).items():
                found = (look_at(one, name) for one in merged)
                below = showing(one for one in found if one is not None)
                entries.append(self._compare(item, below))
                if item.is_directory:
                    waiting.append((item, below if self._merges(item, below) else []))
        self.entries = tuple(sorted(entries, key=lambda one: one.path))
        self.truncated = self._walk.truncated or self._below.truncated
        # A file of several names is hidden when all of them are.
        self.hidden_bytes = sum(
            status.st_size for names, status in self._hidden.values() if names >= status.st_nlink
        )

    def _compare(self, item: Item, below: list[Item]) -> Entry:
        seen = below[0] if below else None
        if seen is None:
            what = "whiteout" if item.is_whiteout else "added"
        elif self._merges(item, below):
            what = "unchanged" if _attributes(item) == _attributes(seen) else "changed"
        else:
            self._hide(below)
            opaque = item.is_directory and seen.is_directory
            what = "whiteout" if item.is_whiteout else "opaque" if opaque else "changed"
        kind = seen.kind if seen and item.is_whiteout else item.kind
        return _entry(item, what, kind, -1 if seen is None else seen.layer)

    @staticmethod
    def _merges(item: Item, below: list[Item]) -> bool:
        """Whether it is a directory that shows what the directory below has as well."""
        return item.is_directory and bool(below) and below[0].is_directory and not item.is_opaque

    def _hide(self, below: list[Item]) -> None:
        items = self._below.visible(below) if below[0].is_directory else below
        for item in items:
            if item.is_file:
                inode = (item.layer, item.status.st_ino)
                names, _ = self._hidden.get(inode, (0, None))
                self._hidden[inode] = (names + 1, item.status)


def _attributes(item: Item) -> tuple[int, int, int]:
    return item.status.st_mode, item.status.st_uid, item.status.st_gid


def _entry(item: Item, what: str, kind: str, layer: int) -> Entry:
    path = item.path.encode(errors="surrogateescape").decode(errors="replace")
    return Entry(path, what, kind, item.status.st_size if item.is_file else 0, layer)


def _merged(directories: list[Item], changes: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return what the container sees, as far as it is not too much."""
    changed = {entry.path: entry for entry in changes}
    entries = []
    for item in Walk(MOST_UPPER).visible(directories):
        entry = _entry(item, "unchanged", item.kind, item.layer)
        entries.append(changed.get(entry.path, entry) if item.layer == _UPPER else entry)
    return tuple(sorted(entries, key=lambda one: one.path))

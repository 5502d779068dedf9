"""Directories that lie over each other as in an overlay, without the overlay: what hides what.

It knows whiteouts (a character device 0:0) and opaque directories, and walks no further than it
was allowed to. Leaves which directories these are, and what to make of it, to overlays.py.

Source: `Documentation/filesystems/overlayfs.rst`, "Upper and Lower", "whiteouts and opaque
directories".
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)
_PATH_MAX = 4096  # bytes, the final zero included; directories may be nested deeper than that


class Item(NamedTuple):
    """One entry of one layer.

    Attributes:
        layer: Whose it is.
        path: Where it is in the layer, beginning with a slash; empty for the layer itself.
        place: Where that is on the host.
        status: What lstat said.
    """

    layer: int
    path: str
    place: str
    status: os.stat_result

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_whiteout(self) -> bool:
        """Whether it says that what is below by this name is deleted."""
        return stat.S_ISCHR(self.status.st_mode) and self.status.st_rdev == 0

    @property
    def is_opaque(self) -> bool:
        """Whether it is a directory that does not show what the same directory below has."""
        try:
            mark = os.getxattr(self.place, "trusted.overlay.opaque", follow_symlinks=False)
        except OSError:
            return False
        return mark == b"y"

    @property
    def kind(self) -> str:
        """What to call it: `file`, `directory`, `symlink` or `device`."""
        if self.is_directory:
            return "directory"
        if stat.S_ISLNK(self.status.st_mode):
            return "symlink"
        return "file" if self.is_file else "device"


def showing(items: Iterable[Item]) -> list[Item]:
    """Return which of the items by one name, the topmost first, are seen.

    That is one, or the directories that are seen as one, or nothing if it is deleted.
    """
    shown: list[Item] = []
    for item in items:
        if item.is_whiteout or (shown and not item.is_directory):
            break
        shown.append(item)
        if not item.is_directory or item.is_opaque:
            break
    return shown


class Walk:
    """A walk through layers that ends after so many entries.

    Attributes:
        truncated: Whether there was more.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self.truncated = False

    def entries(self, directory: Item) -> dict[str, Item]:
        """Return the entries of a directory by their names; nothing if it is gone."""
        found: dict[str, Item] = {}
        try:
            with os.scandir(directory.place) as found_here:
                for entry in found_here:
                    if self._left <= 0:
                        self.truncated = True
                        break
                    self._left -= 1
                    item = look_at(directory, entry.name)
                    if item is not None:
                        found[entry.name] = item
                    elif len(os.fsencode(entry.path)) >= _PATH_MAX:
                        self.truncated = True
        except OSError as refusal:
            if refusal.errno not in _GONE:
                raise
        return found

    def everything(self, directory: Item) -> Iterator[Item]:
        """Yield all that is in one layer below a directory, whiteouts included."""
        waiting = [directory]
        while waiting:
            for item in self.entries(waiting.pop()).values():
                yield item
                if item.is_directory:
                    waiting.append(item)

    def visible(self, directories: Iterable[Item]) -> Iterator[Item]:
        """Yield all that is seen below directories that lie over each other, the topmost first."""
        waiting = [list(directories)]
        while waiting:
            lists = [self.entries(directory) for directory in waiting.pop()]
            for name in dict.fromkeys(name for names in lists for name in names):
                shown = showing(names[name] for names in lists if name in names)
                if shown:
                    yield shown[0]
                    if shown[0].is_directory:
                        waiting.append(shown)


def top(layer: int, directory: str) -> Item | None:
    """Return a layer's directory as the item to begin with; None if it is gone."""
    try:
        return Item(layer, "", directory, os.lstat(directory))
    except FileNotFoundError:
        return None


def look_at(directory: Item, name: str) -> Item | None:
    """Return what a directory has by this name; None if it has nothing."""
    place = f"{directory.place}/{name}"
    try:
        return Item(directory.layer, f"{directory.path}/{name}", place, os.lstat(place))
    except OSError as refusal:
        if refusal.errno in _GONE or refusal.errno == errno.ENAMETOOLONG:
            return None
        raise

"""Where COPY and ADD put files: the entries of a layer over an image whose own symlinks lie there.

The target is looked up in the image's files as if the image's root were `/`, so that no symlink of
the image leads anywhere else. Directories on the way keep what the image says of them;
those that are missing belong to the owner of the copy. Nothing is written here.

Source: Docker documentation, "Dockerfile reference", section COPY, Destination.
"""

from __future__ import annotations

import stat

from kernelbox.build import modes
from kernelbox.build.sources import Source
from kernelbox.images import trees
from kernelbox.images.layers import Entry
from kernelbox.images.trees import Path
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class How(NamedTuple):
    """What a copy's files get.

    Attributes:
        mtime: Of directories that are made, seconds since 1970.
        owner: User and group of all; None for each file's own.
        mode: Permissions of all, or a change to them, as modes.py has them; "" for each file's own.
    """

    mtime: int
    owner: tuple[int, int] | None = None
    mode: str = ""


def place(root: int, target: str, sources: Sequence[Source], how: How) -> list[Entry]:
    """Return the entries of a layer that has sources at a target.

    Args:
        root: Descriptor of the image's files as one tree.
        target: An absolute path; one that ends with a slash is a directory.
        sources: What to put there.
        how: Owners, modes and times.

    Raises:
        UsageError: A file is where a directory has to be, or the other way round.
    """
    return _Placing(root, how).run(target, sources)


def directory(root: int, path: str, how: How) -> list[Entry]:
    """Return the entries that make a directory; none if it is there. Parameters and errors above.

    It is what WORKDIR does with a directory that the image lacks.
    """
    real, missing = trees.resolve(root, trees.components(path))
    if not missing:
        _check_directory(root, real, path)
        return []
    return _Placing(root, how).run(path + "/", [])


def check_directory(root: int, target: str) -> None:
    """Refuse a target that is no directory in the image. Parameters and errors above."""
    real, missing = trees.resolve(root, trees.components(target))
    if missing or trees.kind(root, real) != stat.S_IFDIR:
        raise UsageError(
            f"with several sources the target {target} has to be a directory",
            "End it with a slash",
        )


class _Placing:
    """One layer that is being put together."""

    def __init__(self, root: int, how: How) -> None:
        self._root = root
        self._how = how
        self._entries: dict[Path, Entry] = {}
        self._leads: dict[Path, Path] = {}  # from an image's symlink to the directory that it means

    def run(self, target: str, sources: Sequence[Source]) -> list[Entry]:
        parts = trees.components(target)
        real, missing = trees.resolve(self._root, parts)
        is_there = not missing and trees.kind(self._root, real) == stat.S_IFDIR
        several = len(sources) > 1 or any(source.is_directory or source.below for source in sources)
        into = target.endswith(("/", "/.")) or several or is_there
        if into and not missing:
            _check_directory(self._root, real, target)
        way = (*real, *missing)
        self._make_way(real if is_there or missing else real[:-1], way if into else way[:-1])
        for source in sources:
            base = (*way, *source.below)
            self._keep(way, source.below)
            self._add(source, (*base, source.name) if into and not source.is_directory else base)
        return list(self._entries.values())

    def _make_way(self, there: Path, path: Path) -> None:
        """List the directories of a path: those that are there, and those that are to be made."""
        for end in range(1, len(path) + 1):
            if end <= len(there):
                self._entries[path[:end]] = trees.attributes(self._root, path[:end])
            else:
                uid, gid = self._how.owner or (0, 0)
                new = Entry("", stat.S_IFDIR | 0o755, uid, gid, mtime=self._how.mtime)
                self._set(path[:end], new)

    def _keep(self, way: Path, below: Path) -> None:
        """List the directories above a source that are kept."""
        uid, gid = self._how.owner or (0, 0)
        for end in range(1, len(below) + 1):
            path = (*way, *below[:end])
            self._check(path, stat.S_IFDIR)
            if path not in self._entries:
                there = trees.kind(self._root, path) == stat.S_IFDIR
                new = Entry("", stat.S_IFDIR | 0o755, uid, gid, mtime=self._how.mtime)
                self._set(path, trees.attributes(self._root, path) if there else new)

    def _add(self, source: Source, base: Path) -> None:
        for piece in source.pieces:
            path, entry = self._way((*base, *piece.path)), piece.entry
            if stat.S_ISDIR(entry.mode):
                path = self._followed(path)
            if self._how.owner:
                entry = entry._replace(uid=self._how.owner[0], gid=self._how.owner[1])
            if self._how.mode and not stat.S_ISLNK(entry.mode):
                entry = entry._replace(mode=modes.changed(entry.mode, self._how.mode))
            if piece.same is not None:
                first = self._way((*base, *piece.same))
                entry = entry._replace(hardlink="/".join(first))
            self._check(path, stat.S_IFMT(entry.mode))
            self._set(path, entry)

    def _way(self, path: Path) -> Path:
        """Return a path as it is, where a directory above it is a symlink of the image's."""
        for end in range(len(path) - 1, 0, -1):
            if path[:end] in self._leads:
                return (*self._leads[path[:end]], *path[end:])
        return path

    def _followed(self, path: Path) -> Path:
        """Return where a directory is put that has the path of an image's symlink to one."""
        if path in self._entries or trees.kind(self._root, path) != stat.S_IFLNK:
            return path
        real, missing = trees.resolve(self._root, path)
        if missing or trees.kind(self._root, real) != stat.S_IFDIR:
            return path
        self._leads[path] = real
        return real

    def _set(self, path: Path, entry: Entry) -> None:
        self._entries[path] = entry._replace(name="/".join(path))

    def _check(self, path: Path, kind: int) -> None:
        """See to it that no directory takes a file's place, nor the other way round."""
        earlier = self._entries.get(path)
        there = stat.S_IFMT(earlier.mode) if earlier else trees.kind(self._root, path)
        if there is None or (there == stat.S_IFDIR) == (kind == stat.S_IFDIR):
            return
        shown = "/" + "/".join(path)
        if there == stat.S_IFDIR:
            raise UsageError(f"{shown} is a directory in the image", "Copy to another name")
        what = "a symlink" if there == stat.S_IFLNK else "no directory"
        raise UsageError(f"{shown} is {what} in the image", "Copy to where it leads")


def _check_directory(root: int, path: Path, shown: str) -> None:
    if trees.kind(root, path) != stat.S_IFDIR:
        raise UsageError(
            f"{shown.rstrip('/')} is no directory in the image", "Choose another target"
        )

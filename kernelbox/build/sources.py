"""What COPY and ADD take: files of a tree, each with the digest of what is in it.

The tree is a build context, a stage, an image or an unpacked tar, and anybody may have made it. It
is walked by descriptors, one component at a time. The only symlinks that are followed are those in
the source that the instruction names; for these, `/` is the tree's root. A file is read twice, for
its digest and into the layer, and has to be the same both times.

Leaves where files go to placement.py.

Source: Docker documentation, "Dockerfile reference", section COPY.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import re
import stat
from functools import partial
from typing import BinaryIO, NamedTuple, cast

from kernelbox.images import bounds, nodes, trees
from kernelbox.images.containerfile.ignore import Ignore
from kernelbox.images.entries import BENEATH
from kernelbox.images.layers import Entry
from kernelbox.images.nodes import opened
from kernelbox.images.trees import Path
from kernelbox.kernel import lookup
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CHUNK = 1 << 20


class Tree(NamedTuple):
    """Where files are taken from.

    Attributes:
        fd: Descriptor of its root.
        name: What a person calls it: `the build context`, `stage build`.
        ignore: What is left out of it.
        owned: Whether its owners and extended attributes count. A context's do not: all that comes
            out of it belongs to root.
        mtime: The time that each file gets; None for its own.
    """

    fd: int
    name: str
    ignore: Ignore
    owned: bool
    mtime: int | None = None


_WILDCARD = re.compile(r"(?<!\\)[*?\[]")  # Source: Go's path/filepath, Match


class Piece(NamedTuple):
    """One file, directory or symlink that was found.

    Attributes:
        path: Where, below the source; nothing for the source itself.
        entry: What a layer says of it; it has no name yet.
        digest: Of a regular file's bytes.
        same: The path of an earlier piece that this is another name of.
    """

    path: Path
    entry: Entry
    digest: str = ""
    same: Path | None = None


class Source(NamedTuple):
    """One thing that an instruction names, with all that is in it.

    Attributes:
        name: Its last component.
        is_directory: Whether it is one: then only what is in it is copied.
        pieces: Each directory before what is in it.
        path: Where it is in the tree, without symlinks.
        said: The same as it was named, but for wildcards.
        below: The directories that are kept above it, below the target.
    """

    name: str
    is_directory: bool
    pieces: list[Piece]
    path: Path = ()
    said: Path = ()
    below: Path = ()


def gather(tree: Tree, source: str) -> list[Source]:
    """Return what a source of COPY means: one thing, or with wildcards all that match, if any do.

    Args:
        tree: Where.
        source: As in the Containerfile.

    Raises:
        UsageError: There is no such thing, it lies outside, or it cannot be in a layer.
    """
    if posixpath.normpath(source).split("/")[0] == "..":
        raise UsageError(f"{source} lies outside of {tree.name}", "Move it there, or build there")
    found = []
    for path in trees.matching(tree.fd, trees.components(source)):
        real, missing = trees.resolve(tree.fd, path)
        if missing or any(one and tree.ignore("/".join(one)) for one in _seen_as(tree, path, real)):
            continue
        gathered = _Gathering(tree, real).source(path[-1] if path else "")
        found.append(gathered._replace(said=path))
    if not found and not _WILDCARD.search(source):
        raise missing_from(tree, source)
    return found


def with_parents(source: Source, text: str) -> Source:
    """Return a source that keeps the directories above it, from `/./` in its text on, if there.

    Source: Docker documentation, "Dockerfile reference", section COPY --parents.
    """
    before, pivot, _ = text.partition("/./")
    first = len(trees.components(before)) if pivot else 0
    kept = source.said[first:]
    return source._replace(below=kept if source.is_directory else kept[:-1])


def without(source: Source, leave_out: Ignore) -> Source | None:
    """Return a source without what patterns leave out, as paths in it; None if that is all.

    Source: Docker documentation, "Dockerfile reference", section COPY --exclude.
    """
    if not source.is_directory:
        return None if leave_out(source.name) else source
    every = {one.path: one for one in source.pieces}
    kept = {path: one for path, one in every.items() if not leave_out("/".join(path))}
    # Of a file that is left out another name may be kept: then that is its first.
    pieces = [
        one if one.same is None or one.same in kept else every[one.same]._replace(path=path)
        for path, one in kept.items()
    ]
    return source._replace(pieces=pieces)


def missing_from(tree: Tree, source: str) -> UsageError:
    """Return what is to be said of a source that is not there."""
    left_out = ", or .dockerignore leaves it out" if not tree.owned else ""
    return UsageError(f"{source} is not in {tree.name}{left_out}", "Look at its name")


def text(name: str, content: str, mtime: int) -> Source:
    """Return the text of a here-document as a file."""
    data = content.encode("utf-8", "surrogateescape")
    entry = Entry("", stat.S_IFREG | 0o644, content=data, mtime=mtime)
    return Source(name, False, [Piece((), entry, hashlib.sha256(data).hexdigest())])


def digest(sources: Iterable[Source]) -> str:
    """Return a digest of these files: of names, kinds, modes, owners and bytes, not of times."""
    whole = hashlib.sha256()
    for source in sources:
        whole.update(_line(source.name, source.is_directory, *source.below))
        for piece in source.pieces:
            one = piece.entry
            xattrs = sorted((key, value.hex()) for key, value in one.xattrs.items())
            said = (piece.path, one.mode, one.uid, one.gid, one.target, one.device, xattrs)
            whole.update(_line(*said, piece.digest, piece.same))
    return whole.hexdigest()


def _line(*said: object) -> bytes:
    return json.dumps(said).encode() + b"\n"


def _seen_as(tree: Tree, path: Path, real: Path) -> tuple[Path, Path]:
    """Return the names under which a file may be left out: as written, and as it is."""
    # With exceptions a directory that is left out may hold files that are not.
    if tree.ignore.has_exceptions and trees.kind(tree.fd, real) == stat.S_IFDIR:
        return (), ()
    return path, real


class _Gathering:
    """One source's walk."""

    def __init__(self, tree: Tree, path: Path) -> None:
        self._tree = tree
        self._path = path
        self._pieces: list[Piece] = []
        self._links: dict[tuple[int, int], Path] = {}

    def source(self, name: str) -> Source:
        if trees.kind(self._tree.fd, self._path) == stat.S_IFDIR:
            with trees.directory(self._tree.fd, self._path) as fd:
                self._walk(fd, ())
            return Source(name, True, self._pieces, self._path)
        with trees.directory(self._tree.fd, self._path[:-1]) as fd:
            self._take(fd, self._path[-1], ())
        return Source(name, False, self._pieces, self._path)

    def _walk(self, fd: int, path: Path) -> None:
        if len(path) + len(self._path) > bounds.MAX_DEPTH:
            raise UsageError(f"{self._tree.name} is more than {bounds.MAX_DEPTH} directories deep")
        for name in sorted(os.listdir(fd)):
            below = (*path, name)
            there = os.stat(name, dir_fd=fd, follow_symlinks=False)
            left_out = self._tree.ignore("/".join((*self._path, *below)))
            if not stat.S_ISDIR(there.st_mode):
                if not left_out:
                    self._take(fd, name, below)
                continue
            if left_out and not self._tree.ignore.has_exceptions:
                continue
            before = len(self._pieces)
            self._take(fd, name, below)
            with opened(os.open(name, nodes.DIRECTORY, dir_fd=fd)) as inside:
                self._walk(inside, below)
            if left_out and len(self._pieces) == before + 1:
                self._pieces.pop()  # no exception was in it

    def _take(self, parent: int, name: str, path: Path) -> None:
        if len(self._pieces) >= bounds.MAX_ENTRIES:
            raise UsageError(f"{self._tree.name} has more than {bounds.MAX_ENTRIES} files")
        there = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISSOCK(there.st_mode):
            return  # it means nothing without the process that listens
        if name.startswith(".wh.") or nodes.is_whiteout(there):
            raise UsageError(f"{name!a} would delete a file, in a layer", "Give it another name")
        inode = (there.st_dev, there.st_ino)
        earlier = self._links.setdefault(inode, path) if there.st_nlink > 1 else path
        if not stat.S_ISDIR(there.st_mode) and earlier != path:
            self._pieces.append(Piece(path, self._entry(parent, name, there), "", earlier))
            return
        entry, told = self._entry(parent, name, there), ""
        if stat.S_ISREG(there.st_mode):
            with opened(os.open(name, trees.FILE, dir_fd=parent)) as fd:
                told = _hash_of(fd)
            where = (*self._path, *path)
            entry = entry._replace(content=partial(_open_again, self._tree, where, told))
        self._pieces.append(Piece(path, entry, told))

    def _entry(self, parent: int, name: str, there: os.stat_result) -> Entry:
        owned, is_link = self._tree.owned, stat.S_ISLNK(there.st_mode)
        mtime = int(there.st_mtime) if self._tree.mtime is None else self._tree.mtime
        return Entry(
            "",
            there.st_mode,
            there.st_uid if owned else 0,
            there.st_gid if owned else 0,
            target=os.readlink(name, dir_fd=parent) if is_link else "",
            device=there.st_rdev
            if stat.S_ISCHR(there.st_mode) | stat.S_ISBLK(there.st_mode)
            else 0,
            xattrs=_xattrs(parent, name, there) if owned else {},
            mtime=mtime,
        )


def _xattrs(parent: int, name: str, there: os.stat_result) -> dict[str, bytes]:
    if not (stat.S_ISREG(there.st_mode) or stat.S_ISDIR(there.st_mode)):
        return {}
    with opened(os.open(name, trees.FILE, dir_fd=parent)) as fd:
        return {key: os.getxattr(fd, key) for key in os.listxattr(fd) if nodes.may_set(key)}


def _hash_of(fd: int) -> str:
    whole = hashlib.sha256()
    while chunk := os.read(fd, _CHUNK):
        whole.update(chunk)
    return whole.hexdigest()


class _Checked(io.FileIO):
    """A file that must hold what it held when its digest was taken."""

    def __init__(self, fd: int, shown: str, expected: str) -> None:
        super().__init__(fd, "rb")
        self._shown = shown
        self._expected = expected
        self._hash = hashlib.sha256()

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size) or b""
        self._hash.update(data)
        return data

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        if self._hash.hexdigest() != self._expected:
            raise UsageError(f"{self._shown} changed while it was copied", "Build again")


def _open_again(tree: Tree, path: Path, expected: str) -> BinaryIO:
    shown = "/".join(path)
    fd = lookup.open_below(tree.fd, os.fsencode(shown), trees.FILE, BENEATH)
    return cast(BinaryIO, _Checked(fd, shown, expected))

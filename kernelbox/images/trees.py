"""Finding files in a tree that belongs to somebody else: the way to them, and what they are.

The tree's root is the root of all: an absolute symlink starts there, and `..` does not lead out of
it. Each component is looked at by itself, from the directory above, and is never followed by the
kernel.
"""

from __future__ import annotations

import os
import posixpath
import stat

from kernelbox.images import nodes
from kernelbox.images.containerfile.ignore import pattern
from kernelbox.images.entries import BENEATH, open_directory
from kernelbox.images.layers import Entry
from kernelbox.images.nodes import opened
from kernelbox.kernel import lookup
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

Path = tuple[str, ...]

FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How a file of a stranger is opened: no symlink, and no waiting for the other end of a fifo."""

_MOST_LINKS = 40  # as the kernel has it. Source: path_resolution(7)
_WILD = frozenset("*?[\\")


def components(path: str) -> Path:
    """Return the components of a path; it begins at the root, with or without a slash."""
    return tuple(part for part in posixpath.normpath("/" + path).split("/") if part)


def resolve(root: int, path: Path) -> tuple[Path, Path]:
    """Follow a path and its symlinks, as if `root` were the root of all.

    Args:
        root: Descriptor of a directory that nobody changes meanwhile.
        path: Components.

    Returns:
        The way to the last thing that is there, without symlinks, and what is missing.

    Raises:
        UsageError: The symlinks are a circle, or a file is in the way.
    """
    real: list[str] = []
    ahead, links = list(reversed(path)), 0
    while ahead:
        name = ahead.pop()
        if name in ("", "."):
            continue
        if name == "..":
            del real[-1:]
            continue
        with directory(root, real) as fd:
            there = nodes.lstat(fd, os.fsencode(name))
            if there is None:
                rest = posixpath.normpath("/" + "/".join([name, *reversed(ahead)]))
                return tuple(real), components(rest)
            if stat.S_ISLNK(there.st_mode):
                links += 1
                if links > _MOST_LINKS:
                    raise UsageError(f"/{'/'.join(path)} leads through a circle of symlinks")
                target = os.readlink(name, dir_fd=fd)
                real = [] if target.startswith("/") else real
                ahead += reversed(target.split("/"))
                continue
        real.append(name)
        if ahead and not stat.S_ISDIR(there.st_mode):
            raise UsageError(f"/{'/'.join(real)} is no directory", "Choose another path")
    return tuple(real), ()


def kind(root: int, path: Path) -> int | None:
    """Return the kind of what is at a path, itself (stat.S_IFREG ...); None if nothing is."""
    if not path:
        return stat.S_IFDIR
    try:
        with directory(root, path[:-1]) as fd:
            there = nodes.lstat(fd, os.fsencode(path[-1]))
    except OSError:
        return None  # nor is what is on the way
    return None if there is None else stat.S_IFMT(there.st_mode)


def directory(root: int, path: Sequence[str]) -> AbstractContextManager[int]:
    """Open a directory for the length of a block; no component may be a symlink.

    Raises:
        OSError: It is not there, no directory, or a symlink is in the way.
    """
    return opened(open_directory(root, tuple(map(os.fsencode, path)), BENEATH))


def opened_file(root: int, path: Path) -> AbstractContextManager[int]:
    """Open a file below a root for the length of a block; no component may be a symlink.

    Raises:
        OSError: It is not there, or a symlink is in the way.
    """
    return opened(lookup.open_below(root, os.fsencode("/".join(path)), FILE, BENEATH))


def matching(root: int, path: Path) -> list[Path]:
    """Return the paths that a path with wildcards means, in their order.

    Source: Go's path/filepath, Match.
    """
    found: list[Path] = [()]
    for part in path:
        if not _WILD & set(part):
            found = [(*above, part) for above in found]
            continue
        expression = pattern(part)
        found = [
            (*above, name)
            for above in found
            for name in _names(root, above)
            if expression.fullmatch(name)
        ]
    return found


def _names(root: int, path: Path) -> list[str]:
    try:
        real, missing = resolve(root, path)
        if missing:
            return []
        with directory(root, real) as fd:
            return sorted(os.listdir(fd))
    except (NotADirectoryError, UsageError):
        return []


def attributes(root: int, path: Path) -> Entry:
    """Return a layer's entry for a directory that is there."""
    with directory(root, path) as fd:
        there = os.fstat(fd)
        xattrs = {key: os.getxattr(fd, key) for key in os.listxattr(fd) if nodes.may_set(key)}
    name, mtime = "/".join(path), int(there.st_mtime)
    return Entry(name, there.st_mode, there.st_uid, there.st_gid, xattrs=xattrs, mtime=mtime)

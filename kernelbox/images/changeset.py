"""What a container has changed: its upperdir, read beside the layers below it.

It costs as much as has changed: only the upperdir is walked, and in the layers below only the same
names are looked up. The container may run and its root may be hostile, so each
directory is opened from the one above, by one component that is never followed.

    A  added       D  deleted: a whiteout, or hidden by an opaque directory
    C  changed: there below, too; a directory because of what is in it

Source: Linux Documentation/filesystems/overlayfs.rst; OCI image-spec v1.1, layer.md, section Change
Types; Docker documentation, "docker container diff".
"""

from __future__ import annotations

import contextlib
import os
import stat
from functools import partial
from typing import BinaryIO, NamedTuple

from kernelbox.images import filecap, nodes
from kernelbox.images.layers import Entry
from kernelbox.images.nodes import DIRECTORY, opened
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_UNDERSTOOD_NOT = ("trusted.overlay.redirect", "trusted.overlay.metacopy")


class Change(NamedTuple):
    """One thing that is not as in the image.

    Attributes:
        kind: `A`, `C` or `D`.
        path: Where, beginning with a slash.
    """

    kind: str
    path: str


class _Level(NamedTuple):
    """One directory of the upperdir, and the same directory in the layers that show through it."""

    path: str
    upper: int
    lower: list[int]


def changes(upperdir: str, lowerdirs: Sequence[str]) -> list[Change]:
    """Return what an upperdir changes, by path.

    Raises:
        OSError: It cannot be read.
    """
    with contextlib.ExitStack() as stack:
        top = _top(upperdir, lowerdirs, stack)
        return sorted(_changes(top), key=lambda change: change.path)


def entries(upperdir: str, lowerdirs: Sequence[str], shift: int = 0) -> Iterator[Entry]:
    """Yield what makes a layer of an upperdir: what changed, and whiteouts for what is gone.

    Args:
        upperdir: The directory; nobody should write to it meanwhile.
        lowerdirs: The layers below, topmost first.
        shift: Where the ids of the container's user namespace begin on the host.

    Raises:
        UsageError: It holds marks of overlay features that kernelbox does not switch on, or a file
            with a name that would delete another one.
        OSError: It cannot be read.
    """
    with contextlib.ExitStack() as stack:
        top = _top(upperdir, lowerdirs, stack)
        changed = {change.path for change in _changes(top)}
        links: dict[tuple[int, int], str] = {}
        yield from _entries(top, changed, shift, links)


def _top(upperdir: str, lowerdirs: Sequence[str], stack: contextlib.ExitStack) -> _Level:
    fds = [os.open(path, DIRECTORY) for path in (upperdir, *lowerdirs)]
    for fd in fds:
        stack.callback(os.close, fd)
    return _Level("", fds[0], fds[1:])


def _changes(level: _Level) -> Iterator[Change]:
    for name in sorted(os.listdir(level.upper)):
        path = f"{level.path}/{name}"
        there = os.stat(name, dir_fd=level.upper, follow_symlinks=False)
        below = _below(level, name)
        if nodes.is_whiteout(there):
            if below is not None:
                yield Change("D", path)
        elif not stat.S_ISDIR(there.st_mode):
            yield Change("A" if below is None else "C", path)
        else:
            with _inside(level, name) as inside:
                found = list(_changes(inside))
            hidden = _hidden(level, name, inside) if below and not inside.lower else []
            if below is None or found or hidden or _differs(there, below):
                yield Change("A" if below is None else "C", path)
            yield from found
            yield from hidden


def _hidden(level: _Level, name: str, inside: _Level) -> list[Change]:
    """Return what an opaque directory hides without having it itself."""
    with _inside(level, name, through=True) as whole:
        below = {one for fd in whole.lower for one in os.listdir(fd)}
        below = {one for one in below if _below(whole, one) is not None}
        return [Change("D", f"{whole.path}/{one}") for one in below - set(os.listdir(whole.upper))]


def _below(level: _Level, name: str) -> os.stat_result | None:
    """Return what the layers below show by a name; None if nothing."""
    for fd in level.lower:
        there = nodes.lstat(fd, os.fsencode(name))
        if there is not None:
            return None if nodes.is_whiteout(there) else there
    return None


@contextlib.contextmanager
def _inside(level: _Level, name: str, *, through: bool = False) -> Iterator[_Level]:
    """Open a directory of the upperdir and those below that show through it.

    Args:
        level: Where it is.
        name: Its name.
        through: Whether to look through it though it is opaque.
    """
    with contextlib.ExitStack() as stack:
        upper = stack.enter_context(opened(os.open(name, DIRECTORY, dir_fd=level.upper)))
        lower: list[int] = []
        for fd in level.lower if through or not _is_opaque(upper) else []:
            there = nodes.lstat(fd, os.fsencode(name))
            if there is None:
                continue
            if not stat.S_ISDIR(there.st_mode):
                break
            lower.append(stack.enter_context(opened(os.open(name, DIRECTORY, dir_fd=fd))))
            if _is_opaque(lower[-1]):
                break
        yield _Level(f"{level.path}/{name}", upper, lower)


def _is_opaque(fd: int) -> bool:
    try:
        return os.getxattr(fd, nodes.OPAQUE_XATTR) == b"y"
    except OSError:
        return False


def _differs(one: os.stat_result, other: os.stat_result) -> bool:
    def seen(status: os.stat_result) -> tuple[float, ...]:
        return status.st_mode, status.st_uid, status.st_gid, int(status.st_mtime)

    return seen(one) != seen(other)


def _entries(
    level: _Level, changed: set[str], shift: int, links: dict[tuple[int, int], str]
) -> Iterator[Entry]:
    for name in sorted(os.listdir(level.upper)):  # of hard links the first is always the same
        path = f"{level.path}/{name}"
        there = os.stat(name, dir_fd=level.upper, follow_symlinks=False)
        if path not in changed:
            continue
        if nodes.is_whiteout(there):
            yield Entry(f"{level.path}/.wh.{name}"[1:], stat.S_IFREG | 0o644, mtime=there.st_mtime)
            continue
        if stat.S_ISSOCK(there.st_mode):
            continue
        if name.startswith(".wh."):
            raise UsageError(f"{path!a} would delete a file, in a layer", "Rename or remove it")
        inode = (there.st_dev, there.st_ino)
        earlier = links.setdefault(inode, path) if there.st_nlink > 1 else path
        link = "" if stat.S_ISDIR(there.st_mode) or earlier == path else earlier[1:]
        yield _entry(level.upper, name, path[1:], there, shift, link)
        if stat.S_ISDIR(there.st_mode):
            with _inside(level, name) as inside:
                if _is_opaque(inside.upper) and _below(level, name) is not None:
                    yield Entry(f"{path[1:]}/.wh..wh..opq", stat.S_IFREG | 0o644)
                yield from _entries(inside, changed, shift, links)


def _entry(
    parent: int, name: str, path: str, there: os.stat_result, shift: int, link: str
) -> Entry:
    """Return one entry. Its content is opened when it is packed, by then from the top again."""
    directory = os.readlink(f"/proc/self/fd/{parent}")
    readable = stat.S_ISREG(there.st_mode) or stat.S_ISDIR(there.st_mode)
    is_link = stat.S_ISLNK(there.st_mode)
    return Entry(
        path,
        there.st_mode,
        there.st_uid - shift if there.st_uid >= shift else there.st_uid,
        there.st_gid - shift if there.st_gid >= shift else there.st_gid,
        content=partial(_open, directory, name, there) if stat.S_ISREG(there.st_mode) else b"",
        target=os.readlink(name, dir_fd=parent) if is_link else "",
        hardlink=link,
        device=there.st_rdev,
        xattrs=_xattrs(parent, name, path) if readable else {},
        mtime=there.st_mtime if not is_link else int(there.st_mtime),
    )


def _open(directory: str, name: str, there: os.stat_result) -> BinaryIO:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = open(os.open(f"{directory}/{name}", flags), "rb")  # noqa: SIM115 - the packer closes it
    if not os.path.samestat(os.fstat(file.fileno()), there):
        file.close()
        raise UsageError(f"/{name} has just been replaced in the container", "Stop it first")
    return file


def _xattrs(parent: int, name: str, path: str) -> dict[str, bytes]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    found = {}
    with opened(os.open(name, flags, dir_fd=parent)) as fd:
        for key in os.listxattr(fd):
            if key in _UNDERSTOOD_NOT:
                raise UsageError(
                    f"/{path} was moved or half copied by overlay itself ({key})",
                    "Switch off redirect_dir and metacopy of the kernel's overlay module",
                )
            if nodes.may_set(key):
                found[key] = os.getxattr(fd, key)
    if filecap.XATTR in found:
        found[filecap.XATTR] = filecap.for_all(found[filecap.XATTR])
    return found

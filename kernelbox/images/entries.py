"""One entry of a layer made on disk, below the layer's directory and nowhere else.

A layer comes from a stranger. Its tar may hold `../../etc/passwd`, a symlink followed by a file
"inside" it, a hard link to a file of the host, or a device where a file is written next. None of
these can leave the layer here, because no path is ever handed to the kernel: each name is split
into components, each directory is opened by descriptor relative to the one above it and never
through a symlink, and the last component is always made anew (O_EXCL), never written through.

Deletions take overlay's own form, so that the directory can be a lowerdir as it is: `.wh.NAME`
becomes the character device 0:0 called NAME, `.wh..wh..opq` the attribute
trusted.overlay.opaque=y on its directory. Leaves reading the tar to layers.py.
"""

from __future__ import annotations

import os
import stat
from typing import IO

from kernelbox.images import nodes
from kernelbox.images.nodes import DIRECTORY, opened
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from tarfile import TarInfo

WHITEOUT = b".wh."
WHITEOUT_META = b".wh..wh."
OPAQUE = b".wh..wh..opq"

MAX_DEPTH = 256
"""Directories inside each other. Linux paths end at 4096 bytes; real images stay below 50."""

_NAME_MAX = 255

Path = tuple[bytes, ...]


def split(name: str) -> Path:
    """Return the components of an entry's name, always below the root, as Docker has it.

    `/etc/passwd` and `../../etc/passwd` are both `etc/passwd`; the root itself has no component.

    Raises:
        UsageError: A component is longer than 255 bytes or holds a NUL, or there are too many.
    """
    parts: list[bytes] = []
    for part in name.encode("utf-8", "surrogateescape").split(b"/"):
        if part == b"..":
            del parts[-1:]
        elif part not in (b"", b"."):
            parts.append(part)
    if len(parts) > MAX_DEPTH or any(len(part) > _NAME_MAX or b"\0" in part for part in parts):
        raise UsageError("an entry's name is too long for Linux")
    return tuple(parts)


def open_directory(root: int, path: Path) -> int:
    """Open a directory below another one, component by component, never through a symlink.

    Args:
        root: Descriptor of the directory to start at.
        path: Components below it.

    Raises:
        FileNotFoundError: A component is missing.
        NotADirectoryError: A component is a symlink, a file or a device.

    Source: open(2), O_NOFOLLOW and O_DIRECTORY; path_resolution(7).
    """
    fd = os.dup(root)
    for part in path:
        try:
            below = os.open(part, DIRECTORY, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


class LayerDirectory:
    """The directory that a layer is unpacked into.

    Args:
        path: An empty directory that nobody else writes to.
        parents: The unpacked layers below this one, topmost first. A directory that the tar
            implies but does not list has the owner and mode it has there.
    """

    def __init__(self, path: str, parents: Sequence[str] = ()) -> None:
        self._fd = os.open(path, DIRECTORY)
        self._parents = parents
        self._times: dict[Path, tuple[int, int]] = {}
        self._inherit(self._fd, ())

    def close(self) -> None:
        """Give directories their times, now that nothing is added to them any more."""
        for path, times in self._times.items():
            try:
                fd = open_directory(self._fd, path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # a later entry took its place
            with opened(fd):
                os.utime(fd, times)
        os.close(self._fd)

    def create(self, member: TarInfo, content: IO[bytes] | None) -> None:
        """Make one entry; it replaces an earlier one of that name, except directory by directory.

        Args:
            member: Name, type, owner, mode, time, link target, device and xattrs.
            content: The bytes of a regular file.

        Raises:
            UsageError: The entry leads through a symlink, links to nothing in this layer, or is
                otherwise one that no honest layer has.
            OSError: The kernel refused: ENOSPC, EPERM.

        Source: OCI image-spec v1.1, layer.md, sections Layer Changesets and Whiteouts.
        """
        path = split(member.name)
        if not path:
            if not member.isdir():
                raise UsageError("an entry replaces the root directory")
            self._times[path] = nodes.times(member)
            nodes.set_attributes(self._fd, member)
            return
        with opened(self._parent_of(path)) as parent:
            name = path[-1]
            if name == OPAQUE:
                nodes.make_opaque(parent)
            elif name.startswith(WHITEOUT_META):
                return  # bookkeeping of aufs, which once stored layers
            elif name.startswith(WHITEOUT):
                nodes.make_whiteout(parent, name.removeprefix(WHITEOUT))
            elif member.isdir():
                self._times[path] = nodes.times(member)
                nodes.make_directory(parent, name, member)
            elif member.islnk():
                self._make_hard_link(parent, name, split(member.linkname))
            elif content is not None:
                nodes.make_file(parent, name, member, content)
            else:
                nodes.make_node(parent, name, member)

    def _parent_of(self, path: Path) -> int:
        """Open the directory of an entry, making those that the tar only implies."""
        fd = os.dup(self._fd)
        for depth, part in enumerate(path[:-1], 1):
            try:
                below = self._step(fd, part, path[:depth])
            finally:
                os.close(fd)
            fd = below
        return fd

    def _step(self, fd: int, name: bytes, path: Path) -> int:
        try:
            return os.open(name, DIRECTORY, dir_fd=fd)
        except NotADirectoryError:
            if not nodes.is_whiteout(os.stat(name, dir_fd=fd, follow_symlinks=False)):
                shown = b"/".join(path).decode(errors="replace")
                raise UsageError(f"an entry leads through {shown!a}, no directory") from None
            os.unlink(name, dir_fd=fd)
            hides_lower = True
        except FileNotFoundError:
            hides_lower = False
        os.mkdir(name, 0o755, dir_fd=fd)
        below = os.open(name, DIRECTORY, dir_fd=fd)
        if hides_lower:
            nodes.make_opaque(below)
        self._inherit(below, path)
        return below

    def _inherit(self, fd: int, path: Path) -> None:
        """Give an implied directory the owner and mode that it has in the layers below."""
        owner, group, mode = 0, 0, 0o755
        for parent in self._parents:
            try:
                with (
                    opened(os.open(parent, DIRECTORY)) as root,
                    opened(open_directory(root, path)) as same,
                ):
                    lower = os.fstat(same)
                owner, group, mode = lower.st_uid, lower.st_gid, stat.S_IMODE(lower.st_mode)
                break
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                break  # a file or a whiteout: what is further down cannot be seen
        os.fchown(fd, owner, group)
        os.fchmod(fd, mode)

    def _make_hard_link(self, parent: int, name: bytes, target: Path) -> None:
        """Link to a file, or to a symlink itself, that this layer already has."""
        try:
            if not target:
                raise FileNotFoundError
            with opened(open_directory(self._fd, target[:-1])) as source:
                kind = os.stat(target[-1], dir_fd=source, follow_symlinks=False).st_mode
                if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind)):
                    raise FileNotFoundError
                nodes.remove(parent, name)
                os.link(
                    target[-1], name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False
                )
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError("a hard link points at no file of this layer") from None

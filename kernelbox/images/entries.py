"""One entry of a layer made on disk, below the layer's directory and nowhere else.

A layer comes from a stranger. Its tar may hold `../../etc/passwd`, a symlink followed by a file
"inside" it, a hard link to a file of the host, or a device where a file is written next. None of
these can leave the layer here: the directory of an entry is found by openat2 with RESOLVE_IN_ROOT,
which takes the layer's directory for `/` whatever links and dots say, in one request that no rename
can race. From then on its descriptor and one component name the place, and the last component is
always made anew (O_EXCL), never written through.

Deletions take overlay's own form, so that the directory can be a lowerdir as it is: `.wh.NAME`
becomes the character device 0:0 called NAME, `.wh..wh..opq` the attribute
trusted.overlay.opaque=y on its directory. Leaves reading the tar to layers.py.
"""

from __future__ import annotations

import errno
import os
import stat

from kernelbox.images import bounds, nodes
from kernelbox.images.nodes import DIRECTORY, opened
from kernelbox.kernel import flags as k
from kernelbox.kernel import lookup
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from tarfile import TarInfo

    from kernelbox.images.streams import Tape

WHITEOUT = b".wh."
WHITEOUT_META = b".wh..wh."
OPAQUE = b".wh..wh..opq"

_HERE = k.RESOLVE_NO_MAGICLINKS | k.RESOLVE_NO_XDEV
IN_ROOT = _HERE | k.RESOLVE_IN_ROOT
BENEATH = _HERE | k.RESOLVE_BENEATH | k.RESOLVE_NO_SYMLINKS

Path = tuple[bytes, ...]
_MOST_LINKS = 40  # as the kernel has it. Source: path_resolution(7)


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
            if len(part) > bounds.MAX_NAME or b"\0" in part:
                raise UsageError("an entry's name is too long for Linux, or has a NUL in it")
            parts.append(part)
    if len(parts) > bounds.MAX_DEPTH:
        raise UsageError(f"an entry lies more than {bounds.MAX_DEPTH} directories deep")
    return tuple(parts)


def open_directory(root: int, path: Path, resolve: int = BENEATH) -> int:
    """Open a directory below another one.

    Args:
        root: Descriptor of the directory to start at.
        path: Components below it.
        resolve: BENEATH follows no symlink; IN_ROOT takes `root` for the root of all.

    Raises:
        FileNotFoundError: A component is missing.
        OSError: ENOTDIR or ELOOP where a component is a symlink, a file or a device.

    Source: openat2(2), RESOLVE_BENEATH and RESOLVE_IN_ROOT.
    """
    if not path:
        return os.dup(root)
    whole = b"/".join(path)
    if len(whole) <= bounds.MAX_PATH:
        return lookup.open_below(root, whole, os.O_RDONLY | os.O_DIRECTORY, resolve)
    # Longer than a path can be: half by half, and then no symlink, which would start in the middle.
    middle = len(path) // 2
    with opened(open_directory(root, path[:middle])) as above:
        return open_directory(above, path[middle:])


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
        # A tar lists a directory's files together: the last one opened is mostly the next one.
        self._last: tuple[Path, int] | None = None
        self._inherit(self._fd, ())

    def close(self) -> None:
        """Give directories their times, now that nothing more is added to them."""
        self._forget()
        for path, times in self._times.items():
            try:
                fd = open_directory(self._fd, path)
            except OSError:
                continue  # a later entry took its place
            with opened(fd):
                os.utime(fd, times)
        os.close(self._fd)

    def create(self, member: TarInfo, tape: Tape) -> None:
        """Make one entry; it replaces an earlier one of that name, except directory by directory.

        Args:
            member: Name, type, owner, mode, time, link target, device and xattrs.
            tape: Stands at the bytes of a regular file.

        Raises:
            UsageError: The entry leads through a file or a circle of symlinks, links to nothing in
                this layer, or is otherwise one that no honest layer has.
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
        parent, name = self._parent_of(path), path[-1]
        if name == OPAQUE:
            nodes.make_opaque(parent)
        elif name.startswith(WHITEOUT_META):
            return  # bookkeeping of aufs, which once stored layers
        elif name.startswith(WHITEOUT):
            nodes.make_whiteout(parent, name.removeprefix(WHITEOUT))
        else:
            try:
                self._make(parent, path, member, tape)
            except FileExistsError:
                nodes.remove(parent, name)
                self._make(parent, path, member, tape)
                self._forget()  # what was removed may have led there

    def _make(self, parent: int, path: Path, member: TarInfo, tape: Tape) -> None:
        """Make what the entry is.

        Raises:
            FileExistsError: Something has the name, and nothing was read yet.
        """
        if member.isdir():
            nodes.make_directory(parent, path[-1], member)
            self._times[path] = nodes.times(member)
        elif member.islnk():
            self._make_hard_link(parent, path, split(member.linkname))
        elif member.isreg():
            nodes.make_file(parent, path[-1], member, tape)
        else:
            nodes.make_node(parent, path[-1], member)

    def _forget(self) -> None:
        if self._last is not None:
            os.close(self._last[1])
            self._last = None

    def _parent_of(self, path: Path) -> int:
        """Return the directory of an entry, making those that the tar only implies."""
        above = path[:-1]
        if self._last is None or self._last[0] != above:
            self._forget()
            try:
                fd = open_directory(self._fd, above, IN_ROOT)
            except OSError:
                fd = self._make_way(above)
            self._last = above, fd
        return self._last[1]

    def _make_way(self, path: Path) -> int:
        """Make what is missing of a way and open its end; a symlink's target is made as well.

        The target may be in a layer below, where the symlink leads when all is one tree.
        """
        todo, done, links = list(path), list[bytes](), 0
        while todo:
            name = todo.pop(0)
            if name in (b"", b".", b".."):
                done = done[:-1] if name == b".." else done
                continue
            with opened(open_directory(self._fd, tuple(done))) as fd:
                link = _link(fd, name)
                if link is None:
                    done.append(name)
                    os.close(self._step(fd, name, tuple(done)))
            if link is not None:
                links += 1
                todo = link.split(b"/") + todo
                done = [] if link.startswith(b"/") else done
            if links > _MOST_LINKS or len(done) + len(todo) > bounds.MAX_DEPTH:
                raise UsageError("an entry leads through a circle of symlinks, or too deep")
        return open_directory(self._fd, tuple(done))

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
            except OSError:
                break  # a file, a symlink or a whiteout: what is further down cannot be seen
        os.fchown(fd, owner, group)
        os.fchmod(fd, mode)

    def _make_hard_link(self, parent: int, path: Path, target: Path) -> None:
        """Link to a file, or to a symlink itself, that this layer already has."""
        nowhere = UsageError("a hard link points at no file of this layer")
        if not target:
            raise nowhere
        try:
            with opened(open_directory(self._fd, target[:-1], IN_ROOT)) as source:
                kind = os.stat(target[-1], dir_fd=source, follow_symlinks=False)
                there = nodes.lstat(parent, path[-1])
                if there and os.path.samestat(kind, there):
                    return  # a link to itself: it is there
                if not (stat.S_ISREG(kind.st_mode) or stat.S_ISLNK(kind.st_mode)):
                    raise nowhere
                fds = {"src_dir_fd": source, "dst_dir_fd": parent}
                os.link(target[-1], path[-1], **fds, follow_symlinks=False)
        except OSError as error:
            if error.errno in nodes.NOWHERE:
                raise nowhere from None
            raise


def _link(parent: int, name: bytes) -> bytes | None:
    """Return where a symlink leads; None if it is none, or nothing is there."""
    try:
        return os.readlink(name, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise

"""Files out of and into a container as a tar: `cp CONTAINER:PATH -` and `cp - CONTAINER:PATH`.

Going out, each file is opened from the directory that it was found in, so that a container which
runs meanwhile cannot show us anything but its own. Coming in, the tar is a stranger's, and so may
the container be: the directory of an entry is found by openat2 below the container's root, the last
component is made anew and never written through, and devices stay outside, where a volume might
let them work. Leaves finding the place to copying.py, and single files to images/nodes.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tarfile

from kernelbox import users
from kernelbox.copying import DEEPEST, DIRECTORY, FILE, found
from kernelbox.images import entries, limits, nodes, upper
from kernelbox.images.layers import Entry, header
from kernelbox.images.layout import CountingWriter
from kernelbox.images.nodes import opened
from kernelbox.images.streams import Tape
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from kernelbox.copying import Place

_CURE = "Pack it anew: tar -c DIR | kernelbox cp - CONTAINER:PATH"


def pack(source: Place, out: BinaryIO, *, follow: bool = False) -> list[str]:
    """Write a tar of a file or a whole directory of a container, with its owners there.

    Args:
        source: Which; a path that ends with `/.` means what is in the directory.
        out: Receives the tar.
        follow: Whether a symlink given as the source is followed.

    Returns:
        What was left out: sockets.

    Raises:
        KernelboxError: There is no such thing, or it cannot be read.

    Source: Docker documentation, "docker container cp", section Description.
    """
    try:
        with contextlib.ExitStack() as stack:
            it = found(source, follow, stack)
            packer = _Packer(out, source.shift)
            if it.fd < 0:
                packer.node(it.parent, it.name, it.name, 0)
            else:
                packer.opened(it.fd, it.name or ".", 0)
            packer.close()
        return packer.left_out
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno in nodes.NOWHERE:
            raise UsageError(f"there is no {source.path}", "Look at the path") from error
        cause = os.strerror(error.errno or 0)
        raise KernelboxError(f"cannot copy {source.path}: {cause}") from error


class _Packer:
    """One tar that is written."""

    def __init__(self, out: BinaryIO, shift: int) -> None:
        self._tar = tarfile.open(  # noqa: SIM115 - until close()
            fileobj=CountingWriter(out), mode="w:", format=tarfile.PAX_FORMAT, encoding="utf-8"
        )
        self._shift = shift
        self._names: dict[tuple[int, int], str] = {}
        self.left_out: list[str] = []

    def close(self) -> None:
        """Write the tar's end."""
        self._tar.close()

    def opened(self, fd: int, path: str, depth: int) -> None:
        """Add an open directory with all that is in it, or an open file."""
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode):
            self._file(fd, path, status)
        elif not stat.S_ISDIR(status.st_mode):
            self.left_out.append(path)
        elif depth > DEEPEST:
            raise UsageError(f"{path[:80]}... is more than {DEEPEST} directories deep")
        else:
            self._tar.addfile(self._header(path, status, xattrs=_xattrs(fd)))
            for name in sorted(os.listdir(fd)):
                # What a running container has just removed is not there any more.
                with contextlib.suppress(FileNotFoundError):
                    self.node(fd, name, f"{path}/{name}", depth + 1)

    def node(self, parent: int, name: str, path: str, depth: int) -> None:
        """Add whatever has a name in a directory."""
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        kind = stat.S_IFMT(status.st_mode)
        if kind in (stat.S_IFDIR, stat.S_IFREG):
            flags = (DIRECTORY if kind == stat.S_IFDIR else FILE) | os.O_NOFOLLOW
            with opened(os.open(name, flags, dir_fd=parent)) as fd:
                self.opened(fd, path, depth)
        elif kind == stat.S_IFSOCK:
            self.left_out.append(path)
        else:
            target = os.readlink(name, dir_fd=parent) if kind == stat.S_IFLNK else ""
            self._tar.addfile(self._header(path, status, target=target))

    def _file(self, fd: int, path: str, status: os.stat_result) -> None:
        inode = (status.st_dev, status.st_ino)
        earlier = self._names.setdefault(inode, path) if status.st_nlink > 1 else path
        member = self._header(path, status, hardlink=earlier if earlier != path else "")
        if member.isreg():
            member = self._header(path, status, xattrs=_xattrs(fd))
            member.size = status.st_size
        with open(fd, "rb", closefd=False) as file:
            self._tar.addfile(member, _Steady(file) if member.isreg() else None)

    def _header(
        self,
        path: str,
        status: os.stat_result,
        *,
        target: str = "",
        hardlink: str = "",
        xattrs: dict[str, bytes] | None = None,
    ) -> tarfile.TarInfo:
        entry = Entry(
            path,
            status.st_mode,
            self._inside(status.st_uid),
            self._inside(status.st_gid),
            target=target,
            hardlink=hardlink,
            device=status.st_rdev,
            xattrs=xattrs or {},
            mtime=int(status.st_mtime),
        )
        return header(entry)

    def _inside(self, number: int) -> int:
        return number - self._shift if number >= self._shift else number


class _Steady:
    """A file that is as long as it was announced: where it has been cut short, zeros follow."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size).ljust(size, b"\0")


def _xattrs(fd: int) -> dict[str, bytes]:
    kept = {key: os.getxattr(fd, key) for key in os.listxattr(fd) if nodes.may_set(key)}
    if "security.capability" in kept:
        kept["security.capability"] = upper.for_all(kept["security.capability"])
    return kept


def unpack(tar: str, target: Place, *, archive: bool = False) -> list[str]:
    """Extract a tar into a directory of a container. What was made before a fault stays.

    Args:
        tar: The file or pipe; plain, or compressed with gzip or zstd.
        target: The directory; it must be there.
        archive: Whether the owners in the tar are kept; otherwise all belongs to root.

    Returns:
        What was left out: devices.

    Raises:
        UsageError: It is no tar, or a damaged or hostile one; there is no such directory.
        KernelboxError: An entry cannot be made: ENOSPC, EROFS.

    Source: Docker documentation, "docker container cp", section Description.
    """
    try:
        os.close(target.open(target.path, DIRECTORY))
    except OSError as error:
        if error.errno in nodes.NOWHERE:
            raise UsageError(
                f"there is no directory {target.path} to extract into", "Make it first"
            ) from error
        raise
    try:
        with Tape(tar) as tape:
            return _Unpacker(target, archive).run(tape)
    except KernelboxError as error:
        raise UsageError(error.message, error.hint or _CURE) from error
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else str(error)
        raise KernelboxError(f"cannot extract into {target.path}: {cause}") from error
    except Exception as error:
        # On hostile headers tarfile raises nearly anything, and zlib has an error of its own.
        cause = " ".join(str(error).split())
        raise UsageError(f"this is no tar, or a damaged one: {cause}", _CURE) from error


class _Unpacker:
    """One tar that is extracted."""

    def __init__(self, target: Place, archive: bool) -> None:
        self._target, self._archive = target, archive
        self._times: dict[entries.Path, tuple[int, int]] = {}

    def run(self, tape: Tape) -> list[str]:
        left_out = []
        with tarfile.open(fileobj=tape, mode="r:", encoding="utf-8") as members:
            count = 0
            while member := members.next():
                count += 1
                if count > limits.MAX_ENTRIES:
                    raise UsageError(f"the tar has more than {limits.MAX_ENTRIES} entries")
                path = entries.split(member.name)
                if member.ischr() or member.isblk():
                    left_out.append(member.name)
                elif path:
                    self._create(path, member, tape)
                members.members.clear()  # type: ignore[attr-defined]
        if tape.last != bytes(tarfile.BLOCKSIZE):
            raise UsageError("the tar has no end")
        tape.finish()  # who writes it is not cut off, and compressed data has an end of its own
        for path, times in self._times.items():
            with contextlib.suppress(OSError), opened(self._open(path)) as fd:
                os.utime(fd, times)
        return left_out

    def _create(self, path: entries.Path, member: tarfile.TarInfo, tape: Tape) -> None:
        member.uid, member.gid = self._owner(member)
        with opened(self._parent(path)) as parent:
            there = nodes.lstat(parent, path[-1])
            if there is not None and stat.S_ISDIR(there.st_mode) != member.isdir():
                here, other = ("a directory", "a file")[:: 1 if member.isdir() else -1]
                name = ascii(b"/".join(path).decode(errors="replace"))
                raise UsageError(
                    f"{name} is {here} in the tar, and {other} in the container", "Remove one"
                )
            if member.isdir():
                nodes.make_directory(parent, path[-1], member)
                self._times[path] = nodes.times(member)
                return
            if member.islnk():
                self._link(parent, path, entries.split(member.linkname), there)
                return
            if there is not None:
                os.unlink(path[-1], dir_fd=parent)
            if member.isreg():
                nodes.make_file(parent, path[-1], member, tape)
            else:
                nodes.make_node(parent, path[-1], member)

    def _link(
        self, parent: int, path: entries.Path, to: entries.Path, there: os.stat_result | None
    ) -> None:
        try:
            with opened(self._open(to[:-1])) as source:
                if there is not None:
                    same = os.stat(to[-1], dir_fd=source, follow_symlinks=False)
                    if os.path.samestat(same, there):
                        return
                    os.unlink(path[-1], dir_fd=parent)
                fds = {"src_dir_fd": source, "dst_dir_fd": parent}
                os.link(to[-1], path[-1], **fds, follow_symlinks=False)
        except (OSError, IndexError) as error:
            if isinstance(error, OSError) and error.errno not in (*nodes.NOWHERE, errno.EPERM):
                raise
            raise UsageError("a hard link in the tar points at no file") from error

    def _parent(self, path: entries.Path) -> int:
        """Open the directory of an entry; make those that the tar only implies."""
        above = path[:-1]
        try:
            return self._open(above)
        except FileNotFoundError:
            if not above:
                raise
            with opened(self._parent(above)) as further:
                try:
                    os.mkdir(above[-1], 0o755, dir_fd=further)
                except FileExistsError:
                    raise UsageError("an entry leads through a symlink to nothing") from None
                root = self._target.shift
                os.chown(above[-1], root, root, dir_fd=further, follow_symlinks=False)
            return self._open(above)

    def _open(self, path: entries.Path) -> int:
        whole = "/".join([self._target.path, *map(os.fsdecode, path)])
        return self._target.open(whole, DIRECTORY)

    def _owner(self, member: tarfile.TarInfo) -> tuple[int, int]:
        shift = self._target.shift
        ids = (member.uid, member.gid) if self._archive else (0, 0)
        if shift and max(ids) >= users.SIZE:
            raise UsageError(
                f"{member.name!a:.80} belongs to {max(ids)}, and the container has no such id",
                "Leave out --archive",
            )
        return ids[0] + shift, ids[1] + shift

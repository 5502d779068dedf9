"""Files out of a container as a tar: `cp CONTAINER:PATH -`.

Each file is opened from the directory that it was found in, so that a container which runs
meanwhile cannot show us anything but its own. Owners are told as the container knows them. Leaves
finding the place to endpoints.py, and the way back to tar_in.py.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile

from kernelbox.images import filecap, nodes
from kernelbox.images.layers import Entry, header
from kernelbox.images.nodes import opened
from kernelbox.images.writers import CountingWriter
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.transfer.endpoints import DEEPEST, DIRECTORY, FILE, find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from kernelbox.transfer.endpoints import Place


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
            it = find(source, follow, stack)
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
    if filecap.XATTR in kept:
        kept[filecap.XATTR] = filecap.for_all(kept[filecap.XATTR])
    return kept

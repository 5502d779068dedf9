"""One file, directory, symlink, device or whiteout, made in a directory that is open already.

Nothing here takes a path: a directory's descriptor and one component name the place. Whatever has
that name already is never written through: a tar may have put a symlink or a device there first,
and a file written through it would land where that leads. It is an error instead, and the caller
removes what is in the way.
Leaves finding the directory, and where a name leads, to entries.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat

from kernelbox.images import bounds
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from tarfile import TarInfo
    from typing import Any

    from kernelbox.images.streams import Tape

XATTR = "SCHILY.xattr."
"""How a tar's extended headers call an extended attribute."""

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

OPAQUE_XATTR = "trusted.overlay.opaque"

_WHITEOUT_DEVICE = os.makedev(0, 0)
_XATTRS = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")

_HOLE, _ZEROS = 1 << 16, memoryview(bytes(1 << 18))
_ID_MAX, _TIME_MAX = 2**32 - 2, 2**33

NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV)
"""What the kernel answers where a path ends at nothing, or leads where it must not."""


def make_directory(parent: int, name: bytes, member: TarInfo) -> None:
    """Make a directory, or give one that is there the entry's attributes.

    Raises:
        FileExistsError: Something else is there.
    """
    hides_lower = False
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        there = os.stat(name, dir_fd=parent, follow_symlinks=False)
        hides_lower = is_whiteout(there)
        if hides_lower:
            os.unlink(name, dir_fd=parent)
            os.mkdir(name, 0o700, dir_fd=parent)
        elif not stat.S_ISDIR(there.st_mode):
            raise
    with opened(os.open(name, DIRECTORY, dir_fd=parent)) as fd:
        if hides_lower:
            # Deleted and made anew in one layer: what lower layers have in it stays hidden.
            make_opaque(fd)
        set_attributes(fd, member)


def make_file(parent: int, name: bytes, member: TarInfo, tape: Tape) -> None:
    """Make a regular file of the bytes that come next on the tape.

    Raises:
        FileExistsError: Something is there.
        UsageError: As of `fill`.
    """
    with opened(os.open(name, _NEW_FILE, 0o600, dir_fd=parent)) as fd:
        fill(fd, member, tape)


def fill(fd: int, member: TarInfo, tape: Tape) -> None:
    """Write the bytes that come next on the tape to a new file; holes stay holes.

    Raises:
        UsageError: It is larger than any file may be, or its holes are impossible.
    """
    # tarfile has read where the data of a sparse file belongs, in each of the three formats.
    sparse: Any = member.sparse
    parts = [(0, member.size)] if sparse is None else sparse
    if not 0 <= member.size <= bounds.MAX_BYTES:
        raise UsageError(f"a file is larger than {bounds.MAX_BYTES >> 30} GiB")
    end = 0
    for offset, size in parts:
        if size == 0:
            continue  # the old format fills up its table with them
        if size < 0 or not end <= offset <= member.size - size:
            raise UsageError("a sparse file's data lies outside of it")
        os.lseek(fd, offset, os.SEEK_SET)
        for chunk in tape.chunks(size):
            _write(fd, chunk)
        end = offset + size
    os.ftruncate(fd, member.size)  # it may end with a hole
    set_attributes(fd, member)
    os.utime(fd, times(member))


def make_node(parent: int, name: bytes, member: TarInfo) -> None:
    """Make a symlink, device or fifo.

    Raises:
        FileExistsError: Something is there.
    """
    if member.issym():
        target = member.linkname.encode("utf-8", "surrogateescape")
        if not 0 < len(target) <= bounds.MAX_PATH or b"\0" in target:
            raise UsageError("a symlink's target is empty or too long for Linux")
        os.symlink(target, name, dir_fd=parent)
    elif member.isfifo():
        os.mkfifo(name, 0o600, dir_fd=parent)
    elif member.ischr() or member.isblk():
        kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        if not (0 <= member.devmajor < 1 << 12 and 0 <= member.devminor < 1 << 20):
            raise UsageError("a device has a number that Linux has not")
        number = os.makedev(member.devmajor, member.devminor)
        os.mknod(name, kind | 0o600, number, dir_fd=parent)
    else:
        raise UsageError(f"an entry has the unknown type {member.type!r}")
    owner, group = _owner(member)
    os.chown(name, owner, group, dir_fd=parent, follow_symlinks=False)
    if not member.issym():
        os.chmod(name, member.mode & 0o7777, dir_fd=parent)
    os.utime(name, times(member), dir_fd=parent, follow_symlinks=False)


def make_whiteout(parent: int, name: bytes) -> None:
    """Hide what lower layers have under this name, but not what this layer has.

    Source: OCI image-spec v1.1, layer.md, section Whiteouts; Linux
    Documentation/filesystems/overlayfs.rst, section whiteouts and opaque directories.
    """
    if name in (b"", b".", b".."):
        raise UsageError("a whiteout names no file")
    there = lstat(parent, name)
    if there is None:
        os.mknod(name, stat.S_IFCHR, _WHITEOUT_DEVICE, dir_fd=parent)
    elif stat.S_ISDIR(there.st_mode):
        with opened(os.open(name, DIRECTORY, dir_fd=parent)) as fd:
            make_opaque(fd)


def make_opaque(fd: int) -> None:
    """Hide what lower layers have in a directory.

    Source: Linux Documentation/filesystems/overlayfs.rst, section whiteouts and opaque directories.
    """
    os.setxattr(fd, OPAQUE_XATTR, b"y")


def set_attributes(fd: int, member: TarInfo) -> None:
    """Set owner, then mode, then xattrs: chown clears setuid bits and file capabilities.

    Source: chown(2); xattr(7).
    """
    owner, group = _owner(member)
    os.fchown(fd, owner, group)
    os.fchmod(fd, member.mode & 0o7777)
    for key, value in member.pax_headers.items():
        name = key.removeprefix(XATTR)
        if name == key or not may_set(name):
            continue
        try:
            os.setxattr(fd, name, value.encode("utf-8", "surrogateescape"))
        except OSError as error:
            # The file system has none of this kind: the file is usable without.
            if error.errno != errno.ENOTSUP:
                raise


def _write(fd: int, data: memoryview) -> None:
    """Write data; many zeros are a hole, as most writers of tars cannot say so."""
    if len(data) >= _HOLE and not data[0] and data == _ZEROS[: len(data)]:
        os.lseek(fd, len(data), os.SEEK_CUR)
        return
    while data:
        data = data[os.write(fd, data) :]


def times(member: TarInfo) -> tuple[int, int]:
    """Return the entry's access and modification time, within what file systems can hold."""
    seconds = int(min(max(member.mtime, 0), _TIME_MAX))
    return seconds, seconds


def remove(parent: int, name: bytes) -> None:
    """Remove whatever has this name, with all that is in it."""
    there = lstat(parent, name)
    if there and stat.S_ISDIR(there.st_mode):
        shutil.rmtree(name, dir_fd=parent)
    elif there:
        os.unlink(name, dir_fd=parent)


def lstat(parent: int, name: bytes) -> os.stat_result | None:
    """Return what has this name, without following it; None if nothing has."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_whiteout(there: os.stat_result) -> bool:
    """Return whether overlay takes this for a deleted file."""
    return stat.S_ISCHR(there.st_mode) and there.st_rdev == _WHITEOUT_DEVICE


@contextlib.contextmanager
def opened(fd: int) -> Iterator[int]:
    """Close a descriptor at the end of the block."""
    try:
        yield fd
    finally:
        os.close(fd)


def _owner(member: TarInfo) -> tuple[int, int]:
    # chown(2) takes 2**32 - 1 as "leave it", which would give the file to root.
    if not (0 <= member.uid <= _ID_MAX and 0 <= member.gid <= _ID_MAX):
        raise UsageError("an entry's owner is no user id")
    return member.uid, member.gid


def may_set(xattr: str) -> bool:
    """Return whether an image may have this extended attribute."""
    # trusted.* and user.overlay.* are overlay's bookkeeping: not for an image to write.
    return xattr in _XATTRS or (xattr.startswith("user.") and not xattr.startswith("user.overlay."))

"""Files into and out of a container, as `cp` takes them, from one end to the other.

What is copied may change while we look. So each file is opened from the directory that it was found
in, by one component of its name, and none is followed; a copy is made anew and never written
through, and has its name when it is complete. It takes the place of a file or a symlink, and of
nothing else: root may remove a device.
Leaves finding both ends to endpoints.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import NamedTuple

from kernelbox.images import filecap, nodes
from kernelbox.kernel import flags as k
from kernelbox.kernel import lookup
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing.whole import Draft
from kernelbox.transfer.endpoints import (
    DEEPEST,
    DIRECTORY,
    FILE,
    Place,
    check_no_volume,
    find,
    followed,
    is_there,
    opened,
    remove,
)

_BELOW = k.RESOLVE_BENEATH | k.RESOLVE_NO_SYMLINKS
_CHUNK = 1 << 20
_KINDS = {
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}


def copy(source: Place, target: Place, *, archive: bool = False, follow: bool = False) -> list[str]:
    """Copy a file or a whole directory, as `docker cp` does.

    Args:
        source: From where; a path that ends with `/.` means what is in the directory.
        target: To where: into a directory that is there, else under that name.
        archive: Whether owners are kept; otherwise all belongs to root.
        follow: Whether a symlink given as the source is followed.

    Returns:
        What was left out: sockets, and devices of a container, which have no business on the host.

    Raises:
        KernelboxError: One of the two is not there, or is no directory though it should be; a
            device, FIFO or socket is where a copy would be.

    Source: Docker documentation, "docker container cp", section Description.
    """
    try:
        return _Copy(source, target, archive).run(follow)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            name = source.path if not is_there(source) else target.path
            hint = "Look at the path" if name == source.path else "Make the directory first"
            raise UsageError(f"there is no {name}", hint) from error
        cause = os.strerror(error.errno or 0)
        raise KernelboxError(f"cannot copy {source.path} to {target.path}: {cause}") from error


class _Copy:
    """One call of `copy`."""

    def __init__(self, source: Place, target: Place, archive: bool) -> None:
        self._source, self._target, self._archive = source, target, archive
        self._left_out: list[str] = []
        # Of what has several names, the first copy: the directory it is below, and its path there.
        self._copies: dict[tuple[int, int], _Copied] = {}

    def run(self, follow: bool) -> list[str]:
        with contextlib.ExitStack() as stack:
            it = find(self._source, follow, stack)
            if it.fd < 0:
                to, new = self._place(stack, it.name)
                self._node(it.parent, it.name, to, new)
            elif stat.S_ISDIR(os.fstat(it.fd).st_mode):
                self._directory(stack, it.fd, it.name)
            else:
                to, new = self._place(stack, it.name)
                self._content(it.fd, to, new)
        return self._left_out

    def _place(self, stack: contextlib.ExitStack, name: str) -> tuple[_Directory, str]:
        """Return the directory and the name that a copied file gets."""
        path = self._target.path
        try:
            return _Directory(opened(stack, self._target, path, DIRECTORY)), name
        except (FileNotFoundError, NotADirectoryError):
            if path.endswith("/"):
                raise
        parent, new = followed(self._target, stack)
        return _Directory(parent), new

    def _directory(self, stack: contextlib.ExitStack, fd: int, name: str) -> None:
        """Copy a directory: into the target if that is there, else as the target."""
        path = self._target.path
        try:
            into = _Directory(opened(stack, self._target, path, DIRECTORY))
        except FileNotFoundError:
            parent, new = followed(self._target, stack)
            self._subdirectory(fd, _Directory(parent), new)
            return
        except NotADirectoryError:
            raise UsageError(
                f"{path} is a file, and {self._source.path} a directory", "Name another target"
            ) from None
        if name:
            self._subdirectory(fd, into, name)
        else:
            for one in os.listdir(fd):
                self._node(fd, one, into, one)

    def _subdirectory(self, fd: int, to: _Directory, name: str) -> None:
        if len(to.names) >= DEEPEST:
            raise UsageError(f"{self._source.path} is more than {DEEPEST} directories deep")
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=to.fd)
        new = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=to.fd)
        try:
            into = to.below(new, name)
            for one in os.listdir(fd):
                self._node(fd, one, into, one)
            self._attributes(fd, new)
        finally:
            os.close(new)

    def _node(self, parent: int, name: str, to: _Directory, new: str) -> None:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        kind = stat.S_IFMT(status.st_mode)
        if kind in (stat.S_IFDIR, stat.S_IFREG):
            flags = (DIRECTORY | os.O_NOFOLLOW) if kind == stat.S_IFDIR else FILE
            fd = os.open(name, flags, dir_fd=parent)
            try:
                (self._subdirectory if kind == stat.S_IFDIR else self._content)(fd, to, new)
            finally:
                os.close(fd)
            return
        if kind == stat.S_IFSOCK or (kind != stat.S_IFLNK and not self._target.inside):
            self._left_out.append(name)
            return
        _make_room(to.fd, new, kind)
        if kind == stat.S_IFLNK:
            os.symlink(os.readlink(name, dir_fd=parent), new, dir_fd=to.fd)
        else:
            os.mknod(new, status.st_mode, status.st_rdev, dir_fd=to.fd)
        os.chown(new, *self._owner(status), dir_fd=to.fd, follow_symlinks=False)

    def _content(self, fd: int, to: _Directory, name: str) -> None:
        """Copy an open file, or link to its copy if it has another name."""
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            self._left_out.append(name)
            return
        if status.st_nlink > 1 and self._linked(status, to, name):
            return
        try:
            _check_room(to.fd, name)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # A volume that is a file cannot be replaced; only what it holds, not whose it is.
            self._into_volume(fd, to, name)
            return
        with Draft(to.fd) as draft:
            _pour(fd, draft.fd)
            self._attributes(fd, draft.fd)
            draft.publish(name)
            if status.st_nlink > 1:
                copied = _Copied(to.top, (*to.names, name), os.fstat(draft.fd))
                self._copies[_inode(status)] = copied

    def _linked(self, status: os.stat_result, to: _Directory, name: str) -> bool:
        """Give the copy that was made of a file this name, too; return whether that could be.

        The container may have moved it, or put another in its place: then there is one more copy.
        """
        if (copied := self._copies.get(_inode(status))) is None:
            return False
        path = os.fsencode("/".join(copied.names))
        try:
            first = lookup.open_below(copied.top, path, os.O_PATH, _BELOW)
        except OSError:
            return False
        try:
            if _inode(os.fstat(first)) != _inode(copied.status):
                return False
            _make_room(to.fd, name)
            os.link(f"/proc/self/fd/{first}", name, dst_dir_fd=to.fd)
        except OSError as error:
            if error.errno in (errno.EXDEV, errno.EMLINK, errno.ENOENT, errno.EBUSY):
                return False
            raise
        finally:
            os.close(first)
        return True

    @staticmethod
    def _into_volume(fd: int, to: _Directory, name: str) -> None:
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        out = os.open(name, flags, dir_fd=to.fd)
        try:
            if not stat.S_ISREG(os.fstat(out).st_mode):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            os.ftruncate(out, 0)
            _pour(fd, out)
        finally:
            os.close(out)

    def _attributes(self, fd: int, new: int) -> None:
        """Set owner, then mode, then xattrs: chown clears setuid bits and file capabilities."""
        status = os.fstat(fd)
        os.fchown(new, *self._owner(status))
        os.fchmod(new, stat.S_IMODE(status.st_mode))
        for key in os.listxattr(fd):
            if key == filecap.XATTR or (key.startswith("user.") and nodes.may_set(key)):
                value = os.getxattr(fd, key)
                if key == filecap.XATTR:
                    value = filecap.for_root(value, self._target.shift)
                try:
                    os.setxattr(new, key, value)
                except OSError as error:
                    if error.errno != errno.ENOTSUP:  # of the file system: usable without
                        raise
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _owner(self, status: os.stat_result) -> tuple[int, int]:
        """Return who owns a copy."""
        ids = []
        for number in (status.st_uid, status.st_gid):
            shift = self._source.shift
            number = number - shift if shift and number >= shift else number
            ids.append((number if self._archive else 0) + self._target.shift)
        return ids[0], ids[1]


class _Directory:
    """A directory that is copied to, open: `names` lead to it from the topmost one, `top`."""

    def __init__(self, fd: int, top: int | None = None, names: tuple[str, ...] = ()) -> None:
        self.fd, self.names = fd, names
        self.top = fd if top is None else top

    def below(self, fd: int, name: str) -> _Directory:
        """Return one in it."""
        return _Directory(fd, self.top, (*self.names, name))


class _Copied(NamedTuple):
    """A copy that was made: its path from an open directory, and its status."""

    top: int
    names: tuple[str, ...]
    status: os.stat_result


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _pour(fd: int, out: int) -> None:
    while os.sendfile(out, fd, None, _CHUNK):
        pass


def _make_room(to: int, name: str, kind: int = stat.S_IFREG) -> None:
    """Remove what is in the place of a copy; see below."""
    if _check_room(to, name, kind):
        remove(to, name)


def _check_room(to: int, name: str, kind: int = stat.S_IFREG) -> bool:
    """Whether a copy replaces something: a file, a link, or what is of the copy's own kind."""
    try:
        there = stat.S_IFMT(os.stat(name, dir_fd=to, follow_symlinks=False).st_mode)
        if there == stat.S_IFDIR:
            raise UsageError(
                f"{name} is a directory there, and a file here", "Remove one of them first"
            )
        if there not in (stat.S_IFREG, stat.S_IFLNK, kind):
            raise UsageError(f"{name} is {_KINDS[there]} there, no file", "Name another target")
        check_no_volume(to, name)
    except FileNotFoundError:
        return False
    return True

"""Files into and out of a container, as `cp` takes them: running or not, and never around its root.

A container's root is its own, and what is in it may be hostile: a symlink to /etc, a directory that
becomes a symlink while we look. Every path in it is resolved by openat2 with RESOLVE_IN_ROOT from a
descriptor of its root; from then on one component names each file, and none is followed. A running
container is entered through /proc/PID/root, so that its volumes are seen; for one that has ended
its overlay is mounted where nobody else sees it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from typing import NamedTuple

from kernelbox import overlay, paths, spec, state, users
from kernelbox.kernel import flags as k
from kernelbox.kernel import syscalls
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
DEEPEST = 256  # directories inside each other
_CHUNK = 1 << 20


class Place(NamedTuple):
    """Where to copy from or to.

    Attributes:
        path: As the person wrote it.
        root: Descriptor of the directory that is `/` there, or that a relative path starts at.
        inside: Whether it is in a container.
        shift: Where the ids of the container's user namespace begin on the host.
    """

    path: str
    root: int
    inside: bool
    shift: int = 0

    def open(self, path: str, flags: int) -> int:
        """Open a path of this place, which symlinks cannot leave."""
        resolve = k.RESOLVE_IN_ROOT | k.RESOLVE_NO_MAGICLINKS if self.inside else 0
        return syscalls.open_below(self.root, os.fsencode(path or "."), flags, resolve)


@contextlib.contextmanager
def here(path: str) -> Iterator[Place]:
    """Open a place on the host."""
    fd = os.open(".", DIRECTORY)
    try:
        yield Place(path, fd, inside=False)
    finally:
        os.close(fd)


@contextlib.contextmanager
def there(container_id: str, path: str) -> Iterator[Place]:
    """Open a place in a container.

    Args:
        container_id: Which.
        path: In it; a relative one starts at its root.

    Raises:
        UsageError: There is no such container, or its image has too many layers.
        KernelError: Its overlay cannot be mounted.
    """
    its = state.read(container_id)
    container = spec.from_json(state.config(container_id))
    shift = 0 if container.userns == "host" else users.HOST_ID
    with contextlib.ExitStack() as stack:
        if its.status == "running":
            fd = os.open(f"/proc/{its.pid}/root", DIRECTORY)
        else:
            directory = paths.container(container_id)
            # Not its own workdir: that is marked, as a volatile overlay may not be mounted again.
            work = stack.enter_context(tempfile.TemporaryDirectory(prefix="cp-", dir=directory))
            tree = overlay.Overlay(container.lowerdirs, f"{directory}/upper", work, paths.merged())
            # Its user namespace has ended, too; one with the same maps shows who owns what.
            userns = stack.enter_context(users.namespace()) if shift else None
            fd = overlay.detached(tree, userns)
        try:
            yield Place(path, fd, inside=True, shift=shift)
        finally:
            os.close(fd)


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
        KernelboxError: One of the two is not there, or is no directory though it should be.

    Source: Docker documentation, "docker container cp", section Description.
    """
    try:
        return _Copy(source, target, archive).run(follow)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            name = source.path if not _is_there(source) else target.path
            hint = "Look at the path" if name == source.path else "Make the directory first"
            raise UsageError(f"there is no {name}", hint) from error
        cause = os.strerror(error.errno or 0)
        raise KernelboxError(f"cannot copy {source.path} to {target.path}: {cause}") from error


def _is_there(place: Place) -> bool:
    try:
        os.close(place.open(place.path, os.O_PATH | os.O_NOFOLLOW))
    except OSError:
        return False
    return True


class Found(NamedTuple):
    """What is to be copied.

    Attributes:
        name: What it is called; "" for what is in a directory, without that itself.
        parent: The directory that it is in, or -1.
        fd: The directory, or the file that a symlink led to; -1 for what else is in `parent`.
    """

    name: str
    parent: int
    fd: int


def found(source: Place, follow: bool, stack: contextlib.ExitStack) -> Found:
    """Find what a path means: the thing itself, what a symlink leads to, or what is in it.

    Args:
        source: The path, and where it is.
        follow: Whether a symlink at its end is followed.
        stack: Closes the descriptors.

    Raises:
        OSError: ENOENT, ENOTDIR or ELOOP if there is no such thing.
    """
    path = source.path
    whole = path.rstrip("/") or "/"
    if whole == "/" or whole.rpartition("/")[2] in (".", ".."):
        return Found("", -1, _opened(stack, source, path, DIRECTORY))
    above, _, name = whole.rpartition("/")
    parent = _opened(stack, source, above or ("/" if whole.startswith("/") else ""), DIRECTORY)
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode) and (follow or path.endswith("/")):
        return Found(name, -1, _opened(stack, source, whole, os.O_RDONLY | os.O_NONBLOCK))
    if not stat.S_ISDIR(status.st_mode):
        return Found(name, parent, -1)
    fd = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    stack.callback(os.close, fd)
    return Found(name, -1, fd)


def _opened(stack: contextlib.ExitStack, place: Place, path: str, flags: int) -> int:
    fd = place.open(path, flags)
    stack.callback(os.close, fd)
    return fd


class _Copy:
    """One call of `copy`."""

    def __init__(self, source: Place, target: Place, archive: bool) -> None:
        self._source, self._target, self._archive = source, target, archive
        self._left_out: list[str] = []

    def run(self, follow: bool) -> list[str]:
        with contextlib.ExitStack() as stack:
            it = found(self._source, follow, stack)
            if it.fd < 0:
                to, new = self._place(stack, it.name)
                self._node(it.parent, it.name, to, new, 0)
            elif stat.S_ISDIR(os.fstat(it.fd).st_mode):
                self._directory(stack, it.fd, it.name)
            else:
                to, new = self._place(stack, it.name)
                self._content(it.fd, to, new)
        return self._left_out

    def _place(self, stack: contextlib.ExitStack, name: str) -> tuple[int, str]:
        """Return the directory and the name that a copied file gets."""
        path = self._target.path
        try:
            return _opened(stack, self._target, path, DIRECTORY), name
        except FileNotFoundError:
            if path.endswith("/"):
                raise
        except NotADirectoryError:
            if path.endswith("/"):
                raise
        parent, _, new = path.rpartition("/")
        above = parent or ("/" if path.startswith("/") else ".")
        return _opened(stack, self._target, above, DIRECTORY), new

    def _directory(self, stack: contextlib.ExitStack, fd: int, name: str) -> None:
        """Copy a directory: into the target if that is there, else as the target."""
        path = self._target.path
        try:
            into = _opened(stack, self._target, path, DIRECTORY)
        except FileNotFoundError:
            parent, _, new = path.rstrip("/").rpartition("/")
            above = parent or ("/" if path.startswith("/") else ".")
            into = _opened(stack, self._target, above, DIRECTORY)
            self._subdirectory(fd, into, new, 0)
            return
        except NotADirectoryError:
            raise UsageError(
                f"{path} is a file, and {self._source.path} a directory", "Name another target"
            ) from None
        if name:
            self._subdirectory(fd, into, name, 0)
        else:
            for one in os.listdir(fd):
                self._node(fd, one, into, one, 1)

    def _subdirectory(self, fd: int, to: int, name: str, depth: int) -> None:
        if depth > DEEPEST:
            raise UsageError(f"{self._source.path} is more than {DEEPEST} directories deep")
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=to)
        new = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=to)
        try:
            for one in os.listdir(fd):
                self._node(fd, one, new, one, depth + 1)
            self._attributes(os.fstat(fd), new)
        finally:
            os.close(new)

    def _node(self, parent: int, name: str, to: int, new: str, depth: int) -> None:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            fd = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            try:
                self._subdirectory(fd, to, new, depth)
            finally:
                os.close(fd)
        elif kind == stat.S_IFREG:
            fd = os.open(name, FILE, dir_fd=parent)
            try:
                self._content(fd, to, new)
            finally:
                os.close(fd)
        elif kind == stat.S_IFLNK:
            link = os.readlink(name, dir_fd=parent)
            self._make_room(to, new)
            os.symlink(link, new, dir_fd=to)
            os.chown(new, *self._owner(status), dir_fd=to, follow_symlinks=False)
        elif kind == stat.S_IFSOCK or not self._target.inside:
            self._left_out.append(name)
        else:
            self._make_room(to, new)
            os.mknod(new, status.st_mode, status.st_rdev, dir_fd=to)
            os.chown(new, *self._owner(status), dir_fd=to, follow_symlinks=False)

    def _content(self, fd: int, to: int, name: str) -> None:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            self._left_out.append(name)
            return
        self._make_room(to, name)
        out = os.open(name, _NEW, 0o600, dir_fd=to)
        try:
            while os.sendfile(out, fd, None, _CHUNK):
                pass
            self._attributes(status, out)
        finally:
            os.close(out)

    @staticmethod
    def _make_room(to: int, name: str) -> None:
        try:
            os.unlink(name, dir_fd=to)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            raise UsageError(
                f"{name} is a directory there, and a file here", "Remove one of them first"
            ) from None

    def _attributes(self, status: os.stat_result, fd: int) -> None:
        os.fchown(fd, *self._owner(status))
        os.fchmod(fd, stat.S_IMODE(status.st_mode))
        os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _owner(self, status: os.stat_result) -> tuple[int, int]:
        """Return who owns a copy."""
        ids = []
        for number in (status.st_uid, status.st_gid):
            shift = self._source.shift
            number = number - shift if shift and number >= shift else number
            ids.append((number if self._archive else 0) + self._target.shift)
        return ids[0], ids[1]

"""The two ends of a copy: a path on the host, or in a container that runs or has ended.

A container's root is its own, and what is in it may be hostile: a symlink to /etc, a directory that
becomes a symlink while we look. Every path in it is resolved by openat2 with RESOLVE_IN_ROOT from a
descriptor of its root. That is its layers and its volumes, mounted where nobody else sees them,
and nothing else that is mounted in it: not its /proc and /sys, which are the kernel's, and whose
files a walk with the host's rights should not meet. Leaves what is read and written there to
copy.py, tar_out.py and tar_in.py.

Source: openat2(2), RESOLVE_IN_ROOT; Docker, "docker container cp".
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from typing import NamedTuple

from kernelbox import overlay
from kernelbox.container import state
from kernelbox.container.birth import host_mounts
from kernelbox.container.volumes import volumes
from kernelbox.kernel import aside, files, lookup, mounts
from kernelbox.kernel import flags as k
from kernelbox.plumbing import paths
from kernelbox.root import targets
from kernelbox.users import id_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.container.spec import Spec

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DEEPEST = 256  # directories inside each other
_MOST_LINKS = 40  # MAXSYMLINKS of the kernel


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
        return lookup.open_below(self.root, os.fsencode(path or "."), flags, resolve)


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
        UsageError: There is no such container, its image has too many layers, or a volume's source
            is gone.
        KernelError: Its overlay cannot be mounted.
    """
    its = state.read(container_id)
    container = state.spec(container_id)
    directory = paths.container(container_id)
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(tempfile.TemporaryDirectory(prefix="cp-", dir=directory))
        with aside.in_mounts_of():
            its_mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, its_mounts)  # until then what is mounted stays
            if its.status == "running":
                tree, made = _of_running(its.pid, container)
            else:
                tree, made = _of_ended(container, work)
            stack.callback(os.close, tree)
            userns = stack.enter_context(id_maps.namespace()) if container.shift else None
            _attach(tree, made, container, userns)
        yield Place(path, tree, inside=True, shift=container.shift)


def _attach(tree: int, made: dict[str, int], container: Spec, userns: int | None) -> None:
    """Attach a container's tree where nothing is, and what was brought to it."""
    place = os.open(paths.merged(), DIRECTORY)
    try:
        mounts.move_mount(tree, place)
    finally:
        os.close(place)
    for mount in container.brought:
        if mount.type != volumes.KIND or mount.destination in made:
            one = host_mounts.open_bind(mount, made, userns)
            targets.attach(one.fd, one.target, directory=one.directory, root=tree, may_decline=True)


def _of_running(pid: int, container: Spec) -> tuple[int, dict[str, int]]:
    """Return what a running container's first process has as its root, and its volumes.

    A second mount of its overlays would be at odds with the first.
    """
    made = {}
    with aside.in_mounts_of(pid):
        for mount in container.brought:
            # It may have been unmounted inside, and whatever is there now is not meant.
            place = mount.destination
            if mount.type == volumes.KIND and lookup.file_system(place) == k.OVERLAYFS_MAGIC:
                made[place] = mounts.open_tree(place, 0)
        return mounts.open_tree("/", 0), made


def _of_ended(container: Spec, work: str) -> tuple[int, dict[str, int]]:
    """Mount the overlays of a container that has ended.

    Not with their own work directories: those are marked, as a volatile overlay may not be mounted
    again.
    """
    lowerdirs, upper = container.kernelbox.lowerdirs, f"{paths.container(container.id)}/upper"
    works = [f"{work}/root", f"{work}/volumes"]
    for one in works:
        os.mkdir(one)
    tree = overlay.Overlay(lowerdirs, upper, works[0], paths.merged())
    with contextlib.ExitStack() as stack:
        # Its user namespace has ended, too; one with the same maps shows who owns what.
        userns = stack.enter_context(id_maps.namespace()) if container.shift else None
        return overlay.detached(tree, userns), volumes.again(container, works[1], userns)


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


def find(source: Place, follow: bool, stack: contextlib.ExitStack) -> Found:
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
        return Found("", -1, opened(stack, source, path, DIRECTORY))
    above, _, name = whole.rpartition("/")
    parent = opened(stack, source, above or ("/" if whole.startswith("/") else ""), DIRECTORY)
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode) and (follow or path.endswith("/")):
        return Found(name, -1, opened(stack, source, whole, os.O_RDONLY | os.O_NONBLOCK))
    if not stat.S_ISDIR(status.st_mode):
        return Found(name, parent, -1)
    fd = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    stack.callback(os.close, fd)
    return Found(name, -1, fd)


def opened(stack: contextlib.ExitStack, place: Place, path: str, flags: int) -> int:
    """Open a path of a place until the stack closes it. Raises OSError like openat2(2)."""
    fd = place.open(path, flags)
    stack.callback(os.close, fd)
    return fd


def followed(place: Place, stack: contextlib.ExitStack) -> tuple[int, str]:
    """Return the directory that a path leads to, and the name in it, which may be nobody's yet.

    A symlink at the path's end is followed, also to where nothing is: that is to be made.

    Args:
        place: The path, and where it is.
        stack: Closes the descriptor.

    Raises:
        OSError: ENOENT or ENOTDIR if there is no such directory; ELOOP.

    Source: Docker documentation, "docker container cp"; path_resolution(7).
    """
    path = place.path.rstrip("/")
    for _ in range(_MOST_LINKS):
        above, _, name = path.rpartition("/")
        above = above or ("/" if path.startswith("/") else ".")
        parent = opened(stack, place, above, DIRECTORY)
        try:
            link = os.readlink(name, dir_fd=parent).rstrip("/")
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINVAL):
                return parent, name
            raise
        path = link if link.startswith("/") else f"{above}/{link}"
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def remove(parent: int, name: str | bytes) -> None:
    """Remove a file from a directory, unless it is a volume. Raises OSError as below."""
    check_no_volume(parent, name)
    os.unlink(name, dir_fd=parent)


def check_no_volume(parent: int, name: str | bytes) -> None:
    """See to it that a file is no volume, before it is removed or replaced.

    The kernel refuses that only where the caller itself sees the mount; from elsewhere it would
    take the volume away from the container.

    Raises:
        OSError: ENOENT; EBUSY if something is mounted there.

    Source: unlink(2), EBUSY; proc_pid_fdinfo(5), mnt_id.
    """
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if _mount_id(fd) != _mount_id(parent):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    finally:
        os.close(fd)


def _mount_id(fd: int) -> str:
    lines = files.read(f"/proc/self/fdinfo/{fd}").splitlines()
    return next(line for line in lines if line.startswith("mnt_id:"))


def is_there(place: Place) -> bool:
    """Return whether anything has the path of a place, be it a symlink to nothing."""
    try:
        os.close(place.open(place.path, os.O_PATH | os.O_NOFOLLOW))
    except OSError:
        return False
    return True

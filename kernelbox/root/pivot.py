"""The tree becomes /, and no path leads back to the old one.

    make_private    cut the propagation between this mount namespace and its parent's
    pivot           the new tree becomes /, the old one lies stacked on top of it
    leave_old_root  unmount it: from here on there is nothing to escape to
    views, cover    for a root that is no more than a chroot: what it must not keep in sight

Between the last two the file systems are mounted that the kernel grants only as long as another of
their kind is in sight.
"""

from __future__ import annotations

import errno
import os

from kernelbox.kernel import files, lookup, mount_words, mounts
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelError


def make_private() -> None:
    """Stop mounts from propagating to or from the mount namespace this one was copied from.

    Source: mount_namespaces(7), "Shared subtrees".
    """
    mounts.mount(None, "/", None, k.MS_REC | k.MS_PRIVATE)


def attach_root(fd: int) -> None:
    """Attach the detached mount `fd` on top of the old root, and stand in it.

    No other directory is sure to be open to the root of a user namespace, a nobody on the host.
    """
    attach_at(fd, "/")


def attach_at(fd: int, path: str) -> None:
    """Attach the detached mount `fd` at a directory, and stand in it."""
    place = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mounts.move_mount(fd, place)
        lookup.fchdir(fd)
    finally:
        os.close(place)
        os.close(fd)


def pivot() -> None:
    """Make the mount that is the working directory the root; `.` is then the old root.

    Source: pivot_root(2), 'pivot_root(".", ".")'.
    """
    mounts.pivot_root(".", ".")


def leave_old_root() -> None:
    """Unmount the old root: after this no path of the host exists in this mount namespace."""
    mounts.umount2(".", k.MNT_DETACH)
    lookup.chdir("/")


def views() -> list[str]:
    """Return where procfs and sysfs are mounted in this mount namespace, the latest first.

    Source: proc_pid_mountinfo(5).
    """
    found = []
    for line in files.read("/proc/self/mountinfo").splitlines():
        mounted, _, what = line.partition(" - ")
        if what.split(" ")[0] in ("proc", "sysfs"):
            found.append(mount_words.unescaped(mounted.split(" ")[4]))
    return found[::-1]


def cover(places: list[str]) -> None:
    """Take the host's procfs and sysfs out of sight, where the old root stays mounted.

    The kernel lets a user namespace mount a new one, with nothing masked, for as long as one with
    nothing masked is there already, wherever that is.

    Args:
        places: From `views`.

    Source: mount_namespaces(7), "Restrictions on mount namespaces"; mount_too_revealing() in the
    kernel's fs/namespace.c.
    """
    for place in places:
        try:
            mounts.umount2(place, k.MNT_DETACH)
        except KernelError as refusal:
            if refusal.errno != errno.EINVAL:  # it came along into a user namespace: it is locked
                raise
            mounts.mount("tmpfs", place, "tmpfs", k.MS_RDONLY)


def make_read_only() -> None:
    """Make the root itself read-only (`--read-only`); mounts below it keep their own state."""
    mounts.mount(None, "/", None, k.MS_REMOUNT | k.MS_BIND | k.MS_RDONLY | k.MS_NODEV)

"""Rootless: what the kernel refuses whoever has no power over the host, and what stands in for it.

    refused                                  in its place                            where
    a control group (EACCES, EPERM, EROFS)   none; a limit is an error then          groupless.py
    a device node (EPERM)                    the host's own, shown                   devices.py
    mounts outside a user namespace (EPERM)  they are opened inside of it            init.py
    a new sysfs, mqueue (EPERM)              the host's, read-only                   here
    devpts for a group not mapped (EINVAL)   for its maker's group                   here
    fewer of a mount's locked words (EPERM)  nothing: which they are is said         here
    setgroups(2) (EPERM)                     the groups of its maker stay            standing.py
    a lower oom_score_adj (EACCES)           its maker's own                         standing.py
    a look into who waits at a gate (EACCES) it lets its user look                   init.py
    a map of other ids than one's own        newuidmap(1)                            own_ids.py

Everything is tried first: what the kernel grants is as it is for root.

Source: runc, libcontainer/configs/validate/rootless.go, rootless_linux.go; crun, linux.c;
mount_namespaces(7), "Restrictions on mount namespaces"; user_namespaces(7).
"""

from __future__ import annotations

import errno
import os

from kernelbox.kernel import flags as k
from kernelbox.kernel import mounts, syscalls
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.plumbing import storage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.oci.config import Config, Process

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_EVERYBODY = ["0", "0", "4294967295"]  # the map of the first user namespace
# What shows a namespace is mounted by who owns that. Source: crun, do_mounts().
_NAMESPACED = {"sysfs": "/sys", "mqueue": "/dev/mqueue"}
_CGROUPS = "/sys/fs/cgroup"
_LOCKED = {
    os.ST_RDONLY: (k.MOUNT_ATTR_RDONLY, "ro"),
    os.ST_NOSUID: (k.MOUNT_ATTR_NOSUID, "nosuid"),
    os.ST_NODEV: (k.MOUNT_ATTR_NODEV, "nodev"),
    os.ST_NOEXEC: (k.MOUNT_ATTR_NOEXEC, "noexec"),
}


def is_rootless(word: str = "auto") -> bool:
    """Whether what the kernel refuses is no reason to fail.

    Args:
        word: `--rootless`: true, false; or auto, for whoever is not the host's root.

    Source: runc, shouldUseRootlessCgroupManager().
    """
    if word != "auto":
        return word == "true"
    return os.geteuid() != 0 or storage.read("/proc/self/uid_map").split() != _EVERYBODY


def is_mere_refusal(refusal: KernelError) -> bool:
    """Whether the kernel says no for want of power, and not since there is something wrong."""
    return refusal.errno in _REFUSED


def is_ordinary() -> bool:
    """Whether the caller may make no namespace but a user namespace. Source: capabilities(7)."""
    return not syscalls.is_permitted(k.CAP_SYS_ADMIN)


def check(config: Config, what: Process | None) -> None:
    """Refuse what an ordinary user cannot have, before anything is.

    Args:
        config: The container.
        what: A program of it; None for none.

    Raises:
        UsageError: There is no user namespace; or there are groups that nobody can be in.

    Source: runc, rootlessEUIDMappings() and setupUser().
    """
    if not is_ordinary():
        return
    if not config.has_user_namespace:
        raise UsageError(
            "an ordinary user's container needs a user namespace",
            "See `spec --rootless` for a config.json that has one; or run it as root",
        )
    if config.is_new("time"):
        raise UsageError(
            "an ordinary user's container cannot have clocks of its own",
            "Leave out the time namespace, or run it as root",
        )
    for one in config.mounts:
        if one.uidMappings or one.gidMappings or {"idmap", "ridmap"} & {*one.options}:
            raise UsageError(
                f"the mount at {one.destination} cannot have other owners (idmap): that is for who "
                "has power over its file system",
                "Leave the mappings out, or run it as root",
            )
    from kernelbox.users import own_ids  # not for root

    own = own_ids.is_own(config.gidMappings, os.getegid())
    if what is not None and what.user.additionalGids and own:
        raise UsageError(
            "additionalGids cannot be had: whoever maps its own ids has given up setgroups(2)",
            "Leave them out; or map ids that root has lent you as well",
        )


def instead_of(kind: str, refusal: KernelError) -> int:
    """Return what stands in for a file system that may not be made: the host's, as it is seen here.

    Args:
        kind: The file system's.
        refusal: Raised again where nothing stands in for it.

    Returns:
        A detached mount, read-only with all below it.
    """
    path = _NAMESPACED.get(kind, "")
    if refusal.errno != errno.EPERM or not os.path.exists(path):
        raise refusal
    return _shown(path)


def groups_of_host() -> int:
    """Return the host's control groups as a detached mount, read-only: for who has none of its own.

    Raises:
        KernelError: ENOENT where none are mounted.
    """
    return _shown(_CGROUPS)


def _shown(path: str) -> int:
    fd = mounts.open_tree(path, k.AT_RECURSIVE)
    mounts.mount_setattr(fd, attributes=k.MOUNT_ATTR_RDONLY, propagation=k.MS_PRIVATE)
    return fd


def without_unmapped_group(kind: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the options of a file system, for devpts without a group that has no map here.

    Every config.json asks for the group tty, 5, and a map of one id has none. Source: crun.
    """
    if kind != "devpts":
        return words
    lines = storage.read("/proc/self/gid_map").splitlines()
    ranges = [list(map(int, line.split())) for line in lines]
    return tuple(
        word
        for word in words
        if not (number := word.removeprefix("gid=")).isdecimal()
        or any(first <= int(number) < first + size for first, _, size in ranges)
    )


def explain_locked(fd: int, cleared: int, refusal: KernelError) -> KernelError:
    """Return a refusal with the words of a mount in it that cannot be taken away.

    Args:
        fd: The mount.
        cleared: MOUNT_ATTR_* bits that were to be.
        refusal: The kernel's.

    Source: runc, "cannot clear locked flags".
    """
    has = os.fstatvfs(fd).f_flag
    words = [
        word for bit, (attribute, word) in _LOCKED.items() if has & bit and cleared & attribute
    ]
    if refusal.errno == errno.EPERM and words:
        refusal.hint = f"Outside of this user namespace it is {', '.join(words)}, and so it stays"
    return refusal

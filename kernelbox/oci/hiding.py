"""Paths of a container that are hidden, or seen and not to be written to.

Both are looked up below its root, and covered by what is held as a descriptor.

Source: OCI runtime-spec, config-linux.md, "Masked Paths" and "Readonly Paths".
"""

from __future__ import annotations

import errno
import os
import stat

from kernelbox.kernel import flags as k
from kernelbox.kernel import lookup, mounts
from kernelbox.kernel.errors import KernelError
from kernelbox.oci import devices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_INSIDE = k.RESOLVE_IN_ROOT | k.RESOLVE_NO_MAGICLINKS
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)
_SAFE = k.MOUNT_ATTR_RDONLY | k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC


def mask(paths: Iterable[str], root: int) -> None:
    """Hide each of these, where it is there: a file behind /dev/null, a directory behind nothing.

    Args:
        paths: Absolute, in the container.
        root: Its root, as a descriptor.

    Raises:
        KernelError: The kernel refuses it.
    """
    for path in dict.fromkeys(paths):
        target = _open(path, root)
        if target is None:
            continue
        try:
            is_directory = stat.S_ISDIR(os.fstat(target).st_mode)
            cover = _nothing() if is_directory else devices.null()
            try:
                mounts.move_mount(cover, target, f"mount ... {path}")
            finally:
                os.close(cover)
        finally:
            os.close(target)


def protect(paths: Iterable[str], root: int) -> None:
    """Make each of these read-only, where it is there. Arguments and errors are those of `mask`."""
    for path in paths:
        target = _open(path, root)
        if target is None:
            continue
        try:
            copy = mounts.open_tree(f"/proc/self/fd/{target}", k.AT_RECURSIVE)
            try:
                mounts.mount_setattr(copy, attributes=k.MOUNT_ATTR_RDONLY, propagation=k.MS_PRIVATE)
                mounts.move_mount(copy, target, f"mount --rbind -o ro {path} {path}")
            finally:
                os.close(copy)
        finally:
            os.close(target)


def _open(path: str, root: int) -> int | None:
    try:
        return lookup.openat2(root, path, os.O_PATH, _INSIDE)
    except KernelError as refusal:
        if refusal.errno in _NOT_THERE:
            return None
        raise


def _nothing() -> int:
    context = mounts.fsopen("tmpfs")
    try:
        mounts.fsconfig(context, k.FSCONFIG_SET_STRING, "size", "0k")
        mounts.fsconfig(context, k.FSCONFIG_CMD_CREATE)
        return mounts.fsmount(context, _SAFE)
    finally:
        os.close(context)

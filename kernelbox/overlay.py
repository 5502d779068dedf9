"""OverlayFS: immutable lower directories, one writable upper, seen as one merged tree.

    merged     what the container sees as /
    upperdir   where its changes land: copies (copy-up), new files, whiteouts
    workdir    the kernel's own, empty, on the same file system as upperdir
    lowerdir   the image's layers, the topmost first, never written

Source: `Documentation/filesystems/overlayfs.rst`.
"""

from __future__ import annotations

import os

from kernelbox.kernel import flags as k
from kernelbox.kernel import syscalls
from kernelbox.kernel.errors import UsageError
from kernelbox.tuples import NamedTuple

# mount(2) takes one page of options.
_OPTIONS_SIZE = 4096

# Without it, the end of every container waits until the whole disk below upperdir is in sync. Its
# changes need not survive a power cut. Source: overlayfs.rst, "Volatile mount".
VOLATILE = "volatile"


class Overlay(NamedTuple):
    """The directories of one overlay; `lowerdirs` has the topmost layer first."""

    lowerdirs: list[str]
    upperdir: str
    workdir: str
    merged: str


def options(overlay: Overlay) -> str:
    """Return the mount options that name the overlay's directories.

    Raises:
        UsageError: They do not fit into the page that mount(2) takes.
    """
    lower = ":".join(_escape(path) for path in overlay.lowerdirs)
    upper, work = _escape(overlay.upperdir), _escape(overlay.workdir)
    text = f"lowerdir={lower},upperdir={upper},workdir={work},{VOLATILE}"
    if len(text) >= _OPTIONS_SIZE:
        raise UsageError(
            f"the image has {len(overlay.lowerdirs)} layers, too many for one mount",
            "Merge some of them, or set KERNELBOX_ROOT to a shorter path",
        )
    return text


def mount(overlay: Overlay) -> None:
    """Mount the merged view at `overlay.merged`, in the caller's mount namespace.

    Device nodes in it do not work (MS_NODEV): a container's root may make some, and no device
    controller stands behind them.

    Raises:
        KernelError: EINVAL if upperdir and workdir lie on an unsuitable file system (another
            overlay, NFS); ENOENT; EPERM.
    """
    syscalls.mount("overlay", overlay.merged, "overlay", k.MS_NODEV, options(overlay))


def detached(overlay: Overlay, userns_fd: int) -> int:
    """Return a descriptor of the merged view for a container in another user namespace.

    The layers belong to the host's ids. Each is seen through the id map of the container's user
    namespace, so that root's files in the image are root's in the container, whoever that is on
    the host. The mount is attached by the container side with `move_mount`.

    Args:
        overlay: Its upperdir must belong to the container's root.
        userns_fd: The container's /proc/PID/ns/user.

    Raises:
        KernelError: EINVAL before Linux 5.19 or where the file system has no idmapped mounts.

    Source: mount_setattr(2), "ID-mapped mounts".
    """
    layers = []
    for path in overlay.lowerdirs:
        layer = syscalls.open_tree(path, 0)
        syscalls.mount_setattr(layer, attributes=k.MOUNT_ATTR_IDMAP, userns_fd=userns_fd)
        layers.append(layer)
    context = syscalls.fsopen("overlay")
    try:
        # A layer is named by its descriptor: there is no path to a detached mount.
        lower = ":".join(f"/proc/self/fd/{layer}" for layer in layers)
        syscalls.fsconfig(context, k.FSCONFIG_SET_STRING, "lowerdir", lower)
        syscalls.fsconfig(context, k.FSCONFIG_SET_STRING, "upperdir", overlay.upperdir)
        syscalls.fsconfig(context, k.FSCONFIG_SET_STRING, "workdir", overlay.workdir)
        syscalls.fsconfig(context, k.FSCONFIG_SET_FLAG, VOLATILE)
        syscalls.fsconfig(context, k.FSCONFIG_CMD_CREATE)
        return syscalls.fsmount(context, k.MOUNT_ATTR_NODEV)
    finally:
        for fd in [context, *layers]:
            os.close(fd)


def _escape(path: str) -> str:
    """Quote what overlay's option parser would take for a separator."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")

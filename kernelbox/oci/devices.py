"""The device nodes of a container: those that each has, and those that its bundle names.

They are made in /dev of the container, wherever that is: it is looked up below the root, so an
image whose /dev is a link to somewhere else gets its nodes there, and never outside.

Source: OCI runtime-spec, config-linux.md, "Devices" and "Default Devices"; CVE-2026-41579.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat

from kernelbox.kernel import files, mounts
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.oci.config import Device
from kernelbox.root import furnishing, targets

_TYPES = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
USUAL = tuple(
    Device(f"/dev/{name}", "c", major, minor, 0o666, 0, 0)
    for name, major, minor in furnishing.DEVICES
)
# Source: OCI runtime-spec, runtime-linux.md, "Dev symbolic links"; config-linux.md, ptmx.
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}


def make(wanted: tuple[Device, ...], root: int, *, borrowed: bool) -> None:
    """Make the device nodes of a container, and the links beside them.

    Args:
        wanted: Those of its bundle.
        root: Its root, as a descriptor.
        borrowed: Whether the host's are shown, since nobody may make a node; else it is tried.

    Raises:
        UsageError: Something else is there already.
        KernelError: EPERM, EROFS.
    """
    named = {one.path for one in wanted}
    for device in [*(one for one in USUAL if one.path not in named), *wanted]:
        if borrowed and device.type != "p":
            _show(device, root)
            continue
        try:
            _make(device, root)
        except KernelError as refusal:
            if refusal.errno != errno.EPERM or device.type == "p":
                raise
            _show(device, root)
    place = targets.open_target("/dev", True, root)
    try:
        for name, target in _LINKS.items():
            try:
                files.symlinkat(target, place, name)
            except KernelError as refusal:
                if refusal.errno != errno.EEXIST:
                    raise
    finally:
        os.close(place)


def _show(device: Device, root: int) -> None:
    """Show the host's node of this path, where nobody may make one.

    Raises:
        UsageError: It is something else there.
    """
    fd = mounts.open_tree(device.path, 0)
    found = os.fstat(fd)
    wanted = _TYPES[device.type], os.makedev(device.major, device.minor)
    if (stat.S_IFMT(found.st_mode), found.st_rdev) != wanted:
        os.close(fd)
        raise UsageError(
            f"{device.path} of this host is not the device {device.major}:{device.minor}, and no "
            "node of that can be made here",
            "Name the device as the host does; or mount what is there",
        )
    targets.attach(fd, device.path, directory=False, root=root)


def _make(device: Device, root: int) -> None:
    directory, name = posixpath.split(posixpath.normpath(device.path))
    place = targets.open_target(directory, True, root)
    try:
        number = 0 if device.type == "p" else os.makedev(device.major, device.minor)
        try:
            files.mknodat(place, name, _TYPES[device.type] | device.mode, number)
        except KernelError as refusal:
            if refusal.errno != errno.EEXIST:
                raise
            _check_same(place, name, _TYPES[device.type], number)
        files.chownat(place, name, device.uid, device.gid)
    finally:
        os.close(place)


def _check_same(place: int, name: str, kind: int, number: int) -> None:
    found = os.stat(name, dir_fd=place, follow_symlinks=False)
    if stat.S_IFMT(found.st_mode) != kind or found.st_rdev != number:
        raise UsageError(
            f"the image has something else where the device {name} is to be", "Use another image"
        )


def null() -> int:
    """Return a detached mount of the host's /dev/null, to hide files with.

    Raises:
        UsageError: That is something else here.

    Source: CVE-2025-31133: what is taken for /dev/null has to be it.
    """
    fd = mounts.open_tree("/dev/null", 0)
    found = os.fstat(fd)
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != os.makedev(1, 3):
        os.close(fd)
        raise UsageError("/dev/null of this host is no null device", "mknod -m 666 /dev/null c 1 3")
    mounts.mount_setattr(fd, attributes=k.MOUNT_ATTR_RDONLY, propagation=k.MS_PRIVATE)
    return fd

"""Loop devices: a file that the kernel offers as a disk.

A device goes when its last user closes it (LO_FLAGS_AUTOCLEAR), so whoever is killed leaves none
behind that nobody has open or mounted; and its partitions go with it (LO_FLAGS_PARTSCAN).

Source: loop(4); linux/loop.h, `struct loop_config`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from kernelbox.kernel.door import Symbol, request
from kernelbox.kernel.errors import KernelError
from kernelbox.kernel.foreign import ctypes

_CONTROL = "/dev/loop-control"
_LOOP_CTL_GET_FREE = 0x4C82
_LOOP_CONFIGURE = 0x4C0A
_LOOP_CLR_FD = 0x4C01
_LOOP_GET_STATUS64 = 0x4C05
_BLKPG = 0x1269
_BLKPG_ADD_PARTITION = 1
_LO_FLAGS_AUTOCLEAR = 4
_LO_FLAGS_PARTSCAN = 8
_NUMBERS = os.makedev(10, 237)  # of loop-control: linux/miscdevice.h, LOOP_CTRL_MINOR

# struct loop_info64: device, inode, rdevice, offset, sizelimit; number, encrypt_type, its key's
# size, flags; file name, crypt name, key; init[2].
_INFO = struct.Struct("=5Q4I64s64s32s2Q")
_NAME = 9


def free() -> int:
    """Return the number of a device that is not in use; it is made if there is none.

    Raises:
        KernelError: ENOENT without the driver; EACCES.

    Source: loop(4), /dev/loop-control.
    """

    def act() -> int:
        control = _control()
        try:
            return fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
        finally:
            os.close(control)

    return request("ioctl", (_CONTROL, Symbol("LOOP_CTL_GET_FREE")), act, "losetup --find")


def _control() -> int:
    """Return loop-control, opened.

    Where the driver is a module, and nobody has needed it yet, a small system has no such file: its
    node is made here, as kmod does at boot, and whoever opens that has the module loaded.

    Source: kmod, `kmod static-nodes`; the kernel's module alias char-major-10-237.
    """
    try:
        return os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError as missing:
        os.mknod(_CONTROL, stat.S_IFCHR | 0o600, _NUMBERS)
        try:
            return os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # there is no such module
            os.unlink(_CONTROL)
            raise missing from None


def attach(number: int, file: int, name: str) -> int:
    """Make a file the disk `/dev/loopN`; return the device, opened.

    Args:
        number: As from `free`; somebody may have been quicker.
        file: The file, opened for reading and writing.
        name: What the kernel shall tell of it, at most 63 bytes: the file may have no path.

    Raises:
        KernelError: EBUSY if the device is in use by now; EACCES, EPERM; ENOENT without the device.

    Source: loop(4), LOOP_CONFIGURE.
    """
    flags = _LO_FLAGS_AUTOCLEAR | _LO_FLAGS_PARTSCAN
    info = _INFO.pack(0, 0, 0, 0, 0, number, 0, 0, flags, name.encode(), b"", b"", 0, 0)
    config = struct.pack("=2I", file, 0) + info + bytes(64)
    path = f"/dev/loop{number}"

    def act() -> int:
        device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, _LOOP_CONFIGURE, config)
        except OSError:
            os.close(device)
            raise
        return device

    shown = (path, Symbol("LOOP_CONFIGURE"), Symbol("{flags=LO_FLAGS_AUTOCLEAR|LO_FLAGS_PARTSCAN}"))
    return request("ioctl", shown, act, f"losetup --partscan {path} FILE")


def add_partition(path: str, number: int, begin: int, size: int) -> None:
    """Tell the kernel of a partition on a disk; nothing of it is written to the disk itself.

    Args:
        path: Of the disk.
        number: Of the partition, from 1 on.
        begin: Bytes from the disk's begin.
        size: Bytes.

    Raises:
        KernelError: EBUSY if it overlaps another, or has its number; EINVAL if it does not fit.

    Source: linux/blkpg.h, `struct blkpg_partition`; addpart(8).
    """
    # start, length, pno; the names of device and volume are not used.
    partition = ctypes.create_string_buffer(
        struct.pack("@2qi64s64s", begin, size, number, b"", b"")
    )
    asked = struct.pack(
        "@3iP", _BLKPG_ADD_PARTITION, 0, len(partition) - 1, ctypes.addressof(partition)
    )

    def act() -> None:
        device = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, _BLKPG, asked)
        finally:
            os.close(device)

    what = f"{{BLKPG_ADD_PARTITION, {{start={begin}, length={size}, pno={number}}}}}"
    shell = f"addpart {path} {number} {begin // 512} {size // 512}"
    request("ioctl", (path, Symbol("BLKPG"), Symbol(what)), act, shell)


def name_of(number: int) -> str:
    """Return what `attach` has named a device; empty if it is not in use, or not there.

    Source: loop(4), LOOP_GET_STATUS64.
    """
    try:
        device = os.open(f"/dev/loop{number}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        told = fcntl.ioctl(device, _LOOP_GET_STATUS64, bytes(_INFO.size))
    except OSError as refusal:
        if refusal.errno != errno.ENXIO:
            raise
        return ""
    finally:
        os.close(device)
    return bytes(_INFO.unpack(told)[_NAME]).rstrip(b"\0").decode(errors="replace")


def detach(number: int) -> None:
    """Take the file away from a device, or as soon as its last user closes it; twice is fine.

    Raises:
        KernelError: EACCES, EPERM.

    Source: loop(4), LOOP_CLR_FD.
    """
    path = f"/dev/loop{number}"

    def act() -> None:
        device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, _LOOP_CLR_FD)
        finally:
            os.close(device)

    try:
        request("ioctl", (path, Symbol("LOOP_CLR_FD")), act, f"losetup --detach {path}")
    except KernelError as refusal:
        if refusal.errno not in (errno.ENXIO, errno.ENOENT):
            raise

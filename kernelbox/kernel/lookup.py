"""Where path lookups begin, and how far one may lead: root, working directory, openat2."""

from __future__ import annotations

import errno
import os

from kernelbox.kernel import flags as k
from kernelbox.kernel.door import Structure, request
from kernelbox.kernel.foreign import ctypes
from kernelbox.kernel.syscalls import checked, libc, raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NR_OPENAT2 = 437  # asm-generic, the same on all machines
_PATIENCE = 1000  # times
_CHUNK = 1 << 16


def chroot(path: str) -> None:
    """Change where the caller's path lookups begin; it changes no mount and closes no door.

    Raises:
        KernelError: EPERM without CAP_SYS_CHROOT; ENOENT, ENOTDIR.

    Source: chroot(2).
    """
    request("chroot", (path,), lambda: os.chroot(path), f"chroot {path}")


def chdir(path: str) -> None:
    """Change the working directory.

    Raises:
        KernelError: ENOENT, ENOTDIR, EACCES.

    Source: chdir(2).
    """
    request("chdir", (path,), lambda: os.chdir(path), f"cd {path}")


def fchdir(fd: int) -> None:
    """Make the directory behind `fd` the working directory.

    Raises:
        KernelError: EACCES; ENOTDIR if it is none.

    Source: fchdir(2).
    """
    request("fchdir", (fd,), lambda: os.fchdir(fd), f"cd /proc/self/fd/{fd}")


def openat2(directory: int, path: str, flags: int, resolve: int) -> int:
    """Open `path` below the descriptor `directory` under the rules of `resolve`.

    Args:
        directory: An open directory, or AT_FDCWD.
        path: What to open.
        flags: O_* bits; O_CLOEXEC is added.
        resolve: RESOLVE_* bits, such as RESOLVE_NO_SYMLINKS.

    Returns:
        The new descriptor.

    Raises:
        KernelError: ELOOP if a symbolic link is met that `resolve` forbids; ENOENT, ENOTDIR.

    Source: openat2(2).
    """
    return request(
        "openat2",
        (
            directory,
            path,
            Structure(
                flags=k.Names("O_", flags | os.O_CLOEXEC), resolve=k.Names("RESOLVE_", resolve)
            ),
        ),
        lambda: open_below(directory, os.fsencode(path), flags, resolve),
    )


def open_below(directory: int, path: bytes, flags: int, resolve: int, mode: int = 0) -> int:
    """Do what `openat2` does for a file of the image store: that is storage, and not recorded.

    Args:
        directory: An open directory.
        path: What to open.
        flags: O_* bits; O_CLOEXEC is added.
        resolve: RESOLVE_* bits.
        mode: Permissions of a file that O_CREAT makes.

    Raises:
        OSError: EXDEV or ELOOP if `resolve` forbids the way; ENOENT, ENOTDIR, EEXIST.

    Source: openat2(2).
    """
    how = (ctypes.c_uint64 * 3)(flags | os.O_CLOEXEC, mode, resolve)
    arguments = (directory, path, ctypes.byref(how), ctypes.c_size_t(24))
    # EAGAIN: somewhere on the machine a mount or a rename came between, so that the kernel
    # cannot tell whether `..` has led out. It asks to be asked again.
    for _ in range(_PATIENCE):
        try:
            return raw(NR_OPENAT2, *arguments)
        except BlockingIOError:
            continue
    return raw(NR_OPENAT2, *arguments)


def open_proc(path: str, flags: int = os.O_RDONLY) -> int:
    """Open a file of procfs, where a container may have changed /proc.

    Nothing is believed that is mounted in the place of /proc or of something in it. Looking is not
    recorded.

    Args:
        path: Below /proc: `self/uid_map`.
        flags: O_* bits; O_CLOEXEC is added.

    Raises:
        OSError: EXDEV if /proc is no procfs, or another mount is on the way; ENOENT, EACCES.

    Source: openat2(2), RESOLVE_NO_XDEV; CVE-2019-16884.
    """
    root = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if file_system_of(root) != k.PROC_SUPER_MAGIC:
            raise OSError(errno.EXDEV, "this is no procfs", "/proc")
        return open_below(root, os.fsencode(path), flags, k.RESOLVE_NO_XDEV)
    finally:
        os.close(root)


def read_proc(path: str) -> str:
    """Return the first 64 KiB of such a file. Arguments and errors are those of `open_proc`."""
    fd = open_proc(path)
    try:
        return os.read(fd, _CHUNK).decode()
    finally:
        os.close(fd)


def file_system(path: str) -> int:
    """Return the magic number of the file system that a path is on. Looking is not recorded.

    Raises:
        OSError: ENOENT, ENOTDIR, EACCES.

    Source: statfs(2), f_type; linux/magic.h.
    """
    return _magic(libc.statfs, os.fsencode(path))


def file_system_of(fd: int) -> int:
    """Return the magic number of the file system that an open file is on.

    Raises:
        OSError: EBADF.

    Source: fstatfs(2), f_type; linux/magic.h.
    """
    return _magic(libc.fstatfs, ctypes.c_int(fd))


def _magic(call: Callable[..., int], where: object) -> int:
    answer = (ctypes.c_long * 32)()
    checked(call(where, ctypes.byref(answer)))
    return answer[0]

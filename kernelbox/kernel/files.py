"""Requests to the kernel that are spelled as files: writes, directories, device nodes.

procfs, sysfs and cgroupfs are interfaces, not storage: writing `100000 100000` to `cpu.max` is as
much a request as a system call, so it is recorded like one.
"""

from __future__ import annotations

import os
import stat

from kernelbox import storage
from kernelbox.kernel.record import Symbol, request


def write(path: str, text: str) -> None:
    """Write `text` to the kernel file at `path` in one write(2).

    The file is opened without O_CREAT: a missing one says ENOENT, as it should, instead of the
    EACCES that cgroupfs gives to an attempt at creating it.

    Raises:
        KernelError: ENOENT if the kernel offers no such file; EINVAL if it does not take the
            value; EBUSY, EPERM.

    Source: write(2); for what may be written, the page of the file system.
    """

    def act() -> int:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            return os.write(fd, text.encode())
        finally:
            os.close(fd)

    request("write", (path, text), act, f"echo {text.rstrip()} > {path}")


def write_fd(fd: int, path: str, text: str) -> None:
    """Write `text` to the kernel file already open as `fd`; `path` is what to call it.

    Raises:
        KernelError: as `write`.

    Source: write(2).
    """
    request("write", (path, text), lambda: os.write(fd, text.encode()), f"echo {text} > {path}")


def read(path: str) -> str:
    """Return the text of the kernel file at `path`. Looking changes nothing: it is not recorded.

    Raises:
        OSError: ENOENT, ENODEV if what the file speaks of is gone.
    """
    return storage.read(path)


def mkdir(path: str, mode: int = 0o755) -> None:
    """Make a directory; on cgroupfs that is how a control group is made.

    Raises:
        KernelError: EEXIST, ENOENT, ENOSPC, EROFS; EAGAIN when cgroup.max.descendants is reached.

    Source: mkdir(2); cgroups(7).
    """
    request("mkdir", (path, Symbol(f"{mode:#o}")), lambda: os.mkdir(path, mode), f"mkdir {path}")


def rmdir(path: str) -> None:
    """Remove an empty directory; on cgroupfs, a group with neither processes nor children.

    Raises:
        KernelError: ENOENT, EBUSY, ENOTEMPTY.

    Source: rmdir(2); cgroups(7).
    """
    request("rmdir", (path,), lambda: os.rmdir(path), f"rmdir {path}")


def symlink(target: str, path: str) -> None:
    """Make `path` a symbolic link to `target`.

    Raises:
        KernelError: EEXIST, ENOENT, EROFS.

    Source: symlink(2).
    """
    shell = f"ln -s {target} {path}"
    request("symlink", (target, path), lambda: os.symlink(target, path), shell)


def mknod(path: str, mode: int, major: int, minor: int) -> None:
    """Make a character device node, open to all as `mode` says (the umask is not applied).

    Raises:
        KernelError: EPERM without CAP_MKNOD in the initial user namespace; EEXIST.

    Source: mknod(2).
    """

    def act() -> None:
        os.mknod(path, stat.S_IFCHR | mode, os.makedev(major, minor))
        os.chmod(path, mode)

    shown = (path, Symbol(f"S_IFCHR|{mode:#o}"), Symbol(f"makedev({major}, {minor})"))
    request("mknod", shown, act, f"mknod -m {mode:o} {path} c {major} {minor}")

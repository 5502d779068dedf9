"""Requests to the kernel that are spelled as files: writes, directories, device nodes.

procfs, sysfs and cgroupfs are interfaces, not storage: writing `100000 100000` to `cpu.max` is as
much a request as a system call, so it is recorded like one.
"""

from __future__ import annotations

import os
import stat

from kernelbox.kernel import flags as k
from kernelbox.kernel import lookup
from kernelbox.kernel.door import Symbol, request
from kernelbox.kernel.syscalls import checked, libc
from kernelbox.plumbing import storage


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


def sync(directory: str) -> None:
    """Write all that waits for the disk of a file system: what was written before is there after.

    It is storage that is made safe, and no container changed: not recorded.

    Args:
        directory: Any that is on it.

    Raises:
        OSError: EIO, ENOSPC, EDQUOT if something could not be written; ENOENT.

    Source: syncfs(2).
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        checked(libc.syncfs(fd))
    finally:
        os.close(fd)


def mkdir(path: str, mode: int = 0o755) -> None:
    """Make a directory; on cgroupfs that is how a control group is made.

    Raises:
        KernelError: EEXIST, ENOENT, ENOSPC, EROFS; EAGAIN when cgroup.max.descendants is reached.

    Source: mkdir(2); cgroups(7).
    """
    request("mkdir", (path, Symbol(f"{mode:#o}")), lambda: os.mkdir(path, mode), f"mkdir {path}")


def _at(parent: int) -> Symbol:
    return Symbol("AT_FDCWD" if parent == k.AT_FDCWD else str(parent))


def _path_at(parent: int, name: str) -> str:
    return name if parent == k.AT_FDCWD else f"/proc/self/fd/{parent}/{name}"


def mkdirat(parent: int, name: str, mode: int = 0o755) -> None:
    """Make a directory in the one that the descriptor `parent` is open on (or AT_FDCWD).

    Raises:
        KernelError: EEXIST, ENOSPC, EROFS.

    Source: mkdirat(2).
    """
    request(
        "mkdirat",
        (_at(parent), name, Symbol(f"{mode:#o}")),
        lambda: os.mkdir(name, mode, dir_fd=parent),
        f"mkdir {_path_at(parent, name)}",
    )


def make_file(parent: int, name: str, mode: int = 0o644) -> None:
    """Make an empty file in the directory that `parent` is open on (or AT_FDCWD), if none is there.

    Raises:
        KernelError: EEXIST, also for a symbolic link that leads nowhere; ENOSPC, EROFS.

    Source: openat(2), O_CREAT and O_EXCL.
    """
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    shown = Symbol("O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC")
    fd = request(
        "openat",
        (_at(parent), name, shown, Symbol(f"{mode:#o}")),
        lambda: os.open(name, flags, mode, dir_fd=parent),
        f"touch {_path_at(parent, name)}",
    )
    os.close(fd)


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


def mknod(path: str, mode: int, major: int, minor: int, kind: str = "c") -> None:
    """Make a device node.

    Args:
        path: Where.
        mode: Its permissions; the caller's umask takes from them.
        major: Which driver.
        minor: Which of its devices.
        kind: `c` or `b`, character or block.

    Raises:
        KernelError: EPERM without CAP_MKNOD in the initial user namespace; EEXIST.

    Source: mknod(2).
    """
    name, bits = ("S_IFBLK", stat.S_IFBLK) if kind == "b" else ("S_IFCHR", stat.S_IFCHR)
    shown = (path, Symbol(f"{name}|{mode:#o}"), Symbol(f"makedev({major}, {minor})"))
    request(
        "mknod",
        shown,
        lambda: os.mknod(path, bits | mode, os.makedev(major, minor)),
        f"mknod -m {mode:o} {path} {kind} {major} {minor}",
    )


def chown(path: str, uid: int, gid: int) -> None:
    """Give a file another owner and group.

    Raises:
        KernelError: EPERM without CAP_CHOWN; ENOENT, EROFS.

    Source: chown(2).
    """
    request(
        "chown", (path, uid, gid), lambda: os.chown(path, uid, gid), f"chown {uid}:{gid} {path}"
    )


def write_proc(path: str, text: str) -> None:
    """Write to a file of procfs, once it is shown to be one: see `lookup.open_proc`.

    Args:
        path: Below /proc: `sys/net/ipv4/ip_forward`.
        text: What it takes.

    Raises:
        KernelError: EXDEV if something else is in its place; ENOENT, EINVAL, EACCES.

    Source: proc(5).
    """

    def act() -> int:
        fd = lookup.open_proc(path, os.O_WRONLY)
        try:
            return os.write(fd, text.encode())
        finally:
            os.close(fd)

    request("write", (f"/proc/{path}", text), act, f"echo {text.rstrip()} > /proc/{path}")


def mknodat(parent: int, name: str, mode: int, device: int) -> None:
    """Make a device node or a FIFO in the directory that the descriptor `parent` is open on.

    Args:
        parent: The directory.
        name: In it.
        mode: S_IFCHR, S_IFBLK or S_IFIFO, and its permissions; the caller's umask takes from them.
        device: Its two numbers, as `os.makedev` puts them together; 0 for a FIFO.

    Raises:
        KernelError: EPERM without CAP_MKNOD in the initial user namespace; EEXIST, EROFS.

    Source: mknodat(2).
    """
    kind = {stat.S_IFBLK: "S_IFBLK", stat.S_IFIFO: "S_IFIFO"}.get(stat.S_IFMT(mode), "S_IFCHR")
    numbers = f"makedev({os.major(device)}, {os.minor(device)})"
    request(
        "mknodat",
        (_at(parent), name, Symbol(f"{kind}|{stat.S_IMODE(mode):#o}"), Symbol(numbers)),
        lambda: os.mknod(name, mode, device, dir_fd=parent),
        f"mknod -m {stat.S_IMODE(mode):o} {_path_at(parent, name)} ...",
    )


def symlinkat(target: str, parent: int, name: str) -> None:
    """Make a symbolic link to `target` in the directory that `parent` is open on.

    Raises:
        KernelError: EEXIST, ENOSPC, EROFS.

    Source: symlinkat(2).
    """
    request(
        "symlinkat",
        (target, _at(parent), name),
        lambda: os.symlink(target, name, dir_fd=parent),
        f"ln -s {target} {_path_at(parent, name)}",
    )


def chownat(parent: int, name: str, uid: int, gid: int) -> None:
    """Give what is called `name` in a directory another owner and group, itself and no link's end.

    Raises:
        KernelError: EPERM without CAP_CHOWN; ENOENT, EROFS.

    Source: fchownat(2), AT_SYMLINK_NOFOLLOW.
    """
    request(
        "fchownat",
        (_at(parent), name, uid, gid, Symbol("AT_SYMLINK_NOFOLLOW")),
        lambda: os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False),
        f"chown -h {uid}:{gid} {_path_at(parent, name)}",
    )

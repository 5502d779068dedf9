"""The root file system: from a mounted tree to the `/` that the container's program sees.

Container side, in the order of use:

    make_private    cut the propagation between this mount namespace and its parent's
    pivot           the new tree becomes /, the old one lies stacked on top of it
    mount_proc ...  the file systems that must exist before the old root goes
    leave_old_root  unmount it: from here on no path leads back
    mount_dev ...   the rest, by ordinary paths, since there is nothing left to escape to
    mask            hide what /proc and /sys tell of the host

What comes from the host (volumes, device nodes of a container in a user namespace) was opened by
the runtime side before, as detached mounts that travel as descriptors.
"""

from __future__ import annotations

import errno
import os
import stat

from kernelbox.kernel import files, mounts, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelError, UsageError

_SAFE = k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC

# name, major, minor: the devices that every container gets.
# Source: OCI runtime-spec, config-linux.md, "Default Devices"; admin-guide/devices.txt.
DEVICES = (
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
)

# Source: moby, oci/defaults.go; OCI runtime-spec, "Masked Paths" and "Readonly Paths".
MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def make_private() -> None:
    """Stop mounts from propagating to or from the mount namespace this one was copied from.

    Source: mount_namespaces(7), "Shared subtrees".
    """
    mounts.mount(None, "/", None, k.MS_REC | k.MS_PRIVATE)


def attach_root(fd: int) -> None:
    """Attach the detached mount `fd` on top of the old root, and stand in it.

    No other directory is sure to be open to the root of a user namespace, a nobody on the host.
    """
    old_root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mounts.move_mount(fd, old_root)
        os.fchdir(fd)
    finally:
        os.close(old_root)
        os.close(fd)


def pivot() -> None:
    """Make the mount that is the working directory the root; `.` is then the old root.

    Source: pivot_root(2), 'pivot_root(".", ".")'.
    """
    mounts.pivot_root(".", ".")


def leave_old_root() -> None:
    """Unmount the old root: after this no path of the host exists in this mount namespace."""
    mounts.umount2(".", k.MNT_DETACH)
    syscalls.chdir("/")


def mount_proc() -> None:
    """Mount a fresh procfs on /proc; it shows the PID namespace of whoever mounts it.

    Source: proc(5); pid_namespaces(7), "/proc and PID namespaces".
    """
    _plain_directory("/proc")
    mounts.mount("proc", "/proc", "proc", _SAFE)


def mount_sys() -> None:
    """Mount sysfs read-only on /sys; it shows the network namespace of whoever mounts it.

    Source: sysfs(5).
    """
    _plain_directory("/sys")
    mounts.mount("sysfs", "/sys", "sysfs", _SAFE | k.MS_RDONLY)


def mount_cgroup(version: int, controllers: list[str]) -> None:
    """Mount the container's own view of its control group, read-only, at /sys/fs/cgroup.

    Args:
        version: 1 or 2.
        controllers: On version 1, the hierarchies to show, such as `cpu` or `cpu,cpuacct`.

    Source: cgroup_namespaces(7); cgroups(7), "Mounting v1 controllers".
    """
    base = "/sys/fs/cgroup"
    if version == 2:
        mounts.mount("cgroup", base, "cgroup2", _SAFE | k.MS_RDONLY)
        return
    mounts.mount("tmpfs", base, "tmpfs", _SAFE, "mode=755,size=64k")
    for controller in controllers:
        files.mkdir(f"{base}/{controller}")
        mounts.mount("cgroup", f"{base}/{controller}", "cgroup", _SAFE | k.MS_RDONLY, controller)
    mounts.mount(None, base, None, k.MS_REMOUNT | k.MS_BIND | k.MS_RDONLY | _SAFE)


def mount_dev(borrowed: dict[str, int]) -> None:
    """Mount a small /dev: six devices, terminals, shared memory, message queues.

    Args:
        borrowed: In a user namespace, where nobody may make a device node: detached mounts of
            the host's, by name. Otherwise empty, and the nodes are made here.

    Source: OCI runtime-spec, config-linux.md, "Default Filesystems".
    """
    _plain_directory("/dev")
    mounts.mount("tmpfs", "/dev", "tmpfs", k.MS_NOSUID | k.MS_NOEXEC, "mode=755,size=64k")
    for name, major, minor in DEVICES:
        if name in borrowed:
            attach(borrowed[name], f"/dev/{name}", directory=False)
        else:
            files.mknod(f"/dev/{name}", 0o666, major, minor)
    for directory, kind, flags, data in (
        ("pts", "devpts", k.MS_NOSUID | k.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"),
        ("shm", "tmpfs", _SAFE, "mode=1777,size=64m"),
        ("mqueue", "mqueue", _SAFE, None),
    ):
        files.mkdir(f"/dev/{directory}")
        mounts.mount(kind, f"/dev/{directory}", kind, flags, data)
    for target, link in (
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ):
        files.symlink(target, f"/dev/{link}")


def attach_console(terminal: str) -> None:
    """Show the container's own terminal, such as `/dev/pts/0`, as /dev/console too."""
    _make_file("/dev/console")
    mounts.mount(terminal, "/dev/console", None, k.MS_BIND)


def seal_dev() -> None:
    """Make /dev read-only: a device node made by the container has nowhere to work.

    Every other mount it can write to is `nodev`. Reading and writing the devices themselves does
    not write to the file system they are named in.
    """
    flags = k.MS_REMOUNT | k.MS_BIND | k.MS_RDONLY | k.MS_NOSUID | k.MS_NOEXEC
    mounts.mount(None, "/dev", None, flags)


def attach(fd: int, path: str, *, directory: bool) -> None:
    """Attach the detached mount `fd` at `path`, making the mount point if it is missing.

    The path is looked up by the kernel below the container's root, and never through one of the
    magic links of /proc, which may lead out of it.

    Raises:
        UsageError: The path leads through a magic link, through something that is no directory,
            or to where nothing may be mounted.
        KernelError: ENOTDIR if one is a directory and the other is not.
    """
    target = _open_target(path, directory)
    try:
        _check_coverable(target, path, directory)
        mounts.move_mount(fd, target, f"mount --bind ... {path}")
    finally:
        os.close(target)
        os.close(fd)


def _check_coverable(target: int, path: str, directory: bool) -> None:
    """Keep volumes away from / and /proc: a forged /proc would lie to us and to the program.

    An image may make any path a link to there. Source: CVE-2019-16884.
    """
    found = os.fstat(target)
    if os.path.samestat(found, os.stat("/")) or found.st_dev == os.stat("/proc").st_dev:
        raise UsageError(
            f"{path} in the container leads to its root or into /proc", "Mount it elsewhere"
        )
    if stat.S_ISDIR(found.st_mode) != directory:
        raise _no_plain(path, directory)


def _no_plain(path: str, directory: bool) -> UsageError:
    kind = "directory" if directory else "file"
    return UsageError(
        f"{path} in the container does not lead to a plain {kind}", "Choose another path"
    )


def change_directory(path: str) -> None:
    """Enter the program's working directory, made if it is missing, as Docker does.

    Raises:
        UsageError: It lies outside the container, or is no directory.
    """
    target = _open_target(path, directory=True)
    os.fchdir(target)
    os.close(target)


def mask() -> None:
    """Hide files of /proc and /sys that tell of the whole machine, and protect those that set it.

    A file is covered by /dev/null, a directory by an empty read-only file system.
    """
    empty = ""
    for path in MASKED:
        mode = _mode(path)
        if mode is None:
            continue
        if not stat.S_ISDIR(mode):
            mounts.mount("/dev/null", path, None, k.MS_BIND)
        elif empty:
            mounts.mount(empty, path, None, k.MS_BIND)  # read-only, too
        else:
            mounts.mount("tmpfs", path, "tmpfs", _SAFE | k.MS_RDONLY, "size=0k")
            empty = path
    for path in READ_ONLY:
        if _mode(path) is not None:
            mounts.mount(path, path, None, k.MS_BIND | k.MS_REC)
            flags = k.MS_REMOUNT | k.MS_BIND | k.MS_RDONLY | _SAFE
            mounts.mount(None, path, None, flags)


def make_read_only() -> None:
    """Make the root itself read-only (`--read-only`); mounts below it keep their own state."""
    mounts.mount(None, "/", None, k.MS_REMOUNT | k.MS_BIND | k.MS_RDONLY | k.MS_NODEV)


def _plain_directory(path: str) -> None:
    """See to it that `path`, directly below the root, is a directory and not a trap."""
    mode = _mode(path)
    if mode is None:
        files.mkdir(path)
    elif not stat.S_ISDIR(mode):
        raise UsageError(
            f"the image's {path} is not a directory", "An image may not redirect it: use another"
        )


def _mode(path: str) -> int | None:
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


_INSIDE = k.RESOLVE_IN_ROOT | k.RESOLVE_NO_MAGICLINKS


def _open_target(path: str, directory: bool) -> int:
    """Open `path` below the container's root, making what is missing, one step at a time."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            return _open(root, names, directory)  # mostly all is there
        except KernelError as error:
            if error.errno != errno.ENOENT:
                raise
        for depth in range(1, len(names)):
            os.close(_open_or_make(root, names[:depth], directory=True))
        return _open_or_make(root, names, directory)
    except KernelError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EXDEV):
            raise _no_plain(path, directory) from error
        raise
    except OSError as error:
        raise UsageError(
            f"{path} in the container cannot be made: {os.strerror(error.errno or 0).lower()}",
            "Choose another path, or one that exists",
        ) from error
    finally:
        os.close(root)


def _open_or_make(root: int, names: list[str], directory: bool) -> int:
    try:
        return _open(root, names, directory)
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
        parent = _open(root, names[:-1], directory=True)
        try:
            if directory:
                os.mkdir(names[-1], 0o755, dir_fd=parent)
            else:
                new = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                os.close(os.open(names[-1], new, 0o644, dir_fd=parent))
        finally:
            os.close(parent)
        return _open(root, names, directory)


def _open(root: int, names: list[str], directory: bool) -> int:
    flags = os.O_PATH | (os.O_DIRECTORY if directory else 0)
    return syscalls.openat2(root, "/".join(names) or ".", flags, _INSIDE)


def _make_file(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))

"""Why the kernel says no: for a refused request, one sentence on the cause or the cure.

The table is ordered; the first row that fits wins. `*` stands for any request.
"""

from __future__ import annotations

import errno
import os

from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.plumbing import paths

_WHY: tuple[tuple[str, int, str], ...] = (
    (
        "mount",
        errno.EINVAL,
        "No mount point, or unbindable, or the file system refused its options; an overlay "
        "upperdir cannot lie on another overlay: set KERNELBOX_ROOT to a directory on a disk or a "
        "tmpfs",
    ),
    ("mount", errno.ENODEV, "This kernel has no such file system: see /proc/filesystems"),
    ("pivot_root", errno.EINVAL, "The new root must be a mount point, and no mount may be shared"),
    ("pivot_root", errno.EBUSY, "The new root is the current root, or is not a mount of its own"),
    (
        "unshare",
        errno.EINVAL,
        "A user namespace needs a process with one thread; or this kernel lacks the kind",
    ),
    (
        "unshare",
        errno.ENOSPC,
        "Namespaces nest too deep (32 levels of pid or user), or too many: see /proc/sys/user",
    ),
    (
        "clone3",
        errno.ENOSPC,
        "Namespaces nest too deep (32 levels of pid or user), or too many: see /proc/sys/user",
    ),
    ("clone3", errno.ENOSYS, "clone3 came with Linux 5.3, or a seccomp filter hides it"),
    ("clone3", errno.EAGAIN, "A limit on processes is reached: see pids.max and `ulimit -u`"),
    (
        "clone3",
        errno.ENOMEM,
        "The PID namespace for its children has lost its PID 1; or there is no memory to spare",
    ),
    ("setns", errno.EINVAL, "A process with several threads cannot change this namespace"),
    ("open_tree", errno.ENOENT, "The path to mount from does not exist"),
    ("mount_setattr", errno.EINVAL, "This file system does not support the attribute (idmap?)"),
    ("RTM_NEWLINK", errno.EEXIST, "A link of this name exists already: see `ip link`"),
    ("RTM_NEWLINK", errno.EOPNOTSUPP, "This kernel lacks veth or bridge: modprobe veth bridge"),
    ("RTM_NEWLINK", errno.ENODEV, "There is no such link: see `ip link`"),
    ("RTM_NEWLINK", errno.ERANGE, "A link's name has at most 15 bytes"),
    ("RTM_DELLINK", errno.ENODEV, "There is no such link: see `ip link`"),
    ("RTM_NEWADDR", errno.EEXIST, "The link has this address already"),
    ("RTM_NEWROUTE", errno.ENETUNREACH, "The gateway is on no network of this link"),
    ("RTM_NEWROUTE", errno.EEXIST, "There is a default route already"),
    ("nft", errno.EOPNOTSUPP, "This kernel lacks nftables: modprobe nf_tables"),
    ("write", errno.EROFS, "/proc/sys or /sys is read-only: are we in an unprivileged container?"),
    (
        "set_mempolicy",
        errno.EINVAL,
        "MPOL_DEFAULT and MPOL_LOCAL take no nodes; the others need some that the machine has, and "
        "the cpuset of the caller",
    ),
    ("sethostname", errno.EINVAL, "A hostname has at most 64 bytes"),
    ("write", errno.EBUSY, "In cgroup v2 a group with processes cannot pass controllers down"),
    ("write", errno.EINVAL, "The kernel did not accept this value"),
    (
        "write",
        errno.ENOSPC,
        "A control group whose cpuset.cpus or cpuset.mems is empty takes nobody in: give it what "
        "the one above has",
    ),
    ("write", errno.ERANGE, "The value is outside the range that the kernel accepts"),
    ("rmdir", errno.EBUSY, "The cgroup still has processes or children"),
    *(
        (name, errno.EPERM, "This needs privilege, or the container's seccomp profile forbids it")
        for name in ("capset", "prctl", "setresuid")
    ),
    ("*", errno.EPERM, "This needs privilege: run as root (sudo)"),
    ("*", errno.EACCES, "This needs privilege: run as root (sudo)"),
    ("*", errno.ENOSPC, "The disk is full: free space below KERNELBOX_ROOT (/var/lib/kernelbox)"),
    ("*", errno.EDQUOT, "The disk quota is used up: free space, or set KERNELBOX_ROOT elsewhere"),
    ("*", errno.EROFS, "The file system is read-only: set KERNELBOX_ROOT to a writable place"),
    ("*", errno.EMFILE, "Too many open files: raise `ulimit -n`"),
    ("*", errno.ENOSYS, "This kernel is too old, or a seccomp filter hides the call"),
    ("*", errno.ENOMEM, "The kernel has no memory to spare"),
)


def why(request: str, number: int) -> str:
    """Return a hint for `request` refused with errno `number`; empty if there is none.

    Source: the ERRORS section of each system call's man page.
    """
    for name, refused_with, hint in _WHY:
        if refused_with == number and name in (request, "*"):
            return hint
    return ""


_ABOUT_THE_DISK = {
    errno.EACCES: "Run it as root (sudo)",
    errno.EPERM: "Run it as root (sudo)",
    errno.ENOSPC: "Free some space, or set KERNELBOX_ROOT to a directory on another disk",
    errno.EDQUOT: "Free some space, or set KERNELBOX_ROOT to a directory on another disk",
    errno.EROFS: "Set KERNELBOX_ROOT to a writable directory",
}


def disk_error(error: OSError) -> KernelboxError:
    """Return the one line that explains why kernelbox cannot write below its root."""
    cause = os.strerror(error.errno or 0).lower()
    hint = "Set KERNELBOX_ROOT to a directory that can be written"
    return KernelboxError(
        f"cannot write {error.filename or paths.root()}: {cause}",
        _ABOUT_THE_DISK.get(error.errno or 0, hint),
    )


def output_error(stream: str, number: int, code: int = 125) -> KernelboxError:
    """Return the one line that says where output was lost.

    Args:
        stream: `stdout` or `stderr`.
        number: errno of the write that failed.
        code: Exit code to end with.
    """
    cause = os.strerror(number).lower()
    return KernelboxError(f"cannot write to {stream}: {cause}", "Redirect it elsewhere", code)


def store_error(request: str, error: OSError) -> KernelError:
    """Return the error for people of a request that the file system under the store refused."""
    number = error.errno or errno.EIO
    return KernelError(request, number, _ABOUT_THE_DISK.get(number, ""))

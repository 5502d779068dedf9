"""What a process leaves to the program it becomes: session, terminal, streams, umask.

Small requests of the last steps before execve. Python's `os` has them all; here they go through
the door, since each changes what the program finds.
"""

from __future__ import annotations

import fcntl
import os

from kernelbox.kernel import flags as k
from kernelbox.kernel.door import Symbol, request


class _Mode(int):
    """Permissions, shown in octal."""

    def __str__(self) -> str:
        return f"{int(self):#o}"


def setsid() -> int:
    """Make the caller the leader of a new session, which has no terminal yet; return its id.

    Raises:
        KernelError: EPERM if it leads a process group already.

    Source: setsid(2); credentials(7), "Sessions".
    """

    def act() -> int:
        os.setsid()
        return os.getsid(0)

    return request("setsid", (), act, "setsid")


def set_controlling_terminal(terminal: int) -> None:
    """Make `terminal` the one whose Ctrl-C reaches the caller's session, which it leads.

    Raises:
        KernelError: EPERM if the terminal is another session's, or the session has one.

    Source: ioctl_tty(2), TIOCSCTTY.
    """
    request(
        "ioctl",
        (terminal, Symbol("TIOCSCTTY"), 0),
        lambda: fcntl.ioctl(terminal, k.TIOCSCTTY, 0),
        f"setsid --ctty ... </proc/self/fd/{terminal}",
    )


def dup2(fd: int, wanted: int) -> None:
    """Make `wanted` (0, 1 or 2) mean the same open file as `fd`, also across execve.

    Raises:
        KernelError: EBADF.

    Source: dup2(2).
    """
    request("dup2", (fd, wanted), lambda: os.dup2(fd, wanted), f"exec {wanted}>&{fd}")


def umask(mask: int) -> None:
    """Set which permissions new files of the caller are never given: 0o022 takes `w` from others.

    Source: umask(2).
    """
    request("umask", (_Mode(mask),), lambda: _Mode(os.umask(mask)), f"umask {mask:03o}")


def fchown(fd: int, uid: int, gid: int) -> None:
    """Give the file behind `fd` an owner and a group; -1 leaves either as it is.

    Raises:
        KernelError: EPERM without CAP_CHOWN; EINVAL if the user namespace maps no such id; EROFS.

    Source: fchown(2).
    """
    request(
        "fchown",
        (fd, uid, gid),
        lambda: os.fchown(fd, uid, gid),
        f"chown {'' if uid < 0 else uid}{'' if gid < 0 else f':{gid}'} /proc/self/fd/{fd}",
    )

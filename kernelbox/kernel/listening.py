"""Which system calls a filter asks its listener about, and the word to go on.

A filter may leave a call to another process (SECCOMP_RET_USER_NOTIF): the caller stands still until
the listener has answered. Here the answer is always to go on, so whoever listens only watches, and
nothing of it is recorded as a request.

A signal that comes to the caller before the listener has taken the call up ends it with EINTR,
where the handler was set without SA_RESTART. So a listener has to be there at once: it goes before
others (`be_first`), and the kernel wakes it without delay.

Source: seccomp_unotify(2); linux/seccomp.h.
"""

from __future__ import annotations

import errno
import fcntl
import os

from kernelbox.kernel.foreign import ctypes
from kernelbox.kernel.syscalls import raw
from kernelbox.plumbing.light import struct, suppress

_NR_PIDFD_GETFD = 438  # on all machines
_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND
_SET_FLAGS = 0x40082104  # SECCOMP_IOCTL_NOTIF_SET_FLAGS, since Linux 6.6
_SYNC_WAKE_UP = 1  # SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP: at once, and on the caller's processor
_CALL = struct.Struct("=QIIi60x")  # struct seccomp_notif: id, pid, flags; the call's number, more
_ANSWER = struct.Struct("=QqiI")  # struct seccomp_notif_resp: id, result, error, flags
_CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE, since Linux 5.5
_LISTENER = "anon_inode:seccomp notify"


def be_first() -> None:
    """Let the calling process run before every usual one, as soon as it has something to do.

    Without CAP_SYS_NICE, or in a control group of version 1 that has no time for such a process
    (EPERM), it waits for its turn.

    Source: sched(7), SCHED_FIFO.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def listener(pidfd: int, number: int) -> int | None:
    """Return a descriptor of one's own of another process's listener; None if it has none yet.

    Args:
        pidfd: Of the process.
        number: Of the descriptor that it has.

    Raises:
        ProcessLookupError: It has ended.
        OSError: EPERM without CAP_SYS_PTRACE over it.

    Source: pidfd_getfd(2).
    """
    try:
        fd = raw(_NR_PIDFD_GETFD, ctypes.c_int(pidfd), ctypes.c_int(number), ctypes.c_uint(0))
    except OSError as refusal:
        if refusal.errno == errno.EBADF:
            return None
        raise
    if os.readlink(f"/proc/self/fd/{fd}") == _LISTENER:
        with suppress(OSError):  # EINVAL: an older kernel
            fcntl.ioctl(fd, _SET_FLAGS, _SYNC_WAKE_UP)
        return fd
    os.close(fd)
    return None


def let_go_on(listener: int) -> int | None:
    """Let the next call be made; return its number, or None if its caller has gone meanwhile.

    Args:
        listener: Which can be read: else this waits.
    """
    call = bytearray(_CALL.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, call)
        which, _, _, number = _CALL.unpack(call)
        fcntl.ioctl(listener, _SEND, _ANSWER.pack(which, 0, 0, _CONTINUE))
    except OSError as refusal:
        if refusal.errno not in (errno.ENOENT, errno.EINPROGRESS):
            raise
        return None
    return int(number)

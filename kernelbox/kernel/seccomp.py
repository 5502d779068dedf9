"""Installing a filter of system calls: the one request that is there for it.

What a filter says is worked out in `kernelbox.seccomp`. From here on it is asked at every system
call of the process and of all its children, and nobody can take it off again.

Source: seccomp(2); linux/seccomp.h; linux/filter.h, `struct sock_fprog`.
"""

from __future__ import annotations

import errno
import os

from kernelbox.kernel import flags as k
from kernelbox.kernel.door import Structure, Symbol, request
from kernelbox.kernel.errors import KernelError
from kernelbox.kernel.foreign import ctypes
from kernelbox.kernel.syscalls import by_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SET_MODE_FILTER = 1
_BYTES_OF_AN_INSTRUCTION = 8


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def set_filter(
    program: bytes, flags: int = 0, listened: Callable[[int], object] | None = None
) -> None:
    """Install a filter on the calling process.

    Args:
        program: Its instructions, 8 bytes each.
        flags: SECCOMP_FILTER_FLAG_* bits.
        listened: If it asks a listener (SECCOMP_RET_USER_NOTIF): hears, just before, which
            descriptor of the caller's that will be. Afterwards the caller cannot say so any more.

    Raises:
        KernelError: EACCES without CAP_SYS_ADMIN in the user namespace, and without
            no_new_privs; EINVAL if the kernel does not take the instructions; ENOMEM if all
            filters of the process are too long together.

    Source: seccomp(2), SECCOMP_SET_MODE_FILTER; seccomp_unotify(2).
    """
    if listened is not None:
        flags |= k.SECCOMP_FILTER_FLAG_NEW_LISTENER
    code = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _BYTES_OF_AN_INSTRUCTION
    asked = _Program(count, ctypes.addressof(code))

    def act() -> int:
        if listened is not None:
            listened(_next_descriptor())
        return by_name("seccomp", _SET_MODE_FILTER, flags, ctypes.byref(asked))

    shown = k.Names("SECCOMP_FILTER_FLAG_", flags) if flags else 0
    try:
        request(
            "seccomp",
            (Symbol("SECCOMP_SET_MODE_FILTER"), shown, Structure(len=count)),
            act,
        )
    except KernelError as refusal:
        if refusal.errno in (errno.ENOSYS, errno.EINVAL):
            refusal.hint = (
                "Has this kernel filters (kernelbox doctor)? Without: --security-opt "
                "seccomp=unconfined"
            )
        raise


def _next_descriptor() -> int:
    """Return the number that the caller's next descriptor will have: the lowest that is free."""
    fd = os.dup(2)
    os.close(fd)
    return fd

"""Installing a filter of system calls: the one request that is there for it.

What a filter says is worked out in `kernelbox.seccomp`. From here on it is asked at every system
call of the process and of all its children, and nobody can take it off again.

Source: seccomp(2); linux/seccomp.h; linux/filter.h, `struct sock_fprog`.
"""

from __future__ import annotations

import ctypes
import errno

from kernelbox.kernel import flags as k
from kernelbox.kernel.door import Structure, Symbol, request
from kernelbox.kernel.errors import KernelError
from kernelbox.kernel.syscalls import by_name

_SET_MODE_FILTER = 1
_BYTES_OF_AN_INSTRUCTION = 8


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def set_filter(program: bytes, flags: int = 0) -> None:
    """Install a filter on the calling process.

    Args:
        program: Its instructions, 8 bytes each.
        flags: SECCOMP_FILTER_FLAG_* bits.

    Raises:
        KernelError: EACCES without CAP_SYS_ADMIN in the user namespace, and without
            no_new_privs; EINVAL if the kernel does not take the instructions; ENOMEM if all
            filters of the process are too long together.

    Source: seccomp(2), SECCOMP_SET_MODE_FILTER.
    """
    code = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _BYTES_OF_AN_INSTRUCTION
    asked = _Program(count, ctypes.addressof(code))
    shown = k.Names("SECCOMP_FILTER_FLAG_", flags) if flags else 0
    try:
        request(
            "seccomp",
            (Symbol("SECCOMP_SET_MODE_FILTER"), shown, Structure(len=count)),
            lambda: by_name("seccomp", _SET_MODE_FILTER, flags, ctypes.byref(asked)),
        )
    except KernelError as refusal:
        if refusal.errno in (errno.ENOSYS, errno.EINVAL):
            refusal.hint = (
                "Has this kernel filters (kernelbox doctor)? Without: --security-opt "
                "seccomp=unconfined"
            )
        raise

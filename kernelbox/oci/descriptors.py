"""Descriptors that the caller has open for a container's program, beside its streams.

Source: runc, `--preserve-fds`; sd_listen_fds(3).
"""

from __future__ import annotations

import os

from kernelbox.kernel.errors import UsageError

_FIRST = 3
_MOST = 1024


def listening() -> int:
    """Return how many sockets somebody listens at for the program: the first descriptors."""
    number = os.environ.get("LISTEN_FDS", "")
    ours = os.environ.get("LISTEN_PID") == str(os.getpid())
    return int(number) if ours and number.isdecimal() and len(number) < 4 else 0


def reserve(number: int) -> tuple[int, ...]:
    """Return which of the descriptors from 3 on are open.

    The others are taken, so that nothing of the runtime's own comes to lie there: it would be kept.

    Args:
        number: How many.

    Raises:
        UsageError: It is negative, or more than anybody has open.
    """
    if not 0 <= number <= _MOST:
        raise UsageError(
            f"--preserve-fds must be from 0 to {_MOST}", "It is how many descriptors are kept"
        )
    wanted = range(_FIRST, _FIRST + number)
    found = tuple(fd for fd in wanted if _is_open(fd))
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for fd in wanted:
        if fd not in found and fd != nothing:
            os.dup2(nothing, fd, inheritable=False)
    if nothing not in wanted:
        os.close(nothing)
    return found


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True

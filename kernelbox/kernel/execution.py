"""What holds for a process whatever program it becomes: limits, scheduling, personality.

All of it is inherited and survives execve(2), so it is set before, by the process itself.
"""

from __future__ import annotations

import errno
import os
import sys

from kernelbox.kernel import flags as k
from kernelbox.kernel.door import Structure, Symbol, request
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.kernel.foreign import ctypes
from kernelbox.kernel.syscalls import by_name, checked, is_permitted, libc
from kernelbox.plumbing.light import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PROCESSES = "RLIMIT_NPROC"
NO_LIMIT = 2**64 - 1  # RLIM64_INFINITY
_IOPRIO_WHO_PROCESS, _IOPRIO_CLASS_SHIFT = 1, 13
_SCHED_ATTR = struct.Struct("=IIQiIQQQ")  # SCHED_ATTR_SIZE_VER0


def set_limit(name: str, soft: int, hard: int) -> None:
    """Set how much the caller may use of one thing.

    Args:
        name: `RLIMIT_NOFILE` and its kin.
        soft: What counts; NO_LIMIT for any amount.
        hard: How far the soft one may be raised.

    Raises:
        KernelError: EPERM to raise a hard limit without CAP_SYS_RESOURCE, or RLIMIT_NOFILE beyond
            fs.nr_open; EINVAL for a soft limit above the hard one, or no such limit.

    Source: prlimit(2).
    """
    number = k.RLIMITS.get(name, len(k.RLIMITS))  # none of the kernel's has the latter
    limits = (ctypes.c_uint64 * 2)(soft, hard)
    shown = Structure(rlim_cur=_limit(soft), rlim_max=_limit(hard))
    same = ":".join("unlimited" if one == NO_LIMIT else str(one) for one in (soft, hard))
    try:
        request(
            "prlimit64",
            (0, Symbol(name), shown, None),
            lambda: checked(libc.setrlimit(ctypes.c_int(number), limits)),
            f"prlimit --pid $$ --{name.removeprefix('RLIMIT_').lower()}={same}",
        )
    except KernelError as refusal:
        if refusal.errno == errno.EPERM:
            refusal.hint = _why_not(hard_limit(number))
        raise


def set_limits(limits: Iterable[tuple[str, int, int]], *, bears: bool = False) -> None:
    """Set how much the caller may use of several things: see `set_limit`.

    Args:
        limits: Names, soft and hard limits.
        bears: Whether a child of the caller's is to be held by them. It sets how many processes its
            user may have itself: as long as it is born, there is one more.
    """
    for name, soft, hard in limits:
        if bears and name == PROCESSES:
            most = max(hard, hard_limit(k.RLIMITS[PROCESSES]))
            set_limit(name, most, most)
        else:
            set_limit(name, soft, hard)


def check_limit(name: str, hard: int) -> None:
    """Refuse a limit that no heir of the caller could set for want of privilege.

    Raises:
        UsageError: The caller's own is lower, and it lacks CAP_SYS_RESOURCE; or no such limit.
    """
    number = k.RLIMITS.get(name)
    if number is None:
        raise UsageError(f"no resource limit {name!r:.40}", "getrlimit(2) lists them")
    most = hard_limit(number)
    if hard > most and not is_permitted(k.CAP_SYS_RESOURCE):
        raise UsageError(f"{name} {_limit(hard)}: operation not permitted", _why_not(most))


def hard_limit(number: int) -> int:
    """Return how far the caller may raise one of its limits. Looking is not recorded.

    Source: getrlimit(2).
    """
    limits = (ctypes.c_uint64 * 2)()
    checked(libc.getrlimit(ctypes.c_int(number), limits))
    return limits[1]


def _why_not(most: int) -> str:
    return f"The hard limit here is {_limit(most)}, and only CAP_SYS_RESOURCE may raise it"


def _limit(number: int) -> Symbol:
    return Symbol("RLIM64_INFINITY" if number == NO_LIMIT else number)


def set_scheduler(
    policy: int, nice: int, priority: int, flags: int, runtime: int, deadline: int, period: int
) -> None:
    """Set how the caller gets its turn on a processor.

    Args:
        policy: SCHED_*.
        nice: From -20 to 19, for SCHED_OTHER and SCHED_BATCH.
        priority: From 1 to 99, for SCHED_FIFO and SCHED_RR.
        flags: SCHED_FLAG_* bits.
        runtime: Nanoseconds of each period, for SCHED_DEADLINE.
        deadline: Likewise, within which it has to have them.
        period: Likewise, after which it begins anew.

    Raises:
        KernelError: EPERM without CAP_SYS_NICE; EINVAL.

    Source: sched_setattr(2).
    """
    size = _SCHED_ATTR.size
    attributes = _SCHED_ATTR.pack(size, policy, flags, nice, priority, runtime, deadline, period)
    buffer = ctypes.create_string_buffer(attributes, size)
    shown = Structure(
        size=size, sched_policy=policy, sched_flags=flags, sched_nice=nice, sched_priority=priority,
        sched_runtime=runtime, sched_deadline=deadline, sched_period=period,
    )  # fmt: skip
    request("sched_setattr", (0, shown, 0), lambda: by_name("sched_setattr", 0, buffer, 0))


def set_affinity(cpus: Iterable[int]) -> None:
    """Let the caller run on these processors only.

    Raises:
        KernelError: EINVAL if its control group has none of them.

    Source: sched_setaffinity(2).
    """
    chosen = sorted(cpus)
    request("sched_setaffinity", (0, chosen), lambda: os.sched_setaffinity(0, chosen))


def set_memory_policy(mode: int, nodes: Iterable[int], flags: int) -> None:
    """Choose which of the machine's memories the caller's pages come from.

    Args:
        mode: MPOL_*.
        nodes: Numbers of NUMA nodes.
        flags: MPOL_F_* bits.

    Raises:
        KernelError: EINVAL for nodes that the mode does not take, or that there are none of;
            ENOSYS for a kernel without NUMA.

    Source: set_mempolicy(2); numa(7).
    """
    chosen = sorted(nodes)
    size = max(chosen, default=0) + 2  # the kernel looks at one bit less than it is told
    mask = sum(1 << one for one in chosen).to_bytes((size + 63) // 64 * 8, sys.byteorder)
    shown = Symbol(f"{mode:#x}|{flags:#x}") if flags else mode
    request(
        "set_mempolicy",
        (shown, chosen, size),
        lambda: by_name("set_mempolicy", mode | flags, mask, size),
    )


def set_io_priority(kind: int, level: int) -> None:
    """Set how soon the disk serves what the caller asks of it.

    Args:
        kind: 1 for real time, 2 for best effort, 3 for when nobody else asks.
        level: From 0, the first, to 7.

    Raises:
        KernelError: EPERM for real time without CAP_SYS_ADMIN or CAP_SYS_NICE; EINVAL.

    Source: ioprio_set(2).
    """
    value = kind << _IOPRIO_CLASS_SHIFT | level
    request(
        "ioprio_set",
        (Symbol("IOPRIO_WHO_PROCESS"), 0, Symbol(f"IOPRIO_PRIO_VALUE({kind}, {level})")),
        lambda: by_name("ioprio_set", _IOPRIO_WHO_PROCESS, 0, value),
        f"ionice -c {kind} -n {level}",
    )


def set_personality(domain: int) -> None:
    """Choose which machine `uname` tells of: 0 for this one, 8 for its 32-bit relative.

    Raises:
        KernelError: EINVAL.

    Source: personality(2).
    """
    request(
        "personality",
        (Symbol(f"{domain:#x}"),),
        lambda: checked(libc.personality(ctypes.c_ulong(domain))),
        "setarch ...",
    )

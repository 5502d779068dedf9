"""Which values a limit may have, checked before anything is made: Docker's rules and wording.

Everywhere 0 and -1 mean "no limit", as they do for Docker. Reading `64m` off a command line is not
done here: these functions take numbers and return what cgroup v2's files are given.
"""

from __future__ import annotations

import os

from kernelbox.kernel.errors import UsageError

MIN_MEMORY = 6 << 20  # Docker's floor: with less, the container's init does not get to its feet
MAX_MEMORY = 1 << 63
MIN_QUOTA = 1000
PERIODS = (1000, 1_000_000)
DEFAULT_PERIOD = 100_000
SHARES = (2, 262_144)
WEIGHTS = (10, 1000)
MAX_RATE = 1 << 64
MAX_PIDS = 4 << 20  # the kernel's PID_MAX_LIMIT


def memory_max(size: int) -> str:
    """Return what to write to `memory.max` for `size` bytes.

    Raises:
        UsageError: Below 6 MiB, or more than the kernel can count.

    Source: Docker, `docker run --memory`.
    """
    if size in (0, -1):
        return "max"
    if size < MIN_MEMORY:
        raise UsageError("Minimum memory limit allowed is 6MB", "Ask for more, for example 64m")
    return str(_countable(size))


def _countable(size: int) -> int:
    if size >= MAX_MEMORY:
        raise UsageError(
            f"A memory limit of {size} bytes is more than any machine has",
            "Leave the option out for no limit",
        )
    return size


def swap_max(size: int, together: int) -> str:
    """Return what to write to `memory.swap.max`, where memory is limited to `size` bytes.

    Args:
        size: Of memory alone; 0 and -1 for no limit.
        together: Of memory and swap; 0 for twice the memory, -1 for as much swap as there is.

    Raises:
        UsageError: Less than the memory alone, or without a limit of that.

    Source: Docker, `docker run --memory-swap`; runc, ConvertMemorySwapToCgroupV2Value.
    """
    if together == -1 or (together == 0 and size in (0, -1)):
        return "max"
    if together == 0:
        return str(size)
    if size in (0, -1):
        raise UsageError(
            "You should always set the Memory limit when using Memoryswap limit",
            "It is memory and swap together: give --memory, too",
        )
    if together < size:
        raise UsageError(
            "Minimum memoryswap limit should be larger than memory limit",
            "It is memory and swap together: the same for no swap, -1 for any amount",
        )
    return str(_countable(together) - size)


def memory_low(reservation: int, limit: int) -> str:
    """Return what to write to `memory.low` for a reservation of that many bytes.

    Args:
        reservation: 0 and -1 for none.
        limit: Of memory; 0 and -1 for none.

    Raises:
        UsageError: Below 6 MiB, or more than the limit.

    Source: Docker, `docker run --memory-reservation`.
    """
    if reservation in (0, -1):
        return "0"
    if reservation < MIN_MEMORY:
        raise UsageError("Minimum memory reservation allowed is 6MB", "Ask for more, like 64m")
    if 0 < limit < reservation:
        raise UsageError(
            "Minimum memory limit can not be less than memory reservation limit",
            "Reserve less than --memory",
        )
    return str(_countable(reservation))


def cpu_quota(cpus: float) -> tuple[int, int]:
    """Return quota and period in microseconds that amount to `cpus` CPUs.

    Raises:
        UsageError: Negative, or more CPUs than this host has.

    Source: Docker, `docker run --cpus`.
    """
    if cpus == 0:
        return -1, DEFAULT_PERIOD
    available = len(os.sched_getaffinity(0))
    if not MIN_QUOTA / DEFAULT_PERIOD <= cpus <= available:  # not a number (NaN) fails this too
        raise UsageError(
            f"Range of CPUs is from 0.01 to {available}.00, "
            f"as there are only {available} CPUs available",
            "Leave the option out for no limit",
        )
    return round(cpus * DEFAULT_PERIOD), DEFAULT_PERIOD


def cpu_max(quota_us: int, period_us: int) -> str:
    """Return what to write to `cpu.max`: `quota_us` of CPU time in every `period_us`.

    Raises:
        UsageError: A quota below 1 ms; a period outside 1 ms to 1 s.

    Source: cgroup-v2.rst, cpu.max; Docker, `docker run --cpu-quota --cpu-period`.
    """
    if not PERIODS[0] <= period_us <= PERIODS[1]:
        raise UsageError(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
            f"The usual period is {DEFAULT_PERIOD}",
        )
    if quota_us in (0, -1):
        return f"max {period_us}"
    if quota_us < MIN_QUOTA:
        raise UsageError("CPU cfs quota can not be less than 1ms (i.e. 1000)", "Ask for more")
    return f"{quota_us} {period_us}"


def cpu_shares(shares: int) -> int:
    """Return `shares` if it is a weight the kernel knows: 2 to 262144, 1024 being usual.

    Raises:
        UsageError: Outside that range.

    Source: Docker, `docker run --cpu-shares`.
    """
    if not SHARES[0] <= shares <= SHARES[1]:
        raise UsageError(
            f"CPU shares range from {SHARES[0]} to {SHARES[1]}, not {shares}",
            "1024 is what a container has without the option",
        )
    return shares


def cpu_weight(shares: int) -> int:
    """Return the `cpu.weight` (1 to 10000) that stands for Docker's `shares` (2 to 262144).

    The exponent is the quadratic through (2, 1), (1024, 100) and (262144, 10000): lowest, usual
    and highest value of one scale meet those of the other.

    Raises:
        UsageError: As `cpu_shares`.

    Source: opencontainers/cgroups, ConvertCPUSharesToCgroupV2Value (runc from 1.3.2, crun 1.23).
    """
    import math  # a shared object; only a container with a weight pays for it

    bits = math.log2(cpu_shares(shares))
    exponent = (bits * bits + 125 * bits) / 612 - 7 / 34
    return math.ceil(10**exponent)


def shares_of(weight: int) -> int:
    """Return the fewest shares whose `cpu_weight` is `weight` or more: the way back."""
    low, high = SHARES
    while low < high:
        middle = (low + high) // 2
        if cpu_weight(middle) < weight:
            low = middle + 1
        else:
            high = middle
    return low


def io_weight(weight: int) -> int:
    """Return the `io.weight` (1 to 10000) that stands for Docker's `weight` (10 to 1000).

    Raises:
        UsageError: Outside that range.

    Source: Docker, `docker run --blkio-weight`; runc, ConvertBlkIOToIOWeightValue.
    """
    return 1 + (bfq_weight(weight) - 10) * 9999 // 990


def bfq_weight(weight: int) -> int:
    """Return `weight` if it is one that Docker knows, 10 to 1000: BFQ's own go from 1 to 1000.

    Raises:
        UsageError: Outside that range.
    """
    if not WEIGHTS[0] <= weight <= WEIGHTS[1]:
        raise UsageError(
            f"Range of blkio weight is from {WEIGHTS[0]} to {WEIGHTS[1]}, not {weight}",
            "100 is what a group has without the option",
        )
    return weight


def rate(number: int) -> str:
    """Return what `io.max` is given for at most `number` bytes or requests a second; 0 for no end.

    Raises:
        UsageError: More than the kernel can count.

    Source: cgroup-v2.rst, io.max.
    """
    if number >= MAX_RATE:
        raise UsageError(f"A rate of {number} is more than any disk has", "Leave it out for none")
    return str(number) if number else "max"


def oom_score_adj(number: int) -> int:
    """Return `number` if it is one the kernel adds to how much a process deserves an OOM kill.

    Raises:
        UsageError: Outside of -1000 to 1000.

    Source: proc(5), /proc/PID/oom_score_adj; Docker, `docker run --oom-score-adj`.
    """
    if not -1000 <= number <= 1000:
        raise UsageError(
            f"Invalid value {number}, range for oom score adj is [-1000, 1000]",
            "0 is usual, 1000 is killed first",
        )
    return number


def pids_max(number: int) -> str:
    """Return what to write to `pids.max` for at most `number` processes and threads.

    Raises:
        UsageError: Negative (but for -1), or more than the kernel has pids.

    Source: cgroup-v2.rst, pids.max; Docker, `docker run --pids-limit`.
    """
    if number in (0, -1):
        return "max"
    if not 0 < number <= MAX_PIDS:
        raise UsageError(
            f"A limit of {number} processes cannot be kept: it ranges from 1 to {MAX_PIDS}",
            "-1 means no limit",
        )
    return str(number)

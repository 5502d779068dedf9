"""cgroup v2's files in the words of cgroup v1: the table, and what v1 has no word for.

Each row turns a write to a v2 file into the writes that mean the same in v1, in an order that v1
accepts; v1.py makes them. `read` gives the present text of a v1 file of the same group, "" where
there is none: v1 counts memory and swap together, so neither limit can be set blindly.
"""

from __future__ import annotations

import errno

from kernelbox.kernel.door import spell
from kernelbox.kernel.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[str], str]
    Writes = list[tuple[str, str]]
    Row = Callable[[str, Reader], Writes]

NO_SWAP = "This host does not count swap; boot with swapaccount=1"
UNLIMITED = 1 << 62  # a v1 limit nobody set shows the bytes of all pages below 2**63


def _memory_max(value: str, read: Reader) -> Writes:
    writes = [("memory.limit_in_bytes", _or_minus_one(value))]
    together = read("memory.memsw.limit_in_bytes")
    if together and int(together) < min(_bytes(value), UNLIMITED):
        # v1 refuses a memory limit above that of memory and swap together: lift that one first.
        writes.insert(0, ("memory.memsw.limit_in_bytes", "-1"))
    return writes


def _memory_swap_max(value: str, read: Reader) -> Writes:
    if not read("memory.memsw.limit_in_bytes"):
        raise KernelError(spell("write", ("memory.swap.max", value)), errno.ENOENT, NO_SWAP)
    if value == "max":
        return [("memory.memsw.limit_in_bytes", "-1")]
    together = int(read("memory.limit_in_bytes")) + _bytes(value)
    return [("memory.memsw.limit_in_bytes", str(together))]


def _cpu_max(value: str, read: Reader) -> Writes:
    quota, _, period = value.partition(" ")
    if quota.startswith("-"):
        raise ValueError(quota)  # v1 would take any negative number for no limit
    writes = [("cpu.cfs_period_us", period)] if period else []
    writes.append(("cpu.cfs_quota_us", _or_minus_one(quota)))
    if len(writes) == 2 and int(period) < int(read("cpu.cfs_period_us") or 0):
        # Its share must not exceed that of the group it is in, not even between the two writes.
        writes.reverse()
    return writes


def _cpu_weight(value: str, read: Reader) -> Writes:
    # What the scheduler itself makes of a weight: kernel/sched, sched_weight_from_cgroup().
    return [("cpu.shares", str(round(int(value) * 1024 / 100)))]


def _cgroup_freeze(value: str, read: Reader) -> Writes:
    return [("freezer.state", {"1": "FROZEN", "0": "THAWED"}[value])]


IO_FILES = {
    "rbps": "blkio.throttle.read_bps_device",
    "wbps": "blkio.throttle.write_bps_device",
    "riops": "blkio.throttle.read_iops_device",
    "wiops": "blkio.throttle.write_iops_device",
}


def _io_max(value: str, read: Reader) -> Writes:
    device, *limits = value.split()
    pairs = [limit.split("=") for limit in limits]
    return [(IO_FILES[key], f"{device} {0 if most == 'max' else most}") for key, most in pairs]


def _io_weight(value: str, read: Reader) -> Writes:
    # BFQ knows 1 to 1000; without it, CFQ's file of old kernels.
    file = "blkio.bfq.weight" if read("blkio.bfq.weight") else "blkio.weight"
    return [(file, str(int(value)))]


def _same(v1_file: str) -> Row:
    return lambda value, read: [(v1_file, value)]


_TABLE: dict[str, Row] = {
    "memory.max": _memory_max,
    "memory.swap.max": _memory_swap_max,
    "cpu.max": _cpu_max,
    "cpu.max.burst": _same("cpu.cfs_burst_us"),
    "cpu.weight": _cpu_weight,
    "cpu.shares": _same("cpu.shares"),  # v1's own, for Docker's option of the same name
    "cpu.idle": _same("cpu.idle"),
    "cpuset.cpus": _same("cpuset.cpus"),
    "cpuset.mems": _same("cpuset.mems"),
    "memory.soft_limit_in_bytes": _same("memory.soft_limit_in_bytes"),  # v1's own, likewise
    "pids.max": _same("pids.max"),
    "io.max": _io_max,
    "io.bfq.weight": _io_weight,
    "cgroup.freeze": _cgroup_freeze,
}

# Files of v1 that count only what happens in the very group, and not what does in those below it.
LOCAL = ("memory.oom_control", "pids.events")

_NO_WORD_FOR = {
    "memory.high": "cgroup v1 has no limit that slows a group down: only memory.max",
    "memory.low": "cgroup v1 cannot protect a group's memory",
    "memory.min": "cgroup v1 cannot protect a group's memory",
    "memory.oom.group": "In cgroup v1 the OOM killer ends one process, never the whole group",
    "memory.reclaim": "cgroup v1 cannot reclaim a given amount of memory",
    "cgroup.kill": "cgroup v1 has no such file: freeze, signal each process, thaw",
    "cgroup.procs": "In cgroup v1 a process is moved once per hierarchy",
    "cgroup.subtree_control": "In cgroup v1 each controller is a hierarchy: nothing is passed down",
}


def why_not(file: str) -> str:
    """Return why v1 has no counterpart of v2's `file`; empty if it has."""
    if file in _TABLE:
        return ""
    if file.endswith(".pressure"):
        return "cgroup v1 keeps no pressure (PSI) per group"
    return _NO_WORD_FOR.get(file, f"cgroup v1 has no counterpart of {file}")


def controller(file: str) -> str:
    """Return the v1 controller that does the work of v2's `file`."""
    first = file.partition(".")[0]
    return {"io": "blkio", "cgroup": "freezer"}.get(first, first)


def translate(file: str, value: str, read: Reader) -> Writes:
    """Return the writes `(v1 file, text)` that mean `value` written to v2's `file`.

    Raises:
        KernelError: EINVAL if `value` is not of the file's kind.

    Source: `Documentation/admin-guide/cgroup-v1/`; cgroup-v2.rst, "Issues with v1".
    """
    try:
        return _TABLE[file](value.strip(), read)
    except (ValueError, KeyError):
        hint = f"{value!r} is not a value for {file}"
        raise KernelError(spell("write", (file, value)), errno.EINVAL, hint) from None


def _or_minus_one(value: str) -> str:
    return "-1" if value == "max" else value


def _bytes(value: str) -> int:
    """Read a size as the kernel does, `64M` or `max`. Source: memparse() in the kernel."""
    if value == "max":
        return UNLIMITED
    shift = {"K": 10, "M": 20, "G": 30, "T": 40}.get(value[-1:].upper())
    return int(value[:-1]) << shift if shift else int(value)

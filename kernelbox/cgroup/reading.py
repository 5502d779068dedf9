"""What cgroup v2's files would say, from those of cgroup v1: translation.py the other way round.

`read` gives the present text of a v1 file of a group, "" where there is none.
"""

from __future__ import annotations

from kernelbox.cgroup.translation import IO_FILES, UNLIMITED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[str], str]


def _limit(v1_file: str) -> Callable[[Reader], str]:
    def text(read: Reader) -> str:
        found = read(v1_file).strip()
        return "max" if found and int(found) >= UNLIMITED else found

    return text


def _swap_max(read: Reader) -> str:
    together = _limit("memory.memsw.limit_in_bytes")(read)
    alone = read("memory.limit_in_bytes").strip()
    if together in ("", "max") or not alone:
        return together
    return str(int(together) - int(alone))


def _cpu_max(read: Reader) -> str:
    quota, period = read("cpu.cfs_quota_us").strip(), read("cpu.cfs_period_us").strip()
    if not (quota and period):  # no controller; or the group has just gone
        return ""
    return f"{'max' if quota == '-1' else quota} {period}"


def _cpu_weight(read: Reader) -> str:
    shares = read("cpu.shares").strip()
    return shares and str(max(1, round(int(shares) * 100 / 1024)))


def _io_max(read: Reader) -> str:
    devices: dict[str, dict[str, str]] = {}
    for key, v1_file in IO_FILES.items():
        for line in read(v1_file).splitlines():
            device, most = line.split()
            devices.setdefault(device, {})[key] = most
    return "\n".join(
        " ".join([device, *(f"{key}={most.get(key, 'max')}" for key in IO_FILES)])
        for device, most in devices.items()
    )


def _cpu_stat(read: Reader) -> str:
    told = [f"usage_usec {int(used) // 1000}"] if (used := read("cpuacct.usage").strip()) else []
    for line in read("cpu.stat").splitlines():
        name, number = line.split()
        told.append(f"throttled_usec {int(number) // 1000}" if name == "throttled_time" else line)
    return "\n".join(told)


def _io_weight(read: Reader) -> str:
    return (read("blkio.bfq.weight") or read("blkio.weight")).strip()


def _same(v1_file: str) -> Callable[[Reader], str]:
    return lambda read: read(v1_file).strip()


_TABLE: dict[str, Callable[[Reader], str]] = {
    "memory.max": _limit("memory.limit_in_bytes"),
    "memory.swap.max": _swap_max,
    "memory.current": _same("memory.usage_in_bytes"),
    "memory.peak": _same("memory.max_usage_in_bytes"),
    "cpu.max": _cpu_max,
    "cpu.max.burst": _same("cpu.cfs_burst_us"),
    "cpu.stat": _cpu_stat,
    "cpu.weight": _cpu_weight,
    "cpuset.cpus.effective": _same("cpuset.effective_cpus"),
    "cpuset.mems.effective": _same("cpuset.effective_mems"),
    "io.max": _io_max,
    "io.bfq.weight": _io_weight,
    "cgroup.freeze": _same("freezer.self_freezing"),
}
# These are called the same: in v1, or by both.
_SAME = ("cpu.idle", "cpu.shares", "cpuset.cpus", "cpuset.mems", "memory.soft_limit_in_bytes",
         "pids.current", "pids.max")  # fmt: skip


def text(file: str, read: Reader) -> str:
    """Return what v2's `file` would say of a v1 group, without the newline; empty if nothing.

    Source: `Documentation/admin-guide/cgroup-v1/`; cgroup-v2.rst.
    """
    if file in _SAME:
        return read(file).strip()
    return _TABLE[file](read) if file in _TABLE else ""

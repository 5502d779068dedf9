"""What cgroup v2's files would say, from those of cgroup v1: translation.py the other way round.

A row makes the text of one v2 file out of the v1 files of the same group. `read` gives the present
text of such a file, "" where there is none. Fields that v1 does not count are left out.
"""

from __future__ import annotations

from kernelbox.cgroup.translation import IO_FILES, UNLIMITED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.cgroup.translation import Reader

    Row = Callable[[Reader], str]


def _same(v1_file: str) -> Row:
    return lambda read: read(v1_file).rstrip("\n")


def _limit(v1_file: str) -> Row:
    def text(read: Reader) -> str:
        found = read(v1_file).strip()
        return "max" if found.isdigit() and int(found) >= UNLIMITED else found

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


def _io_stat(read: Reader) -> str:
    devices: dict[str, list[str]] = {}
    for file, unit in (("service_bytes", "bytes"), ("serviced", "ios")):
        # Lines such as `8:0 Read 90112`; Sync, Async and Total count the same once more.
        for line in read(f"blkio.throttle.io_{file}_recursive").splitlines():
            device, kind, *number = line.split()
            if kind in ("Read", "Write", "Discard"):
                devices.setdefault(device, []).append(f"{kind[0].lower()}{unit}={number[0]}")
    return "\n".join(" ".join([device, *found]) for device, found in devices.items())


def _io_weight(read: Reader) -> str:
    return (read("blkio.bfq.weight") or read("blkio.weight")).strip()


def _lines(*fields: tuple[str, str, str, int]) -> Row:
    """Return a row for a file of lines `name number`.

    Args:
        fields: v2's name; v1's file, and its name there (none: the file is one number); how many
            of v1's units are one of v2's.
    """

    def text(read: Reader) -> str:
        found = [(name, _number(read(file), word), unit) for name, file, word, unit in fields]
        return "\n".join(f"{name} {int(told) // unit}" for name, told, unit in found if told)

    return text


def _number(text: str, word: str) -> str:
    """Return the number that stands after `word` in its line; without a word, all that is there."""
    if not word:
        return text.strip()
    lines = (line.split() for line in text.splitlines())
    return next((line[1] for line in lines if line[0] == word), "")


TABLE: dict[str, Row] = {
    "memory.max": _limit("memory.limit_in_bytes"),
    "memory.swap.max": _swap_max,
    "memory.soft_limit_in_bytes": _same("memory.soft_limit_in_bytes"),  # v1's own
    "memory.current": _same("memory.usage_in_bytes"),
    "memory.peak": _same("memory.max_usage_in_bytes"),
    "memory.stat": _lines(
        ("anon", "memory.stat", "total_rss", 1),
        ("file", "memory.stat", "total_cache", 1),
        ("shmem", "memory.stat", "total_shmem", 1),
        ("inactive_anon", "memory.stat", "total_inactive_anon", 1),
        ("active_anon", "memory.stat", "total_active_anon", 1),
        ("inactive_file", "memory.stat", "total_inactive_file", 1),
        ("active_file", "memory.stat", "total_active_file", 1),
        ("unevictable", "memory.stat", "total_unevictable", 1),
    ),
    "memory.events": _lines(
        ("max", "memory.failcnt", "", 1),
        ("oom_kill", "memory.oom_control", "oom_kill", 1),
    ),
    "cpu.max": _cpu_max,
    "cpu.max.burst": _same("cpu.cfs_burst_us"),
    "cpu.weight": _cpu_weight,
    "cpu.shares": _same("cpu.shares"),  # v1's own
    "cpu.idle": _same("cpu.idle"),
    "cpu.stat": _lines(
        ("usage_usec", "cpuacct.usage", "", 1000),
        ("user_usec", "cpuacct.usage_user", "", 1000),
        ("system_usec", "cpuacct.usage_sys", "", 1000),
        ("nr_periods", "cpu.stat", "nr_periods", 1),
        ("nr_throttled", "cpu.stat", "nr_throttled", 1),
        ("throttled_usec", "cpu.stat", "throttled_time", 1000),
        ("nr_bursts", "cpu.stat", "nr_bursts", 1),
        ("burst_usec", "cpu.stat", "burst_time", 1000),
    ),
    "cpuset.cpus": _same("cpuset.cpus"),
    "cpuset.cpus.effective": _same("cpuset.effective_cpus"),
    "cpuset.mems": _same("cpuset.mems"),
    "cpuset.mems.effective": _same("cpuset.effective_mems"),
    "io.max": _io_max,
    "io.stat": _io_stat,
    "io.bfq.weight": _io_weight,
    "pids.max": _same("pids.max"),
    "pids.current": _same("pids.current"),
    "pids.events": _lines(("max", "pids.events", "max", 1)),
    "cgroup.freeze": _same("freezer.self_freezing"),
}


def text(file: str, read: Reader) -> str:
    """Return what v2's `file` would say of a v1 group, without the newline; empty if nothing.

    Source: `Documentation/admin-guide/cgroup-v1/`; cgroup-v2.rst.
    """
    return TABLE[file](read) if file in TABLE else ""

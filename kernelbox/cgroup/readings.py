"""What cgroup v2's files would say of a group in v1: the other direction of translation.py.

A row makes the text of one v2 file out of the v1 files of the same group. `read` gives the text of
such a file, "" where there is none. Fields that v1 does not count are left out.
"""

from __future__ import annotations

from kernelbox.cgroup.translation import UNLIMITED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.cgroup.translation import Reader

    Row = Callable[[Reader], str]


def _cpu_max(read: Reader) -> str:
    quota = read("cpu.cfs_quota_us").strip()
    return f"{'max' if quota == '-1' else quota} {read('cpu.cfs_period_us').strip()}"


def _cpu_weight(read: Reader) -> str:
    return str(max(round(int(read("cpu.shares")) * 100 / 1024), 1))


# Of cpu.stat: v2's name, v1's file and name (none: the file is one number), v1's unit in v2's.
_CPU_STAT = (
    ("usage_usec", "cpuacct.usage", "", 1000),
    ("user_usec", "cpuacct.usage_user", "", 1000),
    ("system_usec", "cpuacct.usage_sys", "", 1000),
    ("nr_periods", "cpu.stat", "nr_periods", 1),
    ("nr_throttled", "cpu.stat", "nr_throttled", 1),
    ("throttled_usec", "cpu.stat", "throttled_time", 1000),
    ("nr_bursts", "cpu.stat", "nr_bursts", 1),
    ("burst_usec", "cpu.stat", "burst_time", 1000),
)
_MEMORY_STAT = (
    ("anon", "memory.stat", "total_rss", 1),
    ("file", "memory.stat", "total_cache", 1),
    ("shmem", "memory.stat", "total_shmem", 1),
    ("inactive_anon", "memory.stat", "total_inactive_anon", 1),
    ("active_anon", "memory.stat", "total_active_anon", 1),
    ("inactive_file", "memory.stat", "total_inactive_file", 1),
    ("active_file", "memory.stat", "total_active_file", 1),
    ("unevictable", "memory.stat", "total_unevictable", 1),
)
_MEMORY_EVENTS = (
    ("max", "memory.failcnt", "", 1),
    ("oom_kill", "memory.oom_control", "oom_kill", 1),
)
_PIDS_EVENTS = (("max", "pids.events", "max", 1),)


def _lines(fields: tuple[tuple[str, str, str, int], ...]) -> Row:
    """Return a row for a file of lines `name number`."""

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


def _most(file: str) -> Row:
    def text(read: Reader) -> str:
        found = read(file).strip()
        return "max" if found.isdigit() and int(found) > UNLIMITED else found

    return text


def _same(file: str) -> Row:
    return lambda read: read(file).rstrip("\n")


TABLE: dict[str, Row] = {
    "cpu.max": _cpu_max,
    "cpu.max.burst": _same("cpu.cfs_burst_us"),
    "cpu.weight": _cpu_weight,
    "cpu.idle": _same("cpu.idle"),
    "cpu.stat": _lines(_CPU_STAT),
    "cpuset.cpus": _same("cpuset.cpus"),
    "cpuset.cpus.effective": _same("cpuset.effective_cpus"),
    "cpuset.mems": _same("cpuset.mems"),
    "memory.max": _most("memory.limit_in_bytes"),
    "memory.current": _same("memory.usage_in_bytes"),
    "memory.peak": _same("memory.max_usage_in_bytes"),
    "memory.stat": _lines(_MEMORY_STAT),
    "memory.events": _lines(_MEMORY_EVENTS),
    "pids.max": _same("pids.max"),
    "pids.current": _same("pids.current"),
    "pids.events": _lines(_PIDS_EVENTS),
    "cgroup.freeze": _same("freezer.self_freezing"),
}

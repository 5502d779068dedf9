"""What a group has used, as numbers: the same fields from cgroup v2's counters and from v1's."""

from __future__ import annotations

import os

from kernelbox.cgroup import tree
from kernelbox.cgroup.translation import UNLIMITED
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Stats(NamedTuple):
    """The counters of a group and what is below it; None where the host does not keep one.

    Attributes:
        cpu_usec: CPU time used, over all CPUs.
        nr_periods: Periods of `cpu.max` in which the group wanted to run.
        nr_throttled: Those in which it had to wait for the next.
        throttled_usec: How long it waited in all.
        memory_current: Bytes in use, page cache included.
        memory_peak: The most that ever were.
        memory_limit: `memory.max` in bytes; None if there is no limit.
        memory_cache: Bytes of page cache that can go (inactive_file); Docker shows memory without.
        oom_kill: Processes ended by the OOM killer.
        pids_current: Processes and threads.
        pids_limit: `pids.max`; None if there is no limit.
        pids_max_events: How often a fork was refused because of it.
        io_read_bytes: Read from block devices.
        io_write_bytes: Written to block devices.
    """

    cpu_usec: int | None
    nr_periods: int | None
    nr_throttled: int | None
    throttled_usec: int | None
    memory_current: int | None
    memory_peak: int | None
    memory_limit: int | None
    memory_cache: int | None
    oom_kill: int | None
    pids_current: int | None
    pids_limit: int | None
    pids_max_events: int | None
    io_read_bytes: int | None
    io_write_bytes: int | None


def version_2(directory: str) -> Stats:
    """Return the counters of the v2 group `directory`.

    Source: cgroup-v2.rst, "Controllers".
    """

    def text(file: str) -> str | None:
        path = f"{directory}/{file}"
        return tree.read(path) if os.path.exists(path) else None

    return of_version_2(text)


def of_version_2(find: Callable[[str], str | None]) -> Stats:
    """Return the counters of a v2 group.

    Args:
        find: Gives the text of one of its files; None if there is none.
    """

    def text(file: str) -> str:
        return find(file) or ""

    cpu = _table(text("cpu.stat"))
    io = find("io.stat")  # before the first read or write it is there, but empty: that is 0
    return Stats(
        cpu_usec=cpu.get("usage_usec"),
        nr_periods=cpu.get("nr_periods"),
        nr_throttled=cpu.get("nr_throttled"),
        throttled_usec=cpu.get("throttled_usec"),
        memory_current=_number(text("memory.current")),
        memory_peak=_number(text("memory.peak")),
        memory_limit=_number(text("memory.max")),
        memory_cache=_table(text("memory.stat")).get("inactive_file"),
        oom_kill=_table(text("memory.events")).get("oom_kill"),
        pids_current=_number(text("pids.current")),
        pids_limit=_number(text("pids.max")),
        pids_max_events=_table(text("pids.events")).get("max"),
        io_read_bytes=_sum_v2(io, "rbytes="),
        io_write_bytes=_sum_v2(io, "wbytes="),
    )


def version_1(text: Callable[[str], str]) -> Stats:
    """Return the counters of a v1 group.

    Args:
        text: Gives the text of one of its files, in whichever hierarchy; "" if there is none.

    Source: `Documentation/admin-guide/cgroup-v1/`: cpuacct, memory, pids, blkio-controller;
    `Documentation/scheduler/sched-bwc.rst`.
    """
    cpu = _table(text("cpu.stat"))
    limit = _number(text("memory.limit_in_bytes"))
    io = text("blkio.throttle.io_service_bytes_recursive") or None
    return Stats(
        cpu_usec=_microseconds(_number(text("cpuacct.usage"))),
        nr_periods=cpu.get("nr_periods"),
        nr_throttled=cpu.get("nr_throttled"),
        throttled_usec=_microseconds(cpu.get("throttled_time")),
        memory_current=_number(text("memory.usage_in_bytes")),
        memory_peak=_number(text("memory.max_usage_in_bytes")),
        memory_limit=None if limit is None or limit > UNLIMITED else limit,
        memory_cache=_table(text("memory.stat")).get("total_inactive_file"),
        oom_kill=_table(text("memory.oom_control")).get("oom_kill"),
        pids_current=_number(text("pids.current")),
        pids_limit=_number(text("pids.max")),
        pids_max_events=_table(text("pids.events")).get("max"),
        io_read_bytes=_sum_v1(io, "Read"),
        io_write_bytes=_sum_v1(io, "Write"),
    )


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None


def _table(text: str) -> dict[str, int]:
    """Read lines of `name number`."""
    pairs = (line.split() for line in text.splitlines())
    return {name: int(number) for name, number in pairs}


def _microseconds(nanoseconds: int | None) -> int | None:
    return None if nanoseconds is None else nanoseconds // 1000


def _sum_v2(io_stat: str | None, key: str) -> int | None:
    """Add up one key of `8:0 rbytes=90112 wbytes=0 rios=2 ...` over all devices."""
    if io_stat is None:
        return None
    words = io_stat.split()
    return sum(int(word.removeprefix(key)) for word in words if word.startswith(key))


def _sum_v1(service_bytes: str | None, kind: str) -> int | None:
    """Add up one kind of `8:0 Read 90112` over all devices; a last line has only a total."""
    if service_bytes is None:
        return None
    lines = (line.split() for line in service_bytes.splitlines())
    return sum(int(words[2]) for words in lines if words[1] == kind)

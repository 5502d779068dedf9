"""Commands that show what containers do: logs, top, stats."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress

from kernelbox import cgroup, cleanup, paths, spec, state
from kernelbox.cli.parser import parser_for
from kernelbox.cli.table import columns, size
from kernelbox.kernel import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from kernelbox.cgroup.stats import Stats

_LOOK_AGAIN = 0.05  # seconds between two looks at a growing log
_TICKS = os.sysconf("SC_CLK_TCK")


def command_logs(argv: list[str]) -> int:
    """Print what a container printed, each stream to the same stream here."""
    parser = parser_for("logs", "Show what a container printed.")
    parser.add_argument("-f", "--follow", action="store_true", help="go on while it runs")
    parser.add_argument("-t", "--timestamps", action="store_true", help="when it printed it")
    parser.add_argument("-n", "--tail", type=int, metavar="N", help="the last N lines only")
    parser.add_argument("container", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()
    container_id = state.find(given.container)
    path = f"{paths.container(container_id)}/log"
    printed, offset = _read_log(path, 0)
    if os.path.exists(path + ".1"):
        printed = _read_log(path + ".1", 0)[0] + printed
    lines = list(_lines(printed))
    for line in lines[-given.tail or len(lines) :] if given.tail is not None else lines:
        _print(line, given.timestamps)
    while given.follow:
        running = state.read(container_id).status == "running" and state.looked_after(container_id)
        printed, offset = _read_log(path, offset)
        for line in _lines(printed):
            _print(line, given.timestamps)
        if not running and not printed:
            break
        time.sleep(_LOOK_AGAIN)
    return 0


def _read_log(path: str, offset: int) -> tuple[list[dict[str, Any]], int]:
    """Return the whole lines of the log from `offset` on, and where they end.

    A log that is shorter than `offset` has been begun anew.
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size < offset:
                offset = 0
            file.seek(offset)
            text = file.read().rpartition(b"\n")
    except FileNotFoundError:
        return [], 0
    entries = []
    for line in text[0].splitlines():
        with suppress(ValueError):  # a full disk has cut it short
            entries.append(json.loads(line))
    return entries, offset + len(text[0]) + len(text[1])


def _lines(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Put what was written in pieces together into lines, so that they can be counted."""
    begun: dict[str, dict[str, Any]] = {}
    for entry in entries:
        stream = entry["stream"]
        *whole, rest = entry["log"].split("\n")
        for text in whole:
            before = begun.pop(stream, {**entry, "log": ""})
            yield {**before, "log": f"{before['log']}{text}\n"}
        if rest:
            before = begun.setdefault(stream, {**entry, "log": ""})
            before["log"] += rest
    yield from begun.values()


def _print(entry: dict[str, Any], stamped: bool) -> None:
    stream = sys.stdout if entry["stream"] == "stdout" else sys.stderr
    stamp = ""
    if stamped:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime(entry["time"]))
    stream.buffer.write(stamp.encode() + entry["log"].encode("utf-8", "surrogateescape"))
    stream.flush()


def command_top(argv: list[str]) -> int:
    """List the processes of a container, as the host sees them and as it does itself."""
    parser = parser_for("top", "Show the processes of a container.")
    parser.add_argument("container", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()
    container_id = state.find_running(given.container)
    titles = ("UID", "PID", "PPID", "PID INSIDE", "STIME", "TIME", "CMD")
    pids = sorted(cgroup.of(container_id).processes())
    rows = [row for pid in pids if (row := _process_row(pid))]
    print(columns([titles, *rows]))
    return 0


def _process_row(pid: int) -> tuple[str, ...] | None:
    """Return one line of `top`; None if the process has just ended. Source: proc(5)."""
    try:
        stat = files.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        status = dict(
            line.split(":\t", 1) for line in files.read(f"/proc/{pid}/status").splitlines()
        )
        words = files.read(f"/proc/{pid}/cmdline").split("\0")
    except OSError:
        return None
    began = time.time() - float(files.read("/proc/uptime").split()[0]) + int(stat[19]) / _TICKS
    used = (int(stat[11]) + int(stat[12])) // _TICKS
    return (
        status["Uid"].split()[0],
        str(pid),
        status["PPid"],
        status["NSpid"].split()[-1],
        time.strftime("%H:%M", time.localtime(began)),
        f"{used // 3600:02}:{used // 60 % 60:02}:{used % 60:02}",
        " ".join(words).strip() or f"[{status['Name']}]",
    )


def command_stats(argv: list[str]) -> int:
    """Show what containers use, every second until interrupted, or once."""
    parser = parser_for("stats", "Show what containers use, live.")
    parser.add_argument("--no-stream", action="store_true", help="once only")
    parser.add_argument("containers", nargs="*", metavar="CONTAINER", help="all that run, if none")
    given = parser.parse_args(argv)
    cleanup.sweep()
    chosen = [state.find_running(reference) for reference in given.containers]
    while True:
        table = _stats_table(chosen or _all_running(), interval=1.0)
        if given.no_stream:
            print(table)
            return 0
        # Home, text, erase what an older, longer table left.
        clear = "\033[H\033[2J" if sys.stdout.isatty() else ""
        print(clear + table, flush=True)


def _all_running() -> list[str]:
    return sorted(one for one in state.every() if state.read(one).status == "running")


def _stats_table(ids: list[str], interval: float) -> str:
    """Watch the containers for `interval` seconds; return a table like Docker's."""
    began = time.monotonic()
    before = {one: cgroup.of(one).stats() for one in ids}
    time.sleep(interval)
    elapsed = time.monotonic() - began
    titles = ("CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "BLOCK I/O", "PIDS")
    rows = [titles]
    for one in ids:
        name = str(state.config(one).get("name", ""))
        rows.append((one, name, *_usage(before[one], cgroup.of(one).stats(), elapsed)))
    return columns(rows)


def _usage(before: Stats, now: Stats, seconds: float) -> tuple[str, str, str, str, str]:
    """Return the figures of one container. Source: Docker, "docker stats"."""
    cpu = "-"
    if now.cpu_usec is not None and before.cpu_usec is not None:
        cpu = f"{(now.cpu_usec - before.cpu_usec) / seconds / 1e4:.2f}%"
    used = None
    if now.memory_current is not None:
        used = now.memory_current - (now.memory_cache or 0)
    limit = now.memory_limit or spec.size(_host_memory(), "MemTotal")
    share = "-" if used is None else f"{100 * used / limit:.2f}%"
    io = f"{size(now.io_read_bytes)} / {size(now.io_write_bytes)}"
    pids = "-" if now.pids_current is None else str(now.pids_current)
    return cpu, f"{size(used)} / {size(limit)}", share, io, pids


def _host_memory() -> str:
    """Return the host's memory as /proc/meminfo spells it. Source: proc(5)."""
    return files.read("/proc/meminfo").splitlines()[0].partition(":")[2].strip()

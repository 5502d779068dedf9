"""Commands that show what containers do: logs, top."""

from __future__ import annotations

import os
import sys
import time

from kernelbox.cli.parser import parser_for
from kernelbox.cli.table import columns
from kernelbox.container import monitor_lock, names, state
from kernelbox.container.lifecycle import cleanup
from kernelbox.container.streams import log
from kernelbox.kernel import files, process
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import paths
from kernelbox.plumbing.light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LOOK_AGAIN = 0.05  # seconds between two looks at a growing log
_TICKS = os.sysconf("SC_CLK_TCK")


def command_logs(argv: list[str]) -> int:
    """Print what a container printed, each stream to the same stream here, and what failed."""
    parser = parser_for("logs", "Show what a container printed.")
    parser.add_argument("-f", "--follow", action="store_true", help="go on while it runs")
    parser.add_argument("-t", "--timestamps", action="store_true", help="when it printed it")
    parser.add_argument(
        "-n", "--tail", default="all", metavar="N", help="the last N lines only; or all"
    )
    parser.add_argument("container", metavar="CONTAINER")
    given = parser.parse_args(argv)
    wanted = _tail(given.tail)
    cleanup.sweep()
    container_id = names.find(given.container)
    printer = _Printer(given.timestamps)
    with log.Reader(f"{paths.container(container_id)}/log") as reader:
        printed = reader.read()
        if wanted is not None:
            printed = list(log.lines(printed))[-wanted or sys.maxsize :]
        printer.show(printed)
        while given.follow:
            running = state.read(container_id).status == "running"
            running = running and monitor_lock.looked_after(container_id)
            printed = reader.read()
            printer.show(printed)
            if not running and not printed:
                break
            time.sleep(_LOOK_AGAIN)
    with suppress(state.Damaged):  # its log is none the worse
        if error := state.read(container_id).error:
            print(f"kernelbox: {error}", file=sys.stderr)
    return 0


def _tail(text: str) -> int | None:
    """Return how many lines are wanted; None for all, which a negative number means, too."""
    if text == "all":
        return None
    try:
        number = int(text)
    except ValueError:
        raise UsageError(f"--tail {text!r:.80} is no number", "Write it like 10, or all") from None
    return None if number < 0 else number


class _Printer:
    """Prints each stream's pieces to the same stream here, with the time before each line."""

    def __init__(self, stamped: bool) -> None:
        self._stamped = stamped
        self._within: set[str] = set()  # streams that have begun a line

    def show(self, entries: list[dict[str, Any]]) -> None:
        """Print what came."""
        for entry in entries:
            stream = sys.stdout if entry["stream"] == "stdout" else sys.stderr
            text = self._with_stamps(entry) if self._stamped else entry["log"]
            stream.buffer.write(text.encode("utf-8", "surrogateescape"))
            stream.flush()

    def _with_stamps(self, entry: dict[str, Any]) -> str:
        text: str = entry["log"]
        stream = entry["stream"]
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime(entry["time"]))
        first = "" if stream in self._within else stamp
        (self._within.discard if text.endswith("\n") else self._within.add)(stream)
        return first + text[:-1].replace("\n", f"\n{stamp}") + text[-1:]


def command_top(argv: list[str]) -> int:
    """List the processes of a container, as the host sees them and as it does itself."""
    parser = parser_for("top", "Show the processes of a container.")
    parser.add_argument("container", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()
    container_id = names.find_running(given.container)
    titles = ("UID", "PID", "PPID", "PID INSIDE", "STIME", "TIME", "CMD")
    pids = sorted(state.group(container_id).processes())
    rows = [row for pid in pids if (row := _process_row(pid))]
    print(columns([titles, *rows]))
    return 0


def _process_row(pid: int) -> tuple[str, ...] | None:
    """Return one line of `top`; None if the process has just ended. Source: proc(5)."""
    try:
        stat = files.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        status = process.status(pid)
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

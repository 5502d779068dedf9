"""`kernelbox stats`: what containers use of CPU, memory, network, disks and processes."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress

from kernelbox.cgroup import limit_words
from kernelbox.cli.parser import parser_for
from kernelbox.cli.table import columns, size
from kernelbox.container import names, state
from kernelbox.container.lifecycle import cleanup
from kernelbox.kernel import files
from kernelbox.kernel.errors import KernelboxError
from kernelbox.network import counters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.cgroup.stats import Stats

_INTERVAL = 1.0  # seconds: what is used is seen between two looks
_TITLES = {
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}


def command_stats(argv: list[str]) -> int:
    """Show what containers use, every second until interrupted, or once."""
    parser = parser_for("stats", "Show what containers use, live.")
    parser.add_argument("--no-stream", action="store_true", help="once only")
    parser.add_argument(
        "--format", choices=["table", "json"], default="table", help="json: a line for each"
    )
    parser.add_argument("containers", nargs="*", metavar="CONTAINER", help="all that run, if none")
    given = parser.parse_args(argv)
    cleanup.sweep()
    chosen = [names.find_running(reference) for reference in given.containers]
    watched = chosen or _running()
    while True:
        rows = _looked(watched)
        if given.format == "json":
            print("".join(f"{json.dumps(row)}\n" for row in rows), end="", flush=True)
        else:
            table = columns(
                [list(_TITLES.values()), *([row[key] for key in _TITLES] for row in rows)]
            )
            # Home, and erase what an older, longer table left.
            clear = "\033[H\033[2J" if sys.stdout.isatty() and not given.no_stream else ""
            print(clear + table, flush=True)
        running = _running()
        watched = [one for one in chosen if one in running] if chosen else running
        if given.no_stream or (chosen and not watched):
            return 0


def _running() -> list[str]:
    found = []
    for one in state.every():
        with suppress(KernelboxError):  # a damaged one is for its owner to remove
            if state.read(one).status == "running":
                found.append(one)
    return sorted(found)


def _looked(ids: list[str]) -> list[dict[str, str]]:
    """Watch the containers for a moment; return a line for each, under Docker's names.

    One that ends meanwhile has dashes in its line.
    """
    began = time.monotonic()
    groups = {one: state.group(one) for one in ids}
    before = {one: groups[one].stats() for one in ids}
    time.sleep(_INTERVAL)
    elapsed = time.monotonic() - began
    return [
        {
            "ID": one,
            "Name": str(state.extra(one).get("name", "")),
            **_usage(before[one], groups[one].stats(), elapsed),
            "NetIO": _traffic(one),
        }
        for one in ids
    ]


def _usage(before: Stats, now: Stats, seconds: float) -> dict[str, str]:
    """Return the figures of one container. Source: Docker, "docker stats"."""
    cpu = "-"
    if now.cpu_usec is not None and before.cpu_usec is not None:
        cpu = f"{(now.cpu_usec - before.cpu_usec) / seconds / 1e4:.2f}%"
    used = None
    if now.memory_current is not None:
        used = max(now.memory_current - (now.memory_cache or 0), 0)
    limit = now.memory_limit or limit_words.size(_host_memory(), "MemTotal")
    return {
        "CPUPerc": cpu,
        "MemUsage": f"{size(used)} / {size(limit)}",
        "MemPerc": "-" if used is None else f"{100 * used / limit:.2f}%",
        "BlockIO": f"{size(now.io_read_bytes)} / {size(now.io_write_bytes)}",
        "PIDs": "-" if now.pids_current is None else str(now.pids_current),
    }


def _traffic(container_id: str) -> str:
    """Return what a container's own interfaces have received and sent.

    Of the host's network nothing is the container's, as with Docker.
    """
    with suppress(KernelboxError, OSError):
        pid = state.read(container_id).pid
        if os.path.samefile(f"/proc/{pid}/ns/net", "/proc/self/ns/net"):
            return f"{size(0)} / {size(0)}"
        if found := counters.traffic(pid):
            return f"{size(found.received)} / {size(found.sent)}"
    return f"{size(None)} / {size(None)}"


def _host_memory() -> str:
    """Return the host's memory as /proc/meminfo spells it. Source: proc(5)."""
    return files.read("/proc/meminfo").splitlines()[0].partition(":")[2].strip()

"""What can be asked about containers: which there are, who is in one, what it uses.

The forms are runc's, which engines read.

Source: runc, `list`, `ps`, `events`; OCI runtime-spec, runtime.md, "Query State".
"""

from __future__ import annotations

from kernelbox.kernel.errors import KernelboxError
from kernelbox.oci import state as states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.oci.state import Box


def containers(root: str) -> list[dict[str, Any]]:
    """Return the states of all containers that are whole.

    Raises:
        UsageError: They are another user's.
    """
    found = []
    for container_id in states.every(root):
        try:
            found.append(states.find(root, container_id).told())
        except KernelboxError as error:
            if isinstance(error.__cause__, PermissionError):
                raise
        except OSError:  # gone meanwhile; and what is damaged is left out, too
            continue
    return found


def processes(box: Box) -> list[int]:
    """Return who is in a container, as the host counts."""
    return box.group.processes()


def statistics(box: Box) -> dict[str, Any]:
    """Return what a container has used, as `events --stats` tells it.

    Source: runc, types/events.go.
    """
    used = box.group.stats()
    microseconds = used.cpu_usec or 0
    return {
        "type": "stats",
        "id": box.id,
        "data": {
            "cpu": {
                "usage": {"total": microseconds * 1000},
                "throttling": {
                    "periods": used.nr_periods or 0,
                    "throttledPeriods": used.nr_throttled or 0,
                    "throttledTime": (used.throttled_usec or 0) * 1000,
                },
            },
            "memory": {
                "cache": used.memory_cache or 0,
                "usage": {
                    "limit": used.memory_limit or (1 << 64) - 1,
                    "usage": used.memory_current or 0,
                    "max": used.memory_peak or 0,
                    "failcnt": 0,
                },
            },
            "pids": {"current": used.pids_current or 0, "limit": used.pids_limit or 0},
            "blkio": {
                "ioServiceBytesRecursive": [
                    {"op": word, "value": number or 0}
                    for word, number in (
                        ("Read", used.io_read_bytes),
                        ("Write", used.io_write_bytes),
                    )
                ]
            },
        },
    }

"""Which namespaces are the host's: a snapshot only says which process is in which."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernelbox.observe.model import Process


def hosts(processes: Iterable[Process]) -> dict[str, int]:
    """Return the host's namespaces, by kind, as far as some process shows them.

    They are those of a process outside all containers that is nobody's child there. Of the host's
    first processes even root cannot always see them, and a held process may have left them.
    """
    outside = [one for one in processes if one.side != "container"]
    pids = {one.pid for one in outside if one.namespaces}
    found: dict[str, int] = {}
    for one in sorted(outside, key=lambda one: one.ppid in pids):
        for kind, inode in one.namespaces.items():
            found.setdefault(kind, inode)
    return found

"""What a request has changed, without what other programs have done in the meantime.

Two snapshots differ by all that happened between them, on the whole host.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kernelbox.observe.difference import diff
from kernelbox.widgets.whose import hosts

if TYPE_CHECKING:
    from kernelbox.kernel.door import Event
    from kernelbox.observe.model import Change, Mount, Snapshot


def effects(event: Event, before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """Return what is different after a request, as far as it may be the request's doing."""
    named = _named(event, before, after)
    return diff(_narrowed(before, named), _narrowed(after, named))


def _narrowed(world: Snapshot, named: set[str]) -> Snapshot:
    """Leave out the host's processes, and of its mounts all but those on these points."""
    shared = _hosts_mounts(world)
    mounts: dict[int, tuple[Mount, ...]] = {
        pid: tuple(one for one in every if pid not in shared or one.point in named)
        for pid, every in world.mounts.items()
    }
    processes = tuple(one for one in world.processes if one.side != "host" or one.pid in shared)
    return replace(world, mounts=mounts, processes=processes)


def _named(event: Event, *worlds: Snapshot) -> set[str]:
    """Return the host's mount points that a request names, in quotes as a trace writes a path."""
    return {
        one.point
        for world in worlds
        for pid in _hosts_mounts(world)
        for one in world.mounts[pid]
        if f'"{one.point}"' in event.request
    }


def _hosts_mounts(world: Snapshot) -> set[int]:
    """Return the processes by which the host's mount namespace was looked into."""
    host = hosts(world.processes).get("mnt")
    return {
        one.pid
        for one in world.processes
        if one.pid in world.mounts and one.namespaces.get("mnt") == host
    }

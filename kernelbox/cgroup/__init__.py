"""Control groups: what a container may use, what it has used, and how to stop all of it at once.

Chapters 08 to 10 ask for it by hand.

    hierarchy.py    what this host has: cgroup v2, or which controllers of v1, and where
    limit_values.py which values a limit may have: Docker's rules
    disks.py        which disk a limit is for
    devices.py      which devices a container may use: a list in v1, a program in v2
    entrance.py     the way in for a new process
    translation.py  v2's files in the words of v1
    tree.py         directories of groups: making them, who is in them, taking them away
    reading.py      what v2's files would say, of those of v1
    stats.py        the counters, as numbers
    interface.py    the files of a group, by the names that v2 has for them
    limit_words.py  what a person writes for a limit
    members.py      who is in a group: moved, frozen, killed
    limits.py       all that a container may be limited in, one entry a limit
    limited.py      what it may use
    group.py        one group, from mkdir to rmdir: cgroup v2
    events.py       what the kernel does to one: OOM kills, throttling, refused forks
    sampling.py     many groups looked at again and again
    v1.py           the same on a host whose controllers are in cgroup v1
    applying.py     limits written to a group, read from it, changed while it runs

kernelbox speaks cgroup v2 (`memory.max`, `cpu.max`, `pids.max`, `cgroup.freeze`). Where the
controllers still sit in v1 hierarchies each request is translated, and the trace shows the file
that was really written. Every group lies in `/kernelbox` of its hierarchy; nothing else is touched,
but for `cgroup.subtree_control` of a v2 root that does not pass a controller down yet.

Where systemd is init, the root of the hierarchy is its own, and these groups are nobody's unit.
It moves processes of its units only, and where it takes a controller away that no unit needs any
more, with the limits that go with it, the kernel refuses: `/kernelbox` passes that one on (EBUSY).
So `systemctl daemon-reload` changes nothing here, and groups are directories there as everywhere. A
scope of systemd's would take a call by D-Bus for each container, into which a process can only be
moved once it lives; and one scope for all of them lasts only as long as there is a process in it.

Which limits a container has, and the ledger, are the runtime's business.

Source: cgroups(7); `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/` in the kernel;
systemd, "Control Group APIs and Delegation"; systemd.scope(5).
"""

from __future__ import annotations

from kernelbox.cgroup.entrance import Entrance
from kernelbox.cgroup.group import Cgroup
from kernelbox.cgroup.hierarchy import Hierarchy, find
from kernelbox.cgroup.limit_values import cpu_quota
from kernelbox.cgroup.tree import remove
from kernelbox.kernel.process import stand_still

__all__ = [
    "Cgroup",
    "Entrance",
    "Hierarchy",
    "cpu_quota",
    "find",
    "of",
    "parents",
    "remove",
    "stand_still",
]


def of(name: str, host: Hierarchy | None = None) -> Cgroup:
    """Return the group `/kernelbox/NAME`, whether it exists or not; makes nothing.

        with cgroup.of("mine") as group:  # made, and in the end emptied and removed
            group.set("memory.max", "64M")
            group.add(pid)
            group.stats()

    Args:
        name: Such as a container's id; `a/b` for a group in a group.
        host: Where the controllers are; None for what `find` says.

    Raises:
        UsageError: A part of `name` is empty, `.`, `..`, or has an unprintable character in it.
        KernelboxError: The host has no control groups.
    """
    host = host or find()
    if host.version == 2:
        return Cgroup(name, host)
    from kernelbox.cgroup.v1 import CgroupV1  # a v2 host has no use for it

    return CgroupV1(name, host)


def parents(host: Hierarchy | None = None) -> list[str]:
    """Return the `/kernelbox` directories that all groups lie in, one per hierarchy.

    Raises:
        KernelboxError: The host has no control groups.
    """
    return (host or find()).parents

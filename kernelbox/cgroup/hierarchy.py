"""Which control groups this host has: cgroup v2, or the controllers of v1, and where.

v2 is one tree for all controllers. v1 is one tree per controller, or per few that are mounted
together (`cpu,cpuacct`). Many hosts mount both; what counts is where the controllers are. This
file only looks; groups are made in group.py.
"""

from __future__ import annotations

from kernelbox.kernel import files
from kernelbox.kernel.errors import KernelboxError
from kernelbox.plumbing.records import NamedTuple

WANTED = ("cpu", "cpuset", "io", "memory", "pids")
_NEEDED = {"cpu", "memory", "pids"}
_SHOWN_V1 = {"cpu", "cpuacct", "memory", "pids", "freezer", "blkio"}
_CONTROLLERS_V1 = {
    *_SHOWN_V1, "cpuset", "devices", "hugetlb", "misc", "net_cls", "net_prio", "perf_event", "rdma"
}  # fmt: skip


class Hierarchy(NamedTuple):
    """Where a host's controllers are.

    Attributes:
        version: 1 or 2.
        mounts: Mount point of each controller, for example `{"memory": "/sys/fs/cgroup/memory"}`.
            In v2 all are the same, and `cgroup` stands for the core files such as `cgroup.procs`.
            In v1 it has every hierarchy there is, also those without a controller (`name=systemd`,
            and v2's as `cgroup2`): where a container had no group of its own, the root of what it
            may mount would be the host's.
        base: What groups lie in, below each mount point. Empty for the mount points themselves,
            where an engine says where the group of a container is to be.
    """

    version: int
    mounts: dict[str, str]
    base: str = "/kernelbox"

    @property
    def parents(self) -> list[str]:
        """The directories that kernelbox's groups lie in: one per mount point."""
        return [f"{mount}{self.base}" for mount in dict.fromkeys(self.mounts.values())]

    @property
    def shown(self) -> list[str]:
        """The v1 hierarchies that a container has mounted: `cpu,cpuacct`, `memory`."""
        mounts = dict.fromkeys(self.mounts[name] for name in self.mounts if name in _SHOWN_V1)
        return [mount.rpartition("/")[2] for mount in mounts]


_found: Hierarchy | None = None


def find() -> Hierarchy:
    """Return what this host has; read once, since it does not change while the host is up.

    Raises:
        KernelboxError: No control groups are mounted.

    Source: proc(5), /proc/PID/mountinfo; cgroups(7), "Mounting v1 controllers".
    """
    global _found
    if _found is None:
        _found = choose(files.read("/proc/self/mountinfo"))
    return _found


def choose(mountinfo: str) -> Hierarchy:
    """Return the hierarchy to use on a host with these mounts.

    That is v2 if it offers the controllers a container needs; otherwise v1; otherwise v2 with
    whatever it offers.

    Args:
        mountinfo: The text of /proc/PID/mountinfo.

    Raises:
        KernelboxError: No control groups are mounted.
    """
    v1: dict[str, str] = {}
    v2: Hierarchy | None = None
    for line in mountinfo.splitlines():
        mount, _, file_system = line.partition(" - ")
        kind, _, source_and_options = file_system.partition(" ")
        if kind == "cgroup":
            options = source_and_options.rpartition(" ")[2].split(",")
            for word in options:
                if word in _CONTROLLERS_V1 or word.startswith("name="):
                    v1.setdefault(word, mount.split(" ")[4])
        elif kind == "cgroup2":
            v2 = v2 or version_2(mount.split(" ")[4])

    if v2 and v2.mounts.keys() >= _NEEDED:
        return v2
    if v1:
        return Hierarchy(1, v1 | ({"cgroup2": v2.mounts["cgroup"]} if v2 else {}))
    if v2:
        return v2
    raise KernelboxError(
        "this host has no control groups mounted", "Try: mount -t cgroup2 cgroup2 /sys/fs/cgroup"
    )


def version_2(mount_point: str) -> Hierarchy:
    """Return the v2 hierarchy mounted at `mount_point`, with the controllers it offers.

    Source: cgroup-v2.rst, "Core Interface Files", cgroup.controllers.
    """
    offered = files.read(f"{mount_point}/cgroup.controllers").split()
    return Hierarchy(2, dict.fromkeys(["cgroup", *offered], mount_point))

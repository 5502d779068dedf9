"""A control group on a host whose controllers are in cgroup v1: one directory per hierarchy.

It answers to the same methods with the same words as in v2; each request is translated, and goes
to the hierarchy of its controller.

Who is root may make a cgroup namespace, mount v1's hierarchies, and write to the group that it is
in: nothing like v2's `nsdelegate` keeps the limits of a namespace's root from who lives in there.
So a container's processes are in a group `inside` the one that has the limits, which is out of
sight for them, also of one that has no limit yet: which group is the root of its namespace cannot
be changed later. Not so in the hierarchy of blkio, whose limits do not reach groups below.

Source: cgroups(7), "Cgroups version 1"; `Documentation/admin-guide/cgroup-v1/`.
"""

from __future__ import annotations

import errno
import os

from kernelbox.cgroup import devices, limit_values, translation, tree
from kernelbox.cgroup.entrance import Entrance
from kernelbox.cgroup.group import Cgroup
from kernelbox.kernel import files
from kernelbox.kernel.door import spell
from kernelbox.kernel.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernelbox.cgroup.hierarchy import Hierarchy
    from kernelbox.cgroup.stats import Stats


_AS_IN_V2 = {
    "cpuset": "cpuset", "cpu": "cpu", "io": "blkio", "memory": "memory", "pids": "pids"
}  # fmt: skip
_LIMITING = ("cpu", "cpuset", "devices", "freezer", "memory", "pids")
_OWN = ("cgroup.procs", "cgroup.events", "cgroup.controllers")  # found out by looking around


class CgroupV1(Cgroup):
    """A group in every v1 hierarchy that a container needs."""

    def __init__(self, name: str, host: Hierarchy) -> None:
        """Name the group; nothing is made or looked at."""
        super().__init__(name, host)
        self._of_controller = {
            controller: f"{mount}{host.base}/{name}" for controller, mount in host.mounts.items()
        }

    @property
    def controllers(self) -> list[str]:
        """The controllers that the group can use, by the names that v2 has for them."""
        return [name for name in _AS_IN_V2 if _AS_IN_V2[name] in self._of_controller]

    def pass_down(self, controllers: list[str]) -> None:
        """Do nothing: in v1 a group has the controllers of the hierarchies that it lies in.

        Raises:
            KernelError: ENOENT if this host has no such controller.
        """
        for name in controllers:
            if name not in self.controllers:
                hint = f"This host has no {name} controller mounted: see /proc/cgroups"
                request = spell("write", ("cgroup.subtree_control", f"+{name}"))
                raise KernelError(request, errno.ENOENT, hint)

    @property
    def inside(self) -> CgroupV1:
        """The group that a container's processes are in: below this one, which has the limits."""
        below = CgroupV1(self.name, self.host)
        limiting = {self._of_controller.get(controller) for controller in _LIMITING}
        below._of_controller = {
            controller: f"{directory}/{tree.INSIDE}" if directory in limiting else directory
            for controller, directory in self._of_controller.items()
        }
        below.directories = list(dict.fromkeys(below._of_controller.values()))
        return below

    def _is_bound_to_cpus(self) -> bool:
        """Whether it has CPUs of its own choice: else the group is as good as the one above it."""
        mine = self._peek("cpuset.cpus")
        return mine != tree.read(f"{os.path.dirname(self._of_controller['cpuset'])}/cpuset.cpus")

    def create_inside(self) -> None:
        """Make the group `inside` of this one, which exists and has its limits.

        Raises:
            KernelError: As `create`.
        """
        for directory in self.inside.directories:
            if directory not in self.directories:
                tree.make(directory)

    def remove(self, patience: float = tree.PATIENCE) -> None:
        """Remove the group and every group below it; twice is fine. See `Cgroup.remove`."""
        for directory in self.inside.directories:
            tree.remove(directory, patience, self.host.base)
        super().remove(patience)

    def _pass_down(self, directory: str) -> None:
        """Let groups begin with the CPUs and memory nodes of the one they are made in.

        All other controllers are there anyway.

        Source: cgroup-v1/cpusets.rst; cgroup-v1/cgroups.rst, clone_children.
        """
        if self.host.mounts.get("cpuset") != os.path.dirname(directory):
            return
        if tree.read(f"{directory}/cgroup.clone_children") == "0\n":
            for file in ("cpuset.cpus", "cpuset.mems"):
                text = tree.read(f"{os.path.dirname(directory)}/{file}").rstrip()
                files.write(f"{directory}/{file}", text)
            files.write(f"{directory}/cgroup.clone_children", "1")

    def _counts_swap(self) -> bool:
        return self._peek("memory.memsw.limit_in_bytes") != ""

    def weigh_cpu(self, shares: int) -> None:
        """Give the group `shares`, which are v1's own units: `cpu.weight` would round them."""
        self.set("cpu.shares", limit_values.cpu_shares(shares))

    def reserve_memory(self, size: int, limit: int = 0) -> None:
        """Reclaim the group's memory down to `size` bytes first when the host runs short.

        It is the nearest to `memory.low` that v1 has. Source: cgroup-v1/memory.rst, "Soft limits".
        """
        low = limit_values.memory_low(size, limit)
        self.set("memory.soft_limit_in_bytes", "-1" if low == "0" else low)

    def choose_cpus(self, cpus: str) -> None:
        """Let the group run on these CPUs only; its processes are in a group inside.

        That one may have no CPU that this one has not, in no moment between.

        Source: cgroup-v1/cpusets.rst.
        """
        inside = f"{self._of_controller.get('cpuset')}/{tree.INSIDE}/cpuset.cpus"
        if tree.read(inside):
            self.set("cpuset.cpus", f"{self.get('cpuset.cpus')},{cpus}")
            self._narrow(inside, cpus)
        self.set("cpuset.cpus", cpus)

    def chosen_cpus(self) -> str:
        """Return the CPUs that the group was given; empty if it has those of the group above."""
        has = "cpuset" in self._of_controller and self._is_bound_to_cpus()
        return self.get("cpuset.cpus") if has else ""

    def _narrow(self, inside: str, cpus: str) -> None:
        try:
            files.write(inside, cpus)
        except KernelError as refusal:
            refusal.hint = self._explain("cpuset.cpus", refusal)
            raise

    def weigh_io(self, weight: int) -> None:
        """Give the group's disk requests a weight, 10 to 1000, as BFQ itself has it in v1."""
        self.set("io.bfq.weight", limit_values.bfq_weight(weight))

    def limit_devices(self, rules: Sequence[devices.Rule] = devices.DEFAULT) -> bool:
        """Let the group use the devices that rules allow, and no other of the host's.

        Args:
            rules: The last that fits a device counts.

        Returns:
            Whether the kernel sees to it. A host without the controller cannot keep a container
            with CAP_SYS_ADMIN from them.

        Raises:
            KernelError: EPERM without CAP_SYS_ADMIN.

        Source: cgroup-v1/devices.rst.
        """
        if "devices" not in self.host.mounts:
            return False
        files.write(self._path("devices.deny"), "a")
        for rule in rules:
            files.write(self._path("devices.allow" if rule.allow else "devices.deny"), str(rule))
        return True

    def devices_beyond(self) -> list[str] | None:
        """Return which devices the kernel lets the group use beyond those of every container.

        None if it may use any.

        Source: cgroup-v1/devices.rst, "devices.list".
        """
        listed = self._peek("devices.list").splitlines()
        if not listed or any(one.startswith("a ") for one in listed):
            return None
        usual = set(map(str, devices.DEFAULT))
        return [one for one in listed if one not in usual]

    def _writes(self, file: str, value: str) -> list[tuple[str, str]]:
        reason = self.why_not(file)
        if reason:
            known = translation.why_not(file) == ""
            refusal = errno.ENOENT if known else errno.EOPNOTSUPP
            raise KernelError(spell("write", (file, value)), refusal, reason)
        return [
            (self._path(v1_file), text)
            for v1_file, text in translation.translate(file, value, self._peek)
        ]

    def why_not(self, file: str) -> str:
        """Return in one line why cgroup v2's `file` cannot be used here; empty if it can."""
        reason = translation.why_not(file)
        controller = translation.controller(file)
        if reason or controller in self.host.mounts:
            return reason
        return self._not_mounted(controller)

    def _not_mounted(self, controller: str) -> str:
        return (
            f"This host has no {controller} controller mounted: if /proc/cgroups knows it, "
            f"mount -t cgroup -o {controller} {controller} /sys/fs/cgroup/{controller}"
        )

    def get(self, file: str) -> str:
        """Return what v2's `file` would say, without the newline; see `Interface.get`."""
        from kernelbox.cgroup import reading  # not at the start of a container

        if file == "cgroup.procs":
            return "\n".join(map(str, self.processes()))
        if file == "cgroup.events":
            return f"populated {bool(self.processes()):d}\nfrozen {self.frozen():d}"
        if file == "cgroup.controllers":
            return " ".join(self.controllers)
        return reading.text(file, self._count)

    def read(self, file: str) -> str:
        """Return what v2's `file` would say, or the reason why it says nothing."""
        from kernelbox.cgroup import reading

        if "/" in file or not self.exists():
            return super().read(file)
        controller = translation.controller(file)
        if file in _OWN or (file in reading.TABLE and controller in self.host.mounts):
            return self.get(file)
        reason = translation.why_not(file)
        if file in reading.TABLE:
            reason = self._not_mounted(controller)
        raise KernelError(spell("open", (file,)), errno.ENOENT, reason)

    def stats(self) -> Stats:
        """Return what the group has used, as numbers; None for what this host does not count."""
        from kernelbox.cgroup import stats  # not at the start of a container

        return stats.version_1(self._count)

    def _count(self, v1_file: str) -> str:
        """Return the text of a v1 file, and of what happened below, too, where v2 counts it."""
        return self._sum(v1_file) if v1_file in translation.LOCAL else self._peek(v1_file)

    def _sum(self, v1_file: str) -> str:
        """Return a file that counts only what happens in the very group, added up from all below.

        A group that the container has removed meanwhile takes what it counted with it.
        """
        directory = self._of_controller.get(v1_file.partition(".")[0])
        added: dict[str, int] = {}
        for group in tree.below(directory) if directory else ():
            for line in tree.read(f"{group}/{v1_file}").splitlines():
                name, number = line.split()
                added[name] = added.get(name, 0) + int(number)
        return "".join(f"{name} {number}\n" for name, number in added.items())

    def open(self) -> Entrance:
        """Open the way in for a process about to be born; the caller closes it.

        Raises:
            KernelError: ENOENT if the group does not exist.
        """
        v2 = self._of_controller.get("cgroup2")
        tasks = [f"{directory}/tasks" for directory in self.directories if directory != v2]
        return Entrance(directory=v2, tasks=tasks)

    @property
    def state_file(self) -> str:
        """The path of the file that tells whether the group is frozen; empty if there is none."""
        return self._path("freezer.state") if "freezer" in self._of_controller else ""

    def thaw_all(self) -> None:
        """Let all of its processes run, also where a container has frozen a group of its own.

        Nothing frozen in v1 hears a signal, not even SIGKILL.

        Raises:
            KernelError: EACCES, EPERM.

        Source: cgroup-v1/freezer-subsystem.rst, "self-freezing" and "parent-freezing".
        """
        freezer = self._of_controller.get("freezer")
        for group in tree.below(freezer) if freezer else ():
            if tree.read(f"{group}/freezer.self_freezing") == "1\n":
                files.write(f"{group}/freezer.state", "THAWED")

    def path(self, file: str) -> str:
        """Return the path of a v1 file, in whichever hierarchy; empty if that is not mounted."""
        return self._path(file) if file.partition(".")[0] in self._of_controller else ""

    def _path(self, v1_file: str) -> str:
        return f"{self._of_controller[v1_file.partition('.')[0]]}/{v1_file}"

    def _peek(self, v1_file: str) -> str:
        """Return the text of a v1 file of this group; empty if the host has none."""
        if v1_file.partition(".")[0] not in self._of_controller:
            return ""
        return tree.read(self._path(v1_file))

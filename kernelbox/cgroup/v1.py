"""A control group on a host whose controllers are in cgroup v1: one directory per hierarchy.

It answers to the same methods with the same words as in v2; each request is translated, and goes
to the hierarchy of its controller.

Source: cgroups(7), "Cgroups version 1"; `Documentation/admin-guide/cgroup-v1/`.
"""

from __future__ import annotations

import errno

from kernelbox.cgroup import limits, translation, tree
from kernelbox.cgroup.entrance import Entrance
from kernelbox.cgroup.group import Cgroup
from kernelbox.kernel.errors import KernelError
from kernelbox.kernel.record import spell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.cgroup.hierarchy import Hierarchy
    from kernelbox.cgroup.stats import Stats


class CgroupV1(Cgroup):
    """A group in every v1 hierarchy that a container needs."""

    def __init__(self, name: str, host: Hierarchy) -> None:
        """Name the group; nothing is made or looked at."""
        super().__init__(name, host)
        self._of_controller = {
            controller: f"{mount}/kernelbox/{name}" for controller, mount in host.mounts.items()
        }

    def _pass_down(self, directory: str) -> None:
        """Do nothing: in v1 every group has its hierarchy's controllers."""

    def _counts_swap(self) -> bool:
        return self._peek("memory.memsw.limit_in_bytes") != ""

    def weigh_cpu(self, shares: int) -> None:
        """Give the group `shares`, which are v1's own units: `cpu.weight` would round them."""
        self.set("cpu.shares", limits.cpu_shares(shares))

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
        return f"This host has no {controller} controller mounted: see /proc/cgroups"

    def stats(self) -> Stats:
        """Return what the group has used, as numbers; None for what this host does not count."""
        from kernelbox.cgroup import stats  # not at the start of a container

        return stats.version_1(self._peek)

    def open(self) -> Entrance:
        """Open the way in for a process about to be born; the caller closes it.

        Raises:
            KernelError: ENOENT if the group does not exist.
        """
        return Entrance(tasks=[f"{directory}/tasks" for directory in self.directories])

    def frozen(self) -> bool:
        """Say whether every process in the group stands still."""
        return self._peek("freezer.state") == "FROZEN\n"

    def _path(self, v1_file: str) -> str:
        return f"{self._of_controller[v1_file.partition('.')[0]]}/{v1_file}"

    def _peek(self, v1_file: str) -> str:
        """Return the text of a v1 file of this group; empty if the host has none."""
        if v1_file.partition(".")[0] not in self._of_controller:
            return ""
        return tree.read(self._path(v1_file))

"""One control group, from mkdir to rmdir.

This is cgroup v2, where a group is one directory. On a v1 host a group is one directory per
hierarchy; v1.py says what differs. Every request goes through the recorder with the path that is
really written.
"""

from __future__ import annotations

import errno
import os

from kernelbox.cgroup import tree
from kernelbox.cgroup.hierarchy import WANTED
from kernelbox.cgroup.limited import Limited
from kernelbox.kernel import files
from kernelbox.kernel.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from kernelbox.cgroup.stats import Stats


class Cgroup(Limited):
    """A control group of kernelbox's.

    `with cgroup.of("mine") as group:` makes it, and in the end kills what is in it and removes it.
    """

    def __enter__(self) -> Self:
        """Make the group; when that fails half-way, remove the half. Raises what `create` does."""
        try:
            self.create()
        except KernelError as refusal:
            if refusal.errno != errno.EEXIST:  # then it is somebody else's
                self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what is in the group, and remove it. Raises what `kill` and `remove` do."""
        self.kill()
        self.remove()

    def below(self, name: str) -> Self:
        """Return the group `name` in this one, whether it exists or not; makes nothing.

        Raises:
            UsageError: `name` leads elsewhere.
        """
        return type(self)(f"{self.name}/{name}", self.host)

    @property
    def above(self) -> list[str]:
        """The directories that the group lies in, per hierarchy from `/kernelbox` downwards."""
        parts = self.name.split("/")[:-1]
        steps = ["/".join(["", *parts[:count]]) for count in range(len(parts) + 1)]
        return [f"{parent}{step}".rstrip("/") for parent in self.host.parents for step in steps]

    def create(self, *, taken: bool = False) -> None:
        """Make the group, and what it lies in where that is missing.

        When a request in the middle is refused, what was made stays: `remove` takes it away.

        Args:
            taken: Whether what there is of it already is taken. In v1 somebody may have made it in
                some hierarchies only.

        Raises:
            KernelError: EEXIST if there is such a group; EACCES, EROFS; EBUSY if the v2 root has
                processes in it and cannot pass controllers down (kernelbox inside a container).

        Source: cgroups(7), "Creating cgroups and moving processes".
        """
        depth = len(self.above) // len(self.directories)
        make = tree.make_unless_there if taken else tree.make
        for place, directory in enumerate(self.directories):
            self._make_below(self.above[place * depth : (place + 1) * depth], directory, make)

    def _make_below(
        self, above: list[str], directory: str, make: Callable[[str], None], attempts: int = 3
    ) -> None:
        """Make a directory of the group, and those above it that are missing."""
        try:
            tree.make_unless_there(above[0])
            if self.host.base:
                self._pass_down(os.path.dirname(above[0]))
            for parent in above:
                tree.make_unless_there(parent)
                self._pass_down(parent)
            make(directory)
        except (KernelError, FileNotFoundError) as refusal:
            # The last group in one of those above has just gone, and taken that with it.
            if attempts == 1 or refusal.errno != errno.ENOENT:
                raise
            self._make_below(above, directory, make, attempts - 1)

    def _pass_down(self, directory: str) -> None:
        """Let the groups in `directory` use the controllers a container needs.

        Source: cgroup-v2.rst, "Enabling and Disabling".
        """
        offered = files.read(f"{directory}/cgroup.controllers").split()
        passed = files.read(f"{directory}/cgroup.subtree_control").split()
        missing = [f"+{name}" for name in WANTED if name in offered and name not in passed]
        if missing:
            try:
                files.write(f"{directory}/cgroup.subtree_control", " ".join(missing))
            except KernelError as refusal:
                refusal.hint = self._explain("cgroup.subtree_control", refusal)
                raise

    def create_below(self) -> None:
        """Make the group in one that exists, and pass no controller down to it.

        Raises:
            KernelError: EEXIST, EACCES, EROFS; ENOENT if what it lies in is missing.
        """
        for directory in self.directories:
            tree.make(directory)

    @property
    def controllers(self) -> list[str]:
        """The controllers that the group can use. Source: cgroup-v2.rst, cgroup.controllers."""
        return self.get("cgroup.controllers").split()

    def pass_down(self, controllers: list[str]) -> None:
        """Let the groups below it use these controllers.

        Raises:
            KernelError: ENOENT if it has not got one itself; EBUSY if processes are in it.

        Source: cgroup-v2.rst, "No Internal Process Constraint".
        """
        self.set("cgroup.subtree_control", " ".join(f"+{name}" for name in controllers))

    @property
    def inside(self) -> Cgroup:
        """The group that a container's processes are in, and see as the root: in v2 this one.

        With `nsdelegate`, as systemd mounts it, v2 itself keeps whoever lives in a cgroup namespace
        from the limits of its root.

        Source: cgroup-v2.rst, "Delegation Containment".
        """
        return self

    def create_inside(self) -> None:
        """Make the group `inside` of this one, where that is another."""

    def remove(self, patience: float = tree.PATIENCE) -> None:
        """Remove the group and every group below it; twice is fine.

        Args:
            patience: Seconds that processes may take to leave it.

        Raises:
            KernelError: EBUSY if some remain.

        Source: cgroups(7), "Removing cgroups".
        """
        for directory in self.directories:
            tree.remove(directory, patience, self.host.base)

    def stats(self) -> Stats:
        """Return what the group has used, as numbers; None for what this host does not count."""
        from kernelbox.cgroup import stats  # not at the start of a container

        return stats.version_2(self.directories[0])

"""The way into a group for a process that is about to be born.

In v2 the kernel opens the door itself: clone3 with CLONE_INTO_CGROUP gives birth inside the group.
In v1 the child walks in, once per hierarchy, by writing `0` ("me") to a `tasks` file that was
opened for it. Two things speak for `tasks` over `cgroup.procs`, and for the child over its parent:

- A thread that moves only itself needs no lock over all processes of the system, whose writer
  waits for an RCU grace period: well under 1 ms for six hierarchies instead of up to tens.
- Permission is that of the one who opened the file. The child may be in a user namespace by then,
  where it could open nothing.

Source: cgroups(7); clone3(2), CLONE_INTO_CGROUP; kernel/cgroup, cgroup_procs_write_start().
"""

from __future__ import annotations

import os

from kernelbox.kernel import files
from kernelbox.kernel.door import spell
from kernelbox.kernel.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Entrance:
    """Open descriptors that let a new process into a group. Whoever opened it closes it.

    Attributes:
        clone_fd: The group's directory in v2, for clone3; None on a host without.
    """

    def __init__(self, *, directory: str | None = None, tasks: Iterable[str] = ()) -> None:
        """Open a group by its v2 `directory`, its v1 `tasks` files, or both.

        Raises:
            KernelError: ENOENT if the group does not exist; EACCES, EMFILE.
        """
        self.clone_fd: int | None = None
        self._tasks: dict[str, int] = {}
        try:
            if directory:
                self.clone_fd = _open(directory, os.O_RDONLY | os.O_DIRECTORY)
            for path in tasks:
                self._tasks[path] = _open(path, os.O_WRONLY)
        except KernelError:
            self.close()
            raise

    def enter(self) -> None:
        """Walk in: called by the child, which must have a single thread. It is in v2's by birth.

        Raises:
            KernelError: ENODEV if the group has been removed since.
        """
        for path, fd in self._tasks.items():
            files.write_fd(fd, path, "0")

    def close(self) -> None:
        """Close the descriptors; after a fork, each side closes its own."""
        for fd in self._tasks.values():
            os.close(fd)
        self._tasks.clear()
        if self.clone_fd is not None:
            os.close(self.clone_fd)
            self.clone_fd = None


def _open(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except OSError as refusal:
        hint = "Create the control group first" if isinstance(refusal, FileNotFoundError) else ""
        raise KernelError(spell("open", (path,)), refusal.errno or 0, hint) from refusal

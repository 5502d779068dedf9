"""The files of a group: written and read by the names that cgroup v2 has for them."""

from __future__ import annotations

import errno
import os

from kernelbox.cgroup import tree
from kernelbox.kernel import files
from kernelbox.kernel.door import spell
from kernelbox.kernel.errors import KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.cgroup.hierarchy import Hierarchy

_BUSY = {
    "cpuset.cpus": "A group below has CPUs beyond these, or no process in it would have one",
    "cgroup.subtree_control": "A group with processes in it passes nothing down: move them below",
}


class Interface:
    """Where a group is, and its files.

    Attributes:
        name: Its path below `/kernelbox`.
        host: The hierarchy it is in.
        directories: What it consists of, in the order in which it is made.
    """

    def __init__(self, name: str, host: Hierarchy) -> None:
        """Name the group; nothing is made or looked at."""
        for part in name.split("/"):
            if part in ("", ".", "..") or not part.isprintable():
                raise UsageError(
                    f"{name!r:.200} cannot name a control group",
                    "Use letters, digits, `-`, `_` and `.`",
                )
        self.name = name
        self.host = host
        self.directories = [f"{parent}/{name}" for parent in host.parents]

    def exists(self) -> bool:
        """Say whether any of the group's directories exists."""
        return any(os.path.isdir(directory) for directory in self.directories)

    def set(self, file: str, value: str | int) -> None:
        """Write `value` to cgroup v2's `file`; on a v1 host, to what means the same there.

        Args:
            file: A name such as `memory.max`, `cpu.max`, `pids.max`, `io.max`.
            value: What v2 takes: `max`, `64M`, `50000 100000`, `8:0 wbps=1048576`.

        Raises:
            KernelError: ENOENT if the host lacks the controller; EOPNOTSUPP if v1 has no
                counterpart of the file; EINVAL if the value is none the file takes.
            UsageError: `file` is not the name of a file.

        Source: cgroup-v2.rst, "Controllers".
        """
        if "/" in file:
            raise UsageError(f"{file} is not the name of a cgroup file", "For example memory.max")
        for path, text in self._writes(file, str(value)):
            try:
                files.write(path, text)
            except KernelError as refusal:
                refusal.hint = self._explain(file, refusal)
                raise

    def _writes(self, file: str, value: str) -> list[tuple[str, str]]:
        """Return the real paths to write, and what."""
        return [(f"{self.directories[0]}/{file}", value)]

    def why_not(self, file: str) -> str:
        """Return in one line why cgroup v2's `file` cannot be used here; empty if it can.

        Ask before relying on `memory.high`, `cpu.pressure` and others that v1 lacks.
        """
        controller = file.partition(".")[0]
        if controller in self.host.mounts:
            return ""
        mount = self.host.mounts["cgroup"]
        return (
            f"This host offers no {controller} controller: {mount}/cgroup.controllers lists what "
            "the kernel has, or whoever started this container has delegated"
        )

    def get(self, file: str) -> str:
        """Return what cgroup v2's `file` says, without the newline; on a v1 host, what it would.

        Returns:
            Empty if the host has no such file, or the group is gone.

        Source: cgroup-v2.rst, "Controllers".
        """
        return tree.read(f"{self.directories[0]}/{file}").rstrip("\n")

    def read(self, file: str) -> str:
        """Return what cgroup v2's `file` says, as `get`, or the reason why it says nothing.

        Raises:
            KernelError: ENOENT, EOPNOTSUPP: there is no such file here; the hint says why.
            UsageError: `file` is not the name of a file.
        """
        if "/" in file:
            raise UsageError(f"{file} is not the name of a cgroup file", "For example cpu.stat")
        try:
            return files.read(f"{self.directories[0]}/{file}").rstrip("\n")
        except OSError as refusal:
            error = KernelError(spell("open", (file,)), refusal.errno or 0)
            error.hint = self._explain(file, error)
            raise error from refusal

    def path(self, file: str) -> str:
        """Return the path of a file, by its name in the host's version; empty if there is none."""
        return f"{self.directories[0]}/{file}"

    def counter(self, file: str, key: str) -> int:
        """Return one number of a file of lines `key number`, such as `oom_kill` of memory.events.

        What happened in the groups below counts, too; 0 where nobody counts.

        Source: cgroup-v2.rst, "Flat keyed" files.
        """
        lines = (line.split() for line in self.get(file).splitlines())
        return next((int(line[1]) for line in lines if line[0] == key), 0)

    def _explain(self, file: str, refusal: KernelError) -> str:
        if refusal.errno == errno.ENOENT and not self.exists():
            return "Create the control group first"
        if refusal.errno == errno.ENOENT:
            return self.why_not(file) or f"This kernel offers no {file}"
        if refusal.errno == errno.EBUSY:
            return _BUSY.get(file, "The group uses more than that already")
        if refusal.errno == errno.EINVAL and file == "cpu.max":
            return "A group cannot have more of the CPU than the one that it lies in"
        return refusal.hint

"""A container without a control group of its own: where its maker may not write to any hierarchy.

It has the words of one, for the rooms that ask. Who is in it is found in /proc: whoever is in the
namespaces that were made for it, and what its first process has made. One that it joins is also
another's, as in a pod, and says nothing about who is whose. What only the kernel's groups can do,
to limit, count and freeze, is refused in one line.

Source: runc, docs/cgroup-v2.md, "Rootless"; ErrRootless in its libcontainer.
"""

from __future__ import annotations

import os
import time

from kernelbox import cgroup, namespaces
from kernelbox.cgroup import Cgroup, Entrance, Hierarchy
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from kernelbox.plumbing.light import signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kernelbox.cgroup.devices import Rule
    from kernelbox.cgroup.stats import Stats

_HINT = "Its maker may write to none: run it as root, or leave out what takes one"


class Groupless(Cgroup):
    """What stands where a control group would; its processes are in their maker's."""

    def __init__(self, first: int = 0, own: Iterable[str] = ()) -> None:
        """Stand in for a container's group.

        Args:
            first: The pid of its first process; 0 before it is there, or after its end.
            own: Namespaces that were made for it and that tell who is in it, as /proc calls them.
        """
        try:
            host = cgroup.find()
        except KernelboxError:  # nothing is mounted, as in many a container
            host = Hierarchy(2, {})
        super().__init__("none", host)
        self.name, self.directories = "", []
        self._first, self._own = first, tuple(own)

    @property
    def above(self) -> list[str]:
        """It lies in nothing."""
        return []

    def processes(self) -> list[int]:
        """Return who is in the container's own namespaces, and its first process's descendants.

        Without a PID namespace of its own, whoever has lost its parent there and gone into another
        mount namespace is not found.
        """
        return self._found({kind: _namespace(self._first, kind) for kind in self._own})

    def _found(self, theirs: dict[str, int]) -> list[int]:
        if not self._first:
            return []
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
        parents = {pid: process.parent(pid) for pid in pids}
        found = {self._first} & parents.keys()
        for kind, namespace in theirs.items():
            if namespace not in (0, _namespace("self", kind)):
                found.update(pid for pid in pids if _namespace(pid, kind) == namespace)
        while more := {pid for pid in pids if parents[pid] in found} - found:
            found |= more
        return sorted(found)

    def kill(self, seconds: float = 10.0) -> None:
        """End them with SIGKILL, the youngest first, and wait until they are gone.

        Raises:
            KernelboxError: Some are left after `seconds`.
        """
        # Held meanwhile: they tell who is left once the first is gone, and the number of one that
        # has ended may be another container's at once.
        held = {kind: fd for kind in self._own if (fd := _hold(self._first, kind)) is not None}
        theirs = {kind: os.fstat(fd).st_ino for kind, fd in held.items()}
        try:
            self._kill(theirs, time.monotonic() + seconds)
        finally:
            for fd in held.values():
                os.close(fd)

    def _kill(self, theirs: dict[str, int], end: float) -> None:
        while left := [pid for pid in self._found(theirs) if not process.has_ended(pid)]:
            if time.monotonic() > end:
                raise KernelboxError(
                    f"processes outlive SIGKILL: {left}", "See /proc/PID/wchan of each"
                )
            held = {}
            for pid in reversed(left):
                with suppress(ProcessLookupError):
                    held[pid] = process.pidfd_of(pid)
            still = self._found(theirs)  # a pid may have become another's before it was held
            for pid, pidfd in held.items():
                with suppress(KernelError):  # ESRCH
                    if pid in still:
                        process.pidfd_send_signal(pidfd, signal.SIGKILL)
                os.close(pidfd)
            time.sleep(0.005)

    def open(self) -> Entrance:
        """Return a way in that leads nowhere."""
        return Entrance()

    def limit_devices(self, rules: Sequence[Rule] = ()) -> bool:
        """Let its devices be what the kernel lets its maker use: no group, no list of them."""
        return False

    def set(self, file: str, value: str | int) -> None:
        """Refuse a limit. Raises UsageError."""
        raise self._refusal(file)

    def get(self, file: str) -> str:
        """Refuse to tell a limit. Raises UsageError."""
        raise self._refusal(file)

    def path(self, file: str) -> str:
        """Refuse a file. Raises UsageError."""
        raise self._refusal(file)

    def _refusal(self, file: str) -> UsageError:
        # runc's words, which its callers look for.
        return UsageError(
            f"cannot set {file.partition('.')[0]} limit: container could not join or create cgroup",
            f"{file}: {_HINT}",
        )

    def stats(self) -> Stats:
        """Refuse to count. Raises UsageError."""
        raise UsageError("the container has no control group: nothing counts what it uses", _HINT)

    def freeze(self, seconds: float = 2.0) -> None:
        """Refuse to let it stand still. Raises UsageError."""
        raise UsageError("the container has no control group that could be frozen", _HINT)

    def thaw(self) -> None:
        """Do nothing: it never stands still."""

    def frozen(self) -> bool:
        """Say that it does not stand still."""
        return False

    @property
    def state_file(self) -> str:
        """There is none."""
        return ""


def _namespace(pid: int | str, kind: str) -> int:
    """Return which namespace a process is in; 0 if we may not know, or it has ended."""
    try:
        return namespaces.identity(pid, kind)
    except OSError:
        return 0


def _hold(pid: int, kind: str) -> int | None:
    """Return a descriptor of the namespace that a process is in; None where that is not known."""
    try:
        return os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None

"""Who is in a group: moved in, counted, frozen, thawed, killed, waited for."""

from __future__ import annotations

import errno
import os
import time

from kernelbox.cgroup import tree
from kernelbox.cgroup.entrance import Entrance
from kernelbox.cgroup.interface import Interface
from kernelbox.cgroup.translation import IO_FILES
from kernelbox.kernel import files
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.kernel.process import stand_still
from kernelbox.plumbing.light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_INVALID = (
    "Its cgroup.type is domain invalid: the group above passed a controller down while it had "
    "processes. Make both anew, and put processes into the lower one only"
)


class Members(Interface):
    """The processes of a group, and of those below it."""

    def open(self) -> Entrance:
        """Open the way in for a process about to be born; the caller closes it.

        Raises:
            KernelError: ENOENT if the group does not exist.
        """
        return Entrance(directory=self.directories[0])

    def add(self, pid: int) -> None:
        """Move the running process `pid`, with all its threads, into the group.

        Raises:
            KernelError: ESRCH if there is no such process; ENOENT if there is no such group;
                EOPNOTSUPP if its v2 type is `domain invalid`.

        Source: cgroups(7), cgroup.procs, "Thread mode".
        """
        for directory in self.directories:
            try:
                files.write(f"{directory}/cgroup.procs", str(pid))
            except KernelError as refusal:
                if refusal.errno == errno.EOPNOTSUPP:
                    refusal.hint = _INVALID
                raise

    def processes(self) -> list[int]:
        """Return the pids in the group and in the groups below it."""
        return tree.processes(self.directories)

    def wait_empty(self, seconds: float) -> bool:
        """Wait at most `seconds` until no process is left; say whether that came true."""
        return _wait(lambda: not self.processes(), seconds)

    def freeze(self, seconds: float = 2.0) -> None:
        """Stop every process in the group and wait until they stand still.

        Raises:
            KernelboxError: Some process did not stop for `seconds`; the group is thawed again.
            KernelError: ENOENT if the group or the means to freeze it is missing.

        Source: cgroup-v2.rst, cgroup.freeze; cgroup-v1/freezer-subsystem.rst.
        """
        self.set("cgroup.freeze", 1)
        if not _wait(self.frozen, seconds):
            self.thaw()
            raise KernelboxError(
                f"the control group {self.name} does not freeze",
                "One of its processes waits inside the kernel: see /proc/PID/wchan",
            )

    def thaw(self) -> None:
        """Let a frozen group run again.

        Raises:
            KernelError: ENOENT if the group or the means to freeze it is missing.
        """
        self.set("cgroup.freeze", 0)

    def thaw_all(self) -> None:
        """Let SIGKILL reach whatever is frozen in the group and below: in v2 it always does.

        Source: cgroup-v2.rst, cgroup.freeze.
        """

    @property
    def state_file(self) -> str:
        """The path of the file that tells whether the group is frozen; empty if there is none."""
        return f"{self.directories[0]}/cgroup.events"

    def held(self) -> bool:
        """Say whether the group is told to stand still: it, and not one that it lies in or has."""
        return self.get("cgroup.freeze") == "1"

    def frozen(self) -> bool:
        """Say whether every process in the group stands still."""
        return stand_still(tree.read(self.state_file)) if self.state_file else False

    def kill(self, seconds: float = 10.0) -> None:
        """End every process in the group and below with SIGKILL, and wait until they are gone.

        Raises:
            KernelboxError: Some are left after `seconds`.

        Source: cgroup-v2.rst, cgroup.kill.
        """
        deadline = time.monotonic() + seconds
        while left := self.processes():
            if time.monotonic() > deadline:
                raise KernelboxError(
                    f"processes of the control group {self.name} outlive SIGKILL: {left}",
                    "They wait inside the kernel: see /proc/PID/wchan",
                )
            if os.path.exists(f"{self.directories[0]}/cgroup.kill"):
                self.set("cgroup.kill", 1)
            else:
                self._kill_each()
            if not self.wait_empty(1.0):
                self._let_disks_go()

    def _let_disks_go(self) -> None:
        """Lift each limit of a disk, here and below: who waits for one does not hear SIGKILL.

        Source: io_schedule() in the kernel, for requests that block/blk-throttle.c holds back.
        """
        free = " ".join(f"{key}=max" for key in IO_FILES)
        for directory in self.directories:
            for place in tree.below(directory):
                with suppress(KernelboxError):
                    group = type(self)(self.name + place.removeprefix(directory), self.host)
                    for line in group.get("io.max").splitlines():
                        group.set("io.max", f"{line.split()[0]} {free}")

    def _kill_each(self) -> None:
        """Signal one process after another; frozen meanwhile, or they might fork faster."""
        # Without a freezer, or with a process that is stuck, the caller goes round again.
        with suppress(KernelboxError):
            self.freeze()
        for pid in self.processes():
            tree.kill(pid, f"{self.host.base}/{self.name}")
        with suppress(KernelError):
            self.thaw()
            self.thaw_all()


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again, at most `seconds` long, until `condition` holds."""
    deadline = time.monotonic() + seconds
    pause = 0.0005
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, 0.02)
    return True

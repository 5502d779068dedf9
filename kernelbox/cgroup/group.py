"""One control group, from mkdir to rmdir: limits, who is in it, freeze, kill.

This is cgroup v2, where a group is one directory. On a v1 host a group is one directory per
hierarchy; v1.py says what differs. Every request goes through the recorder with the path that is
really written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time

from kernelbox.cgroup import devices, limit_values, tree
from kernelbox.cgroup.entrance import Entrance
from kernelbox.cgroup.hierarchy import WANTED
from kernelbox.kernel import bpf, files
from kernelbox.kernel.door import spell
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.cgroup.hierarchy import Hierarchy
    from kernelbox.cgroup.stats import Stats


class Cgroup:
    """A control group of kernelbox's.

    Attributes:
        name: Its last path component.
        host: The hierarchy it is in.
        directories: What it consists of, in the order in which it is made.
    """

    def __init__(self, name: str, host: Hierarchy) -> None:
        """Name the group; nothing is made or looked at."""
        if name in ("", ".", "..") or "/" in name or not name.isprintable():
            raise UsageError(
                f"{name!r} cannot name a control group", "Use letters, digits, `-`, `_` and `.`"
            )
        self.name = name
        self.host = host
        self.directories = [f"{parent}/{name}" for parent in host.parents]

    # --- making and removing --------------------------------------------------------------------

    def create(self) -> None:
        """Make the group, and what it lies in where that is missing.

        When a request in the middle is refused, what was made stays: `remove` takes it away.

        Raises:
            KernelError: EEXIST if there is such a group; EACCES, EROFS; EBUSY if the v2 root has
                processes in it and cannot pass controllers down (kernelbox inside a container).

        Source: cgroups(7), "Creating cgroups and moving processes".
        """
        for parent, directory in zip(self.host.parents, self.directories, strict=True):
            tree.make_parent(parent)
            self._pass_down(os.path.dirname(parent))
            self._pass_down(parent)
            tree.make(directory)

    def _pass_down(self, directory: str) -> None:
        """Let the groups in `directory` use the controllers a container needs.

        Source: cgroup-v2.rst, "Enabling and Disabling".
        """
        offered = files.read(f"{directory}/cgroup.controllers").split()
        passed = files.read(f"{directory}/cgroup.subtree_control").split()
        missing = [f"+{name}" for name in WANTED if name in offered and name not in passed]
        if missing:
            files.write(f"{directory}/cgroup.subtree_control", " ".join(missing))

    def below(self, name: str) -> Cgroup:
        """Return the group `name` in this one, whether it exists or not; makes nothing.

        Raises:
            UsageError: As for `of`.
        """
        group = type(self)(name, self.host)
        group.name = f"{self.name}/{name}"
        group.directories = [f"{directory}/{name}" for directory in self.directories]
        return group

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
        return tree.read(f"{self.directories[0]}/cgroup.controllers").split()

    def pass_down(self, controllers: list[str]) -> None:
        """Let the groups below it use these controllers.

        Raises:
            KernelError: ENOENT if it has not got one itself; EBUSY if processes are in it.

        Source: cgroup-v2.rst, "No Internal Process Constraint".
        """
        text = " ".join(f"+{name}" for name in controllers)
        files.write(f"{self.directories[0]}/cgroup.subtree_control", text)

    def exists(self) -> bool:
        """Say whether any of the group's directories exists."""
        return any(os.path.isdir(directory) for directory in self.directories)

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
            tree.remove(directory, patience)

    # --- limits ---------------------------------------------------------------------------------

    def limit_memory(self, size: int) -> None:
        """Let the group use at most `size` bytes of memory, and as much swap again.

        Memory and swap together are twice the limit, as with Docker. On a host that does not
        count swap, memory alone is limited. 0 and -1 mean no limit.

        Raises:
            UsageError: Less than 6 MiB.
            KernelError: ENOENT without a memory controller; EBUSY in v1 if more is in use already.

        Source: cgroup-v2.rst, memory.max, memory.swap.max; Docker, `--memory`, `--memory-swap`.
        """
        value = limit_values.memory_max(size)
        self.set("memory.max", value)
        if self._counts_swap():
            self.set("memory.swap.max", value)

    def _counts_swap(self) -> bool:
        return os.path.exists(f"{self.directories[0]}/memory.swap.max")

    def limit_cpu(self, quota_us: int, period_us: int = limit_values.DEFAULT_PERIOD) -> None:
        """Let the group run for `quota_us` microseconds in every `period_us`, over all CPUs.

        A quota of 0 or -1 means no limit. `cpu_quota` gives both numbers for Docker's `--cpus`.

        Raises:
            UsageError: A quota below 1 ms; a period outside 1 ms to 1 s.
            KernelError: ENOENT without a cpu controller.

        Source: cgroup-v2.rst, cpu.max.
        """
        self.set("cpu.max", limit_values.cpu_max(quota_us, period_us))

    def weigh_cpu(self, shares: int) -> None:
        """Give the group `shares` (2 to 262144, usually 1024) where CPU time is contended.

        Raises:
            UsageError: Outside that range.
            KernelError: ENOENT without a cpu controller.

        Source: cgroup-v2.rst, cpu.weight; Docker, `--cpu-shares`.
        """
        self.set("cpu.weight", limit_values.cpu_weight(shares))

    def limit_pids(self, number: int) -> None:
        """Let the group have at most `number` processes and threads; 0 and -1 mean no limit.

        Raises:
            UsageError: Less than -1, or more than the kernel has pids.
            KernelError: ENOENT without a pids controller.

        Source: cgroup-v2.rst, pids.max; Docker, `--pids-limit`.
        """
        self.set("pids.max", limit_values.pids_max(number))

    def limit_devices(self) -> None:
        """Let the group use the devices that every container has, and no other of the host's.

        A kernel without such programs cannot keep a container with CAP_SYS_ADMIN from them.

        Raises:
            KernelError: EPERM without CAP_BPF or CAP_SYS_ADMIN.

        Source: cgroup-v2.rst, "Device controller".
        """
        group = os.open(self.directories[0], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            program = bpf.load_device_program(devices.program(devices.DEFAULT))
            try:
                bpf.attach_to_group(group, program)
            finally:
                os.close(program)
        except KernelError as refusal:
            if refusal.errno not in (errno.ENOSYS, errno.EINVAL):
                raise
        finally:
            os.close(group)

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

    def get(self, file: str) -> str:
        """Return the text of cgroup v2's `file`; on a v1 host, what v2 would say.

        Raises:
            KernelError: ENOENT, EOPNOTSUPP: there is no such file here; the hint says why.
            UsageError: As for `set`.

        Source: cgroup-v2.rst, "Controllers".
        """
        if "/" in file:
            raise UsageError(f"{file} is not the name of a cgroup file", "For example cpu.stat")
        try:
            return files.read(f"{self.directories[0]}/{file}").rstrip("\n")
        except OSError as refusal:
            error = KernelError(spell("open", (file,)), refusal.errno or 0)
            error.hint = self._explain(file, error)
            raise error from refusal

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
        return f"This host offers no {controller} controller: see cgroup.controllers"

    def _explain(self, file: str, refusal: KernelError) -> str:
        if refusal.errno == errno.ENOENT and not self.exists():
            return "Create the control group first"
        if refusal.errno == errno.ENOENT:
            return self.why_not(file) or f"This kernel offers no {file}"
        if refusal.errno == errno.EBUSY:
            return "The group uses more than that already"
        return refusal.hint

    def stats(self) -> Stats:
        """Return what the group has used, as numbers; None for what this host does not count."""
        from kernelbox.cgroup import stats  # not at the start of a container

        return stats.version_2(self.directories[0])

    # --- processes ------------------------------------------------------------------------------

    def open(self) -> Entrance:
        """Open the way in for a process about to be born; the caller closes it.

        Raises:
            KernelError: ENOENT if the group does not exist.
        """
        return Entrance(directory=self.directories[0])

    def add(self, pid: int) -> None:
        """Move the running process `pid`, with all its threads, into the group.

        Raises:
            KernelError: ESRCH if there is no such process; ENOENT if there is no such group.

        Source: cgroups(7), cgroup.procs.
        """
        for directory in self.directories:
            files.write(f"{directory}/cgroup.procs", str(pid))

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
            self.wait_empty(1.0)

    def _kill_each(self) -> None:
        """Signal one process after another; frozen meanwhile, or they might fork faster."""
        # Without a freezer, or with a process that is stuck, the caller goes round again.
        with contextlib.suppress(KernelboxError):
            self.freeze()
        for pid in self.processes():
            tree.kill(pid, self.name)
        with contextlib.suppress(KernelError):
            self.thaw()
            self.thaw_all()


def stand_still(state: str) -> bool:
    """Say whether processes are frozen, by the text of their group's `state_file`."""
    return "frozen 1" in state or state == "FROZEN\n"


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

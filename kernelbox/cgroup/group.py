"""One control group, from mkdir to rmdir, and what it may use.

This is cgroup v2, where a group is one directory. On a v1 host a group is one directory per
hierarchy; v1.py says what differs. Every request goes through the recorder with the path that is
really written.
"""

from __future__ import annotations

import errno
import os

from kernelbox.cgroup import devices, limit_values, translation, tree
from kernelbox.cgroup.hierarchy import WANTED
from kernelbox.cgroup.members import Members
from kernelbox.kernel import bpf, files
from kernelbox.kernel.door import spell
from kernelbox.kernel.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from kernelbox.cgroup.stats import Stats


class Cgroup(Members):
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

    # --- making and removing --------------------------------------------------------------------

    def create(self) -> None:
        """Make the group, and what it lies in where that is missing.

        When a request in the middle is refused, what was made stays: `remove` takes it away.

        Raises:
            KernelError: EEXIST if there is such a group; EACCES, EROFS; EBUSY if the v2 root has
                processes in it and cannot pass controllers down (kernelbox inside a container).

        Source: cgroups(7), "Creating cgroups and moving processes".
        """
        depth = len(self.above) // len(self.directories)
        for place, directory in enumerate(self.directories):
            self._make_below(self.above[place * depth : (place + 1) * depth], directory)

    def _make_below(self, above: list[str], directory: str, attempts: int = 3) -> None:
        """Make a directory of the group, and those above it that are missing."""
        try:
            tree.make_parent(above[0])
            self._pass_down(os.path.dirname(above[0]))
            for parent in above:
                tree.make_parent(parent)
                self._pass_down(parent)
            tree.make(directory)
        except (KernelError, FileNotFoundError) as refusal:
            # The last group in one of those above has just gone, and taken that with it.
            if attempts == 1 or refusal.errno != errno.ENOENT:
                raise
            self._make_below(above, directory, attempts - 1)

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
            tree.remove(directory, patience)

    # --- limits ---------------------------------------------------------------------------------

    def limit_memory(self, size: int, together: int = 0) -> None:
        """Let the group use at most `size` bytes of memory, and `together` of memory and swap.

        Args:
            size: 0 and -1 mean no limit.
            together: 0 means twice `size`, as with Docker, or on a host that does not count swap,
                memory alone; the same as `size`, no swap; -1, as much swap as there is.

        Raises:
            UsageError: Less than 6 MiB, or less together than alone.
            KernelError: ENOENT without a memory controller, or for `together` where swap is not
                counted; EBUSY in v1 if more is in use already. In v2 the kernel ends processes
                until it fits.

        Source: cgroup-v2.rst, memory.max, memory.swap.max; Docker, `--memory`, `--memory-swap`.
        """
        value, swap = limit_values.memory_max(size), limit_values.swap_max(size, together)
        if self._counts_swap():
            self.set("memory.max", value)
            self.set("memory.swap.max", swap)
        elif together in (0, -1):
            self.set("memory.max", value)
        else:
            request = spell("write", ("memory.swap.max", swap))
            raise KernelError(request, errno.ENOENT, translation.NO_SWAP)

    def reserve_memory(self, size: int, limit: int = 0) -> None:
        """Take memory from the group last as long as it uses at most `size` bytes; 0 is no promise.

        Raises:
            UsageError: Less than 6 MiB, or more than the `limit`, if it has one.
            KernelError: ENOENT without a memory controller.

        Source: cgroup-v2.rst, memory.low; Docker, `--memory-reservation`.
        """
        self.set("memory.low", limit_values.memory_low(size, limit))

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

    def choose_cpus(self, cpus: str) -> None:
        """Let the group run on these CPUs only, such as `0-2,5`.

        Raises:
            KernelError: ENOENT without a cpuset controller; EINVAL or ERANGE for CPUs that there
                are not; EBUSY in v1 if a group below has others.

        Source: cgroup-v2.rst, cpuset.cpus; Docker, `--cpuset-cpus`.
        """
        self.set("cpuset.cpus", cpus)

    def chosen_cpus(self) -> str:
        """Return the CPUs that the group was given; empty if it has those of the group above."""
        return self.get("cpuset.cpus")

    def limit_pids(self, number: int) -> None:
        """Let the group have at most `number` processes and threads; 0 and -1 mean no limit.

        Raises:
            UsageError: Less than -1, or more than the kernel has pids.
            KernelError: ENOENT without a pids controller.

        Source: cgroup-v2.rst, pids.max; Docker, `--pids-limit`.
        """
        self.set("pids.max", limit_values.pids_max(number))

    def weigh_io(self, weight: int) -> None:
        """Give the group's disk requests a `weight` (10 to 1000) where a disk is contended.

        Raises:
            UsageError: Outside that range.
            KernelError: ENOENT where the kernel weighs no requests: neither BFQ nor io.cost.

        Source: cgroup-v2.rst, io.weight; block/bfq-iosched.rst; Docker, `--blkio-weight`.
        """
        if self.get("io.bfq.weight"):
            self.set("io.bfq.weight", limit_values.bfq_weight(weight))
        else:
            self.set("io.weight", limit_values.io_weight(weight))

    def limit_io(self, disk: str, **rates: int) -> None:
        """Let the group do so much a second with a disk; 0 means no limit.

        Args:
            disk: Its numbers, `8:0`: disks.find has them from a device node.
            rates: By the names of `io.max`: rbps and wbps in bytes, riops and wiops in requests.

        Raises:
            UsageError: More than the kernel can count.
            KernelError: ENOENT without an io controller; ENODEV if it is no whole disk.

        Source: cgroup-v2.rst, io.max; cgroup-v1/blkio-controller.rst.
        """
        words = (f"{key}={limit_values.rate(most)}" for key, most in rates.items())
        self.set("io.max", " ".join([disk, *words]))

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

    def stats(self) -> Stats:
        """Return what the group has used, as numbers; None for what this host does not count."""
        from kernelbox.cgroup import stats  # not at the start of a container

        return stats.version_2(self.directories[0])

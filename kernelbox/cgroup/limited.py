"""What a group may use: of memory, CPU, processes, disks and devices, in Docker's units.

These are cgroup v2's files, by the rules in limit_values.py; v1.py says what differs there.
"""

from __future__ import annotations

import errno
import os

from kernelbox.cgroup import devices, limit_values, translation
from kernelbox.cgroup.members import Members
from kernelbox.kernel import bpf
from kernelbox.kernel.door import spell
from kernelbox.kernel.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Limited(Members):
    """The limits of a group, for itself and all that is below it."""

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

    def limit_devices(self, rules: Sequence[devices.Rule] = devices.DEFAULT) -> bool:
        """Let the group use the devices that rules allow, and no other of the host's.

        Args:
            rules: The last that fits a device counts.

        Returns:
            Whether the kernel sees to it. One without such programs cannot keep a container with
            CAP_SYS_ADMIN from them.

        Raises:
            KernelError: EPERM without CAP_BPF or CAP_SYS_ADMIN.

        Source: cgroup-v2.rst, "Device controller".
        """
        group = os.open(self.directories[0], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            program = bpf.load_device_program(devices.program(rules))
            try:
                bpf.attach_to_group(group, program)
            finally:
                os.close(program)
        except KernelError as refusal:
            if refusal.errno not in (errno.ENOSYS, errno.EINVAL):
                raise
            return False
        finally:
            os.close(group)
        return True

    def devices_beyond(self) -> list[str] | None:
        """Return which devices the kernel lets the group use beyond those of every container.

        They are as v1 writes them: `c 10:229 rwm`. None if it may use any. Of a program the kernel
        tells only that there is one: then nothing is returned.

        Source: cgroup-v2.rst, "Device controller".
        """
        group = os.open(self.directories[0], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return [] if bpf.device_programs(group) > 0 else None
        except OSError as refusal:
            if refusal.errno not in (errno.ENOSYS, errno.EINVAL):
                raise
            return None
        finally:
            os.close(group)

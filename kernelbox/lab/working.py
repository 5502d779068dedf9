"""Loads in a notebook: what uses up CPU time, memory, processes or a disk, and how it fares."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.door import Event
from kernelbox.kernel.process import wait_until_gone
from kernelbox.lab.groups import Group
from kernelbox.lab.traces import Trace
from kernelbox.loads import sheet
from kernelbox.loads.disk import BLOCK

if TYPE_CHECKING:
    from kernelbox.lab.agent_link import AgentLink

_PATIENCE = 5.0  # seconds


class Load:
    """A process that uses something up, until `end()`, or until the end of the lab or its group.

    Attributes:
        kind: What it does: `burn`, `serve`, `eat`, `fork_many`, `write`, `read`.
        pid: Of its first worker, as the host counts.
    """

    def __init__(self, agent: AgentLink, kind: str, pid: int, pidfd: int, told: int) -> None:
        self.kind = kind
        self.pid = pid
        self._agent = agent
        self._pidfd = pidfd
        self._told = told
        self._final: list[sheet.Row] = []

    @property
    def count(self) -> int:
        """What all workers have done so far: turns, jobs, bytes, children."""
        return sum(row.done for row in self._rows())

    @property
    def measured(self) -> list[float]:
        """The last measurements of all workers, seconds: 4094 of each at most."""
        return [seconds for row in self._rows() for seconds in row.measured]

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._pidfd >= 0 and not wait_until_gone(self._pidfd, 0)

    def end(self) -> None:
        """Kill it. What it has told can still be read. Twice is fine."""
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd < 0:
            return
        try:
            self._agent.kill(pidfd)
            wait_until_gone(pidfd, _PATIENCE)
        finally:
            self._final = sheet.read(self._told)
            os.close(pidfd)
            os.close(self._told)

    remove = end

    def __repr__(self) -> str:
        return f"<a load: {self.kind}>"

    def _rows(self) -> list[sheet.Row]:
        return sheet.read(self._told) if self._pidfd >= 0 else self._final


class Disk:
    """A disk of the lab's own: a loop device; it goes with `remove()`, or with the lab.

    Whoever has it open or mounted keeps it until then.

    Attributes:
        path: Of the device.
        size: Bytes.
        number: Major and minor number as `io.max` wants them, such as `7:0`.
    """

    def __init__(self, agent: AgentLink, size: int) -> None:
        self.path = str(agent.call("make_disk", size=size))
        self.size = size
        device = os.stat(self.path).st_rdev
        self.number = f"{os.major(device)}:{os.minor(device)}"
        self._agent = agent
        agent.owned.append(self)

    def partition(self, number: int, begin: int, size: int) -> Trace:
        """Tell the kernel of a partition, `/dev/loop0p1` of `/dev/loop0`; it goes with the disk.

        Args:
            number: Of the partition, from 1 on.
            begin: Bytes from the disk's begin.
            size: Bytes.

        Raises:
            LabError: EBUSY: it overlaps another, or has its number; EINVAL: it does not fit.

        Source: linux/blkpg.h; addpart(8).
        """
        told = self._agent.call(
            "add_partition", path=self.path, number=number, begin=begin, size=size
        )
        return Trace(Event(*event) for event in told)

    def remove(self) -> None:
        """Let go of it. Twice is fine."""
        with suppress(ValueError):
            self._agent.owned.remove(self)
        self._agent.call("remove_disk", path=self.path)

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        return "<a disk>"


class Working:
    """What a lab makes for chapters on limits: control groups, and loads to work in them.

    Every load takes `group`, where it is born (without one: where held processes are), and `cpus`,
    the numbers of the CPUs that it may run on (without them: all that its group may).
    """

    _agent: AgentLink

    def cgroup(self, name: str) -> Group:
        """Make a control group; one of this name that the notebook has made before goes first.

        Args:
            name: One word; a group in it is made by its own `cgroup`.

        Raises:
            LabError: The name cannot name a group; this host has no control groups.
        """
        return Group(self._agent, name)

    def disk(self, size: int) -> Disk:
        """Make a disk of so many bytes, of which `path` is the device.

        Raises:
            LabError: It is smaller than 1 MiB; there is no room for it, or no loop device.
        """
        return Disk(self._agent, size)

    def burn(
        self, workers: int = 1, *, group: Group | None = None, cpus: tuple[int, ...] = ()
    ) -> Load:
        """Use the CPU without a pause, in so many processes.

        It counts turns, and measures each pause of more than 2 ms in which it wanted to run.
        """
        return self._load("burn", workers, group, cpus)

    def serve(
        self,
        work: float,
        every: float,
        *,
        open_loop: bool = False,
        group: Group | None = None,
        cpus: tuple[int, ...] = (),
    ) -> Load:
        """Do a job that takes `work` seconds of CPU time, sleep `every` seconds, do the next.

        With `open_loop` a job comes every so many seconds, whether the one before is done or not.
        It counts jobs, and measures how long each took: from its coming to its end.
        """
        return self._load("serve", 1, group, cpus, work=work, every=every, open_loop=open_loop)

    def eat(
        self,
        size: int,
        rate: float = math.inf,
        *,
        group: Group | None = None,
        cpus: tuple[int, ...] = (),
    ) -> Load:
        """Touch `size` bytes of memory, `rate` a second, and keep them. It counts bytes."""
        return self._load("eat", 1, group, cpus, size=size, rate=rate)

    def fork_many(
        self,
        number: int,
        rate: float = 100.0,
        *,
        group: Group | None = None,
        cpus: tuple[int, ...] = (),
    ) -> Load:
        """Have `number` children that sleep, `rate` a second; a refused fork is tried again.

        It counts children, and measures how long each fork took.
        """
        return self._load("fork_many", 1, group, cpus, number=number, rate=rate)

    def write(
        self,
        path: str | os.PathLike[str],
        size: int,
        rate: float = math.inf,
        *,
        block: int = BLOCK,
        at_random: bool = False,
        direct: bool = False,
        group: Group | None = None,
        cpus: tuple[int, ...] = (),
    ) -> Load:
        """Write a file of `size` bytes over and over, block after block.

        Args:
            path: Of the file, which stays; or of a disk, `disk.path`.
            size: Bytes.
            rate: Bytes in a second, at most.
            block: Bytes of one request; direct ones are a multiple of the disk's own block.
            at_random: Whether the blocks come in any order.
            direct: Whether to go past the page cache: open(2), O_DIRECT.
            group: As for every load.
            cpus: As for every load.

        It counts bytes, and measures each request.
        """
        return self._move("write", path, size, rate, block, at_random, direct, group, cpus)

    def read(
        self,
        path: str | os.PathLike[str],
        size: int,
        rate: float = math.inf,
        *,
        block: int = BLOCK,
        at_random: bool = False,
        direct: bool = False,
        group: Group | None = None,
        cpus: tuple[int, ...] = (),
    ) -> Load:
        """Read the first `size` bytes of a file over and over. Arguments are those of `write`."""
        return self._move("read", path, size, rate, block, at_random, direct, group, cpus)

    def _move(
        self,
        kind: str,
        path: str | os.PathLike[str],
        size: int,
        rate: float,
        block: int,
        at_random: bool,
        direct: bool,
        group: Group | None,
        cpus: tuple[int, ...],
    ) -> Load:
        options = {"size": size, "rate": rate, "block": block}
        options |= {"at_random": at_random, "direct": direct}
        return self._load(kind, 1, group, cpus, path=os.path.abspath(path), **options)

    def _load(
        self, kind: str, workers: int, group: Group | None, cpus: tuple[int, ...], **options: Any
    ) -> Load:
        answer = self._agent.ask(
            "load",
            load=kind,
            workers=workers,
            options=options,
            group=group.name if group is not None else "",
            cpus=list(cpus),
        )
        load = Load(self._agent, kind, answer["value"], *answer["fds"])
        self._agent.owned.append(load)
        return load

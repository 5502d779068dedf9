"""Starting a load: a fork of the agent that does nothing but use something up.

It is born in a group of the notebook's, or else in the one for held processes, and ends with the
agent.
"""

from __future__ import annotations

import os
from contextlib import closing, contextmanager

from kernelbox.agent import fork_limit, forking, groups
from kernelbox.kernel import door, process
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.loads import kinds, sheet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

    from kernelbox.agent.forking import Arrived
    from kernelbox.cgroup import Entrance


def begin(
    load: str, workers: int, options: dict[str, Any], group: str, cpus: list[int]
) -> tuple[int, list[int]]:
    """Fork a load; return its pid, its pidfd, and the file in which it tells how it fares.

    Args:
        load: Its kind, as in `loads.kinds`.
        workers: How many processes do the same.
        options: Of the load.
        group: Path of a group that this agent has made; empty for the one of held processes.
        cpus: Which it may run on; empty for all that its group may.

    Raises:
        UsageError: There is no such load, or it cannot be as asked for.
        KernelError: ENOENT if the group is gone; EAGAIN if there is no room for a process.
        KernelboxError: It has ended before it was in its group.
    """
    kinds.check(load, workers, options)
    if strange := set(cpus) - os.sched_getaffinity(0):
        raise UsageError(f"there is no CPU {min(strange)} to run on", "See: nproc, taskset -p $$")
    told = sheet.make(workers)
    try:
        with _entrance(group) as way_in:

            def be(arrived: Arrived) -> NoReturn:
                _settle(way_in, cpus)
                process.rename(load)
                arrived()
                process.close_all_but([])
                kinds.run(load, workers, options, rows)

            rows = sheet.Sheet(told)
            clone_fd = None if way_in is None else way_in.clone_fd
            pid, pidfd, arrived = forking.fork(clone_fd, be)
        if not arrived:
            os.close(pidfd)
            raise KernelboxError(
                "the load could not enter its group", "Has the group a CPU to run on: cpuset.cpus?"
            )
    except BaseException:
        os.close(told)
        raise
    return pid, [pidfd, told]


def _settle(way_in: Entrance | None, cpus: list[int]) -> None:
    """Be a process of its own: in its group, on its CPUs, and no longer than the agent."""
    door.sink = None
    process.default_signals()
    process.die_with_parent()
    if way_in is not None:
        way_in.enter()
    if cpus:
        os.sched_setaffinity(0, cpus)


@contextmanager
def _entrance(group: str) -> Iterator[Entrance | None]:
    if not group:
        with fork_limit.opened() as way_in:
            yield way_in
        return
    with closing(groups.find(group).open()) as way_in:
        yield way_in

"""Starting a load: a fork of the agent that does nothing but use something up.

It is born in a group of the notebook's, or else in the one for held processes, and ends with the
agent.
"""

from __future__ import annotations

import os
from contextlib import closing, contextmanager

from kernelbox.agent import fork_limit, groups
from kernelbox.kernel import door, process
from kernelbox.kernel.errors import UsageError
from kernelbox.loads import kinds, sheet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

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
    """
    kinds.check(load, workers, options)
    if strange := set(cpus) - os.sched_getaffinity(0):
        raise UsageError(f"there is no CPU {min(strange)} to run on", "See: nproc, taskset -p $$")
    told = sheet.make(workers)
    try:
        with _entrance(group) as way_in:
            pid, pidfd = process.clone3(0, None if way_in is None else way_in.clone_fd)
            if pid == 0:
                _be(load, workers, options, told, way_in, cpus)
    except BaseException:
        os.close(told)
        raise
    return pid, [pidfd, told]


@contextmanager
def _entrance(group: str) -> Iterator[Entrance | None]:
    if not group:
        with fork_limit.opened() as way_in:
            yield way_in
        return
    with closing(groups.find(group).open()) as way_in:
        yield way_in


def _be(
    kind: str,
    workers: int,
    options: dict[str, Any],
    told: int,
    way_in: Entrance | None,
    cpus: list[int],
) -> NoReturn:
    try:
        door.sink = None
        process.default_signals()
        process.die_with_parent()
        if way_in is not None:
            way_in.enter()
        process.close_all_but([told])
        process.rename(kind)
        if cpus:
            os.sched_setaffinity(0, cpus)
        kinds.run(kind, workers, options, sheet.Sheet(told))
    finally:
        os._exit(1)

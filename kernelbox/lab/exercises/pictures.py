"""A picture of what the lab gives, taken at the giving: what has become of it since is compared.

A student may change a given process instead of making one of their own, and so make an exercise
trivial. And of two processes that have ended, the kernel tells who went first only those who have
watched from before.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from kernelbox.kernel.process import pidfd_of
from kernelbox.lab import reading
from kernelbox.lab.exercises import outside
from kernelbox.lab.held import Held
from kernelbox.lab.started import Container

if TYPE_CHECKING:
    from typing import Any


class Ends:
    """In what order processes end; it may be asked long after.

    A process's descriptor is ready from its end on, and epoll has those that are ready in the order
    in which they became so.

    Args:
        *pids: Of processes that run.

    Source: pidfd_open(2); epoll(7); ep_poll_callback() in the kernel appends to its list.
    """

    def __init__(self, *pids: int) -> None:
        self._epoll = select.epoll(len(pids))
        self._pids: dict[int, int] = {}
        for pid in pids:
            with suppress(ProcessLookupError):
                self._pids[pidfd_of(pid)] = pid
        for pidfd in self._pids:
            self._epoll.register(pidfd, select.EPOLLIN)

    def so_far(self) -> list[int]:
        """Return the PIDs of those that have ended, the first one first."""
        return [self._pids[pidfd] for pidfd, _ in self._epoll.poll(0)]

    def __del__(self) -> None:
        for pidfd in self._pids:
            os.close(pidfd)


@dataclass(frozen=True)
class Picture:
    """What a process was like: the given one, or the init of the given container.

    Attributes:
        mounts: The fields of each line of its mountinfo.
        parent: The PID of its parent.
        ends: Who ends first, it or its parent.
    """

    mounts: list[list[str]]
    parent: int
    ends: Ends


_taken: WeakKeyDictionary[Any, Picture] = WeakKeyDictionary()


def take(thing: object) -> None:
    """Take a picture of a process or a container that runs; of nothing else."""
    if isinstance(thing, (Held, Container)):
        with suppress(OSError):  # it has ended already
            parent = int(reading.status(thing.pid)["PPid"])
            ends = Ends(thing.pid, parent)
            _taken[thing] = Picture(outside.mounts(thing.pid), parent, ends)


def of(thing: Held | Container) -> Picture | None:
    """Return the picture that was taken of a thing; None if it was never given."""
    return _taken.get(thing)

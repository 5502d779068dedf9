"""A load on the table of processes: `fork_many` has children at a stated rate. They only sleep."""

from __future__ import annotations

import errno
import os
import signal
import time

from kernelbox.loads.family import end_with
from kernelbox.loads.pace import Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from kernelbox.loads.sheet import Sheet


def fork_many(sheet: Sheet, worker: int, number: int, rate: float) -> NoReturn:
    """Fork `number` children, then sleep. Tells children, and measures each fork that is granted.

    A fork that is refused (EAGAIN: pids.max) is tried again at its next turn.

    Args:
        sheet: Where it tells.
        worker: Whose row that is.
        number: Children in all.
        rate: Forks in a second.

    Source: fork(2), EAGAIN.
    """
    pace = Pace(rate)
    load = os.getpid()
    children = 0
    while children < number:
        began = time.perf_counter()
        try:
            pid = os.fork()
        except OSError as refusal:
            if refusal.errno != errno.EAGAIN:
                raise
        else:
            if pid == 0:
                end_with(load)
                _sleep()
            children += 1
            sheet.measure(worker, time.perf_counter() - began)
            sheet.tell(worker, children)
        pace.wait(1)
    _sleep()


def _sleep() -> NoReturn:
    while True:
        signal.pause()

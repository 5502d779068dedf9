"""Loads on the processor: `burn` uses what it gets, `serve` a little, again and again.

What they do is counted in CPU time, not in loops: it is the same on a fast machine and a slow one.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from kernelbox.loads.sheet import Sheet

TURN = 0.0002  # seconds of CPU time between two looks at the clock
GAP = 0.002  # seconds from which on a pause is told


def burn(sheet: Sheet, worker: int) -> NoReturn:
    """Use the CPU without a pause. Tells turns, and measures each pause of more than 2 ms.

    A pause is time in which it wanted to run and did not: throttled, or another's turn.

    Args:
        sheet: Where it tells.
        worker: Whose row that is.
    """
    turns = 0
    last = time.perf_counter()
    while True:
        until = time.thread_time() + TURN
        while time.thread_time() < until:
            pass
        now = time.perf_counter()
        if now - last > GAP:
            sheet.measure(worker, now - last)
        last = now
        turns += 1
        sheet.tell(worker, turns)


def serve(sheet: Sheet, worker: int, work: float, every: float) -> NoReturn:
    """Do a job, sleep, do the next. Tells jobs, and measures how long each took from its beginning.

    Args:
        sheet: Where it tells.
        worker: Whose row that is.
        work: CPU time that a job takes, seconds.
        every: Sleep between two jobs, seconds.
    """
    jobs = 0
    while True:
        time.sleep(every)
        began, until = time.perf_counter(), time.thread_time() + work
        while time.thread_time() < until:
            pass
        sheet.measure(worker, time.perf_counter() - began)
        jobs += 1
        sheet.tell(worker, jobs)

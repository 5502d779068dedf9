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
_QUEUE = 1.0  # seconds that a job waits for its turn, at most


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


def serve(sheet: Sheet, worker: int, work: float, every: float, open_loop: bool) -> NoReturn:
    """Do a small job again and again. Tells jobs, and measures how long each took.

    In a closed loop it sleeps between two jobs, and a job that takes long keeps the next from
    coming. In an open loop jobs come by the clock, as requests of many users do: whoever comes
    meanwhile waits, and that counts. Of more than a second's worth, the oldest give up.

    Args:
        sheet: Where it tells.
        worker: Whose row that is.
        work: CPU time that a job takes, seconds.
        every: Sleep between two jobs, or in an open loop from one coming to the next, seconds.
        open_loop: Which of the two.
    """
    jobs = 0
    came = time.perf_counter()
    while True:
        if open_loop:
            came = max(came + every, time.perf_counter() - _QUEUE)
            time.sleep(max(came - time.perf_counter(), 0))
        else:
            time.sleep(every)
            came = time.perf_counter()
        until = time.thread_time() + work
        while time.thread_time() < until:
            pass
        sheet.measure(worker, time.perf_counter() - came)
        jobs += 1
        sheet.tell(worker, jobs)

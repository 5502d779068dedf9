"""Running what may hang: a call is over after its time, whatever it does in it.

A signal ends it: as Ctrl-C would, so whoever holds a process or a container lets go of it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from kernelbox.lab.conversation import LabError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, TypeVar

    Value = TypeVar("Value")

# Code that catches everything, in a loop, catches one exception after the other. What it cannot
# catch is one in its handler: after the grace, one is raised in every line.
_AGAIN = 0.02  # seconds
_GRACE = 1.0  # seconds, in which processes are let go of


class TimeIsUp(KeyboardInterrupt):
    """A call has taken longer than it may."""


def patient(seconds: float) -> float:
    """Return how long something may take that takes so long where nothing else runs.

    A right answer is right on a busy machine, too, where each processor has several to serve. Up to
    four times as long: longer nobody waits for what hangs.

    Source: proc_loadavg(5); sched(7).
    """
    return seconds * min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), 4.0)


def within(seconds: float, function: Callable[[], Value]) -> Value:
    """Call a function in this thread, which must be the main one, for so long at most.

    On a busy machine, for as much longer as that makes it: see `patient`.

    Raises:
        TimeIsUp: It took longer.
        LabError: This is not the main thread.

    Source: setitimer(2), ITIMER_REAL; Python, sys.settrace.
    """
    if threading.current_thread() is not threading.main_thread():
        raise LabError("a check runs in a cell, not in a thread", "Call it from a cell of its own")
    seconds = patient(seconds)
    patience = time.monotonic() + seconds + _GRACE
    before = signal.signal(
        signal.SIGALRM,
        lambda _, frame: _time_is_up(frame, everywhere=time.monotonic() > patience),
    )
    tracer = sys.gettrace()
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        return _call(function)
    finally:
        sys.settrace(tracer)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _call(function: Callable[[], Value]) -> Value:
    return function()


def _time_is_up(frame: FrameType | None, *, everywhere: bool) -> None:
    # Only the function is to be ended: the timer may ring once more while it is being put back.
    inner: list[FrameType] = []
    while frame is not None:
        if frame.f_code is _call.__code__:
            if everywhere:
                for one in inner:
                    one.f_trace = _raise
                sys.settrace(_raise)
            raise TimeIsUp
        inner.append(frame)
        frame = frame.f_back


def _raise(_frame: FrameType, event: str, _argument: Any) -> Any:
    if event in ("line", "call"):
        raise TimeIsUp
    return _raise

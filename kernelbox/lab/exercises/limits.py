"""Running what may hang: a call is over after its time, whatever it does in it.

A signal ends it: as Ctrl-C would, so whoever holds a process or a container lets go of it.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from kernelbox.lab.wire import LabError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import TypeVar

    Value = TypeVar("Value")

# Code that catches everything, in a loop, catches the first exception; not one in its handler.
_AGAIN = 0.02  # seconds


class TimeIsUp(KeyboardInterrupt):
    """A call has taken longer than it may."""


def within(seconds: float, function: Callable[[], Value]) -> Value:
    """Call a function in this thread, which must be the main one, for so long at most.

    Raises:
        TimeIsUp: It took longer.
        LabError: This is not the main thread.

    Source: setitimer(2), ITIMER_REAL.
    """
    if threading.current_thread() is not threading.main_thread():
        raise LabError("a check runs in a cell, not in a thread", "Call it from a cell of its own")
    before = signal.signal(signal.SIGALRM, _time_is_up)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        return _call(function)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _call(function: Callable[[], Value]) -> Value:
    return function()


def _time_is_up(_number: int, frame: FrameType | None) -> None:
    # Only the function is to be ended: the timer may ring once more while it is being put back.
    while frame is not None:
        if frame.f_code is _call.__code__:
            raise TimeIsUp
        frame = frame.f_back

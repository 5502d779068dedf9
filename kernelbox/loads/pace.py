"""Keeping a stated rate: so many units in a second, and no more to make up for what was missed.

Who was kept waiting (by a limit, by others) goes on at the stated rate. A load that hurried
afterwards would hide the limit that it is to show.
"""

from __future__ import annotations

import math
import time

_BEHIND = 0.1  # seconds that may be made up for: a sleep ends late, too


class Pace:
    """So many units a second.

    Args:
        rate: Units in a second; infinity for as many as there can be.
    """

    def __init__(self, rate: float = math.inf) -> None:
        self._seconds = 1 / rate
        self._due = time.monotonic()

    def wait(self, units: float) -> None:
        """Wait until after `units` more the rate is as stated."""
        self._due = max(self._due, time.monotonic() - _BEHIND) + units * self._seconds
        if (left := self._due - time.monotonic()) > 0:
            time.sleep(left)

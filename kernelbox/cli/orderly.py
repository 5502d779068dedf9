"""Ending in order, commands that leave something half done are not ended by a signal at once."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class _Ended(BaseException):
    """Carries a signal up to where the command began: on its way all is put away."""

    def __init__(self, number: int) -> None:
        self.number = number


def _end(number: int, _frame: FrameType | None) -> None:
    raise _Ended(number)


@contextmanager
def orderly() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end what is in here as Ctrl-C does: what was begun is put away first.

    Then the signal ends this process after all, so that whoever waits for it sees that.
    """
    taken = [one for one in (signal.SIGTERM, signal.SIGHUP) if not signal.getsignal(one)]
    for one in taken:
        signal.signal(one, _end)
    try:
        yield
    except _Ended as ended:
        signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)
    finally:
        for one in taken:
            signal.signal(one, signal.SIG_DFL)

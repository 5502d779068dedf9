"""Whether there is a page, and how long none could have been heard: a running cell listens to none.

So a page's silence means nothing then; once the cell is over, it does.
"""

from __future__ import annotations

import os
import time

_running = False
_ended = 0.0
_listening = False


def live() -> bool:
    """Return whether we run in a notebook's kernel, which has (or may have) a page.

    A grader's has none, and what it stores is read where no kernel is.
    """
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    kernel = None if shell is None else getattr(shell, "kernel", None)
    return kernel is not None and "NBGRADER_EXECUTION" not in os.environ


def listen() -> None:
    """Begin to notice cells; to be called in one, the first time. Twice is fine."""
    global _listening, _running
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if not _listening and shell is not None:
        _listening = _running = True
        shell.events.register("pre_execute", _begin)
        shell.events.register("post_execute", _end)


def since() -> float:
    """Return since when a page can be heard, by the monotonic clock; now while a cell runs."""
    return time.monotonic() if _running else _ended


def _begin() -> None:
    global _running
    _running = True


def _end() -> None:
    global _running, _ended
    _running, _ended = False, time.monotonic()

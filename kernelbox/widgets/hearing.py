"""How long no page could have been heard: while a cell runs, the kernel listens to none.

So it is no sign of anything that a page is silent then; it is a sign when the cell is over.
"""

from __future__ import annotations

import time

_running = False
_ended = 0.0
_listening = False


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

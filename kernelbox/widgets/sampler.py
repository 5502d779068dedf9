"""One thread that looks at something again and again until it is told to stop."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Sampler:
    """Calls `look` every `interval` seconds, from a thread of its own.

    It is no daemon thread, which could be cut off in the middle of a message when the notebook's
    kernel ends: it notices that end itself, and `stop` waits for it.

    Args:
        look: Takes one sample; returns False to be called no more.
        interval: Seconds from the beginning of one look to that of the next.
    """

    def __init__(self, look: Callable[[], bool], interval: float) -> None:
        self._look = look
        self._interval = interval
        self._enough = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it is looking."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start looking, if it does not already."""
        if self.running:
            return
        self._enough = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._enough,), name="kernelbox view", daemon=False
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; when this returns, the thread is gone. Twice is fine."""
        self._enough.set()
        thread = self._thread
        # A page that closes may be noticed while the thread itself sends something to it.
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self, enough: threading.Event) -> None:
        main = threading.main_thread()
        while main.is_alive():
            began = time.monotonic()
            if enough.is_set() or not self._look():
                return
            # However slow a look is, half of the time is left to others.
            took = time.monotonic() - began
            if enough.wait(max(self._interval - took, took, 0.0)):
                return

"""A process that keeps whatever descends from it, and ends with all of it.

A descendant may fork twice, and make itself a session: killing a group misses it. Below a child
subreaper, whoever loses the parent becomes a child of the subreaper's.

Source: prctl(2), PR_SET_CHILD_SUBREAPER.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from typing import TYPE_CHECKING

from kernelbox.kernel import flags as k
from kernelbox.kernel import process, syscalls
from kernelbox.lab import reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


class Keeper:
    """A child of ours with one child of its own, in which something runs.

    It stands still at first, for who wants to do something to it that its descendants inherit.

    Args:
        run: What runs in there. It gets no more from us than a forked process gets.
        closing: Descriptors that are for `run` alone: the keeper closes them.
    """

    def __init__(self, run: Callable[[], NoReturn], closing: tuple[int, ...] = ()) -> None:
        over, self._over = os.pipe()
        self.pid = 0
        sys.stdout.flush()
        # What forks in a thread of its own has that thread alone: it cannot look up, on the stack,
        # what whoever made us has in its variables.
        forking = threading.Thread(target=self._fork, args=(run, over, closing))
        forking.start()
        forking.join()
        os.close(over)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def _fork(self, run: Callable[[], NoReturn], over: int, closing: tuple[int, ...]) -> None:
        with warnings.catch_warnings():
            # Python warns of threads: we start none there, and ask for nothing that they may hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            os.close(self._over)
            _keep(run, over, closing)
        self.pid = pid

    def go(self) -> None:
        """Let it begin."""
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """End it, and all that descends from it."""
        self.go()
        os.close(self._over)
        os.waitpid(self.pid, 0)


def _keep(run: Callable[[], NoReturn], over: int, closing: tuple[int, ...]) -> NoReturn:
    """Run it in a child; when whoever made us says so, or is gone, end everything."""
    try:
        os.setsid()
        syscalls.prctl(k.PR_SET_CHILD_SUBREAPER, 1)
        os.kill(os.getpid(), signal.SIGSTOP)
        if os.fork() == 0:
            process.die_with_parent()  # should what runs in there kill us
            os.close(over)
            run()
        for fd in closing:
            os.close(fd)
        os.read(over, 1)
        while _any_left():
            children = reading.children(os.getpid())
            for pid in children:
                # All of a group at once: some fork as fast as we kill one by one.
                os.killpg(os.getpgid(pid), signal.SIGKILL)
            for pid in children:
                os.waitpid(pid, 0)
    finally:
        os._exit(0)


def _any_left() -> bool:
    """Bury those of our children that have ended; say whether there are others.

    Mostly there are none: then nobody is looked for in /proc, which takes as long as all the rest.
    """
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True

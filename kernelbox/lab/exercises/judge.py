"""Running a check: within its time, without what the student prints, to a verdict."""

from __future__ import annotations

import errno
import inspect
import io
import random
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.lab.exercises.hints import following
from kernelbox.lab.exercises.time_limit import TimeIsUp, within
from kernelbox.lab.exercises.verdict import Verdict, described, failed

if TYPE_CHECKING:
    from kernelbox.lab.exercises.exercise import Exercise
    from kernelbox.lab.exercises.given import Gifts
    from kernelbox.lab.notebook import Lab


def judge(exercise: Exercise, box: Lab, given: dict[str, Any], gifts: Gifts) -> Verdict:
    """Let the check of an exercise look at the kernel as it is now.

    Args:
        exercise: Whose check.
        box: The lab.
        given: What the student made, by name, and what the lab gave.
        gifts: What the lab gave.

    Raises:
        TypeError: The check takes other names: the cell that calls it is wrong, not the student.
    """
    inspect.signature(exercise.check).bind(box, **given)
    silence = Silence()
    with redirect_stdout(silence), redirect_stderr(silence):
        verdict = gifts.wrong(given) or _verdict(exercise, box, given, gifts)
    hints = following(verdict.observed, exercise.hints)
    return replace(verdict, title=exercise.title, points=exercise.points, hints=hints)


def _verdict(exercise: Exercise, box: Lab, given: dict[str, Any], gifts: Gifts) -> Verdict:
    drawn = random.getstate()
    random.seed()  # or who has called `random.seed(1)` would be asked the same each time
    try:
        return within(exercise.seconds, lambda: exercise.check(box, **given))
    except TimeIsUp:
        return failed(
            f"no answer within {exercise.seconds:g} s: something that the check has asked hangs"
        )
    except (Exception, SystemExit) as error:
        if _tells_of_an_end(error):
            return gifts.ended(given) or failed(
                "a process has ended while the check was looking: run its cell again"
            )
        if isinstance(error, KernelboxError):
            return failed(f"while the check was looking, this was refused: {error}")
        return failed(f"while the check was looking: {described(error)}")
    finally:
        random.setstate(drawn)  # it is the student's, and goes on as if nobody had looked


def _tells_of_an_end(error: BaseException) -> bool:
    """Say whether it is what the kernel answers about a process that is no more."""
    if isinstance(error, KernelError):
        return error.errno == errno.ESRCH
    if isinstance(error, KernelboxError):  # what the agent was refused comes as its words
        return ": ESRCH" in str(error)
    return isinstance(error, OSError) and str(error.filename).startswith("/proc/")


class Silence(io.TextIOBase):
    """A stream that keeps nothing of what is written, but counts it.

    Attributes:
        written: Characters so far.
    """

    def __init__(self) -> None:
        self.written = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Take a text, and forget it."""
        self.written += len(text)
        return len(text)

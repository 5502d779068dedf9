"""Running a check: within its time, without what the student prints, to a verdict."""

from __future__ import annotations

import inspect
import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab.exercises.limits import TimeIsUp, within
from kernelbox.lab.exercises.verdict import Verdict, cut, failed

if TYPE_CHECKING:
    from kernelbox.lab.client import Lab
    from kernelbox.lab.exercises.registry import Exercise


def judge(exercise: Exercise, box: Lab, given: dict[str, Any]) -> Verdict:
    """Let the check of an exercise look at the kernel as it is now.

    Args:
        exercise: Whose check.
        box: The lab.
        given: What the student made, by name.

    Raises:
        TypeError: The check takes other names: the cell that calls it is wrong, not the student.
    """
    inspect.signature(exercise.check).bind(box, **given)
    silence = Silence()
    with redirect_stdout(silence), redirect_stderr(silence):
        verdict = _verdict(exercise, box, given)
    return replace(verdict, title=exercise.title, points=exercise.points, hints=exercise.hints)


def _verdict(exercise: Exercise, box: Lab, given: dict[str, Any]) -> Verdict:
    try:
        return within(exercise.seconds, lambda: exercise.check(box, **given))
    except TimeIsUp:
        return failed(
            f"no answer within {exercise.seconds:g} s: something that the check has asked hangs"
        )
    except KernelboxError as error:
        return failed(f"while the check was looking, this was refused: {error}")
    except (Exception, SystemExit) as error:
        return failed(f"while the check was looking: {described(error)}")


def described(error: BaseException) -> str:
    """Return an exception on one line; even one whose message raises another."""
    try:
        return cut(f"{type(error).__name__}: {error}")
    except Exception:
        return type(error).__name__


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

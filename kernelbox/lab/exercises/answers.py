"""Answers to an exercise: right ones that its check must pass, and wrong ones that it must not.

They test the check, as `kernelbox course check` runs them; a student never sees them. Right ones
of another kind than the first that comes to mind show whether a check looks at the kernel, or at
how somebody got there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Wrong(NamedTuple):
    """A wrong answer.

    Attributes:
        code: Python, as a student would write it.
        observed: What the check must say among what it observed.
    """

    code: str
    observed: str


@dataclass(frozen=True)
class Answers:
    """Answers to one exercise, each in the name of what is right or wrong in it.

    Where the chapter has a notebook, an answer takes the place of the solution in its cell, and the
    notebook's next cell checks it; the notebook's own solution is one more that must pass. Without
    one, it runs in a lab of its own where `box` and `course` are what they are in a notebook. Then
    the exercise is checked with what stands in the variables called as the check's parameters.

    Attributes:
        right: Python, as a student would write it.
        wrong: Three at least.
        nothing: What the check must say if nothing has been done; empty if that does not matter.
        setup: Python to be run before each answer.
        needs: Of the notebook's cells, the ids of those to be run first, once.
        again: Ids of those to be run before each answer, after `needs`.
    """

    right: dict[str, str]
    wrong: dict[str, Wrong]
    nothing: str = ""
    setup: str = ""
    needs: tuple[str, ...] = ("open",)
    again: tuple[str, ...] = ()

"""An exercise: something to do, and the check that looks in the kernel whether it is done."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.exercises.verdict import Verdict

    Check = Callable[..., Verdict]

_LEVELS = 3  # of hints


@dataclass(frozen=True)
class Exercise:
    """Something to do, and a check that tells whether it is done.

    Attributes:
        name: Within its chapter.
        title: A few words.
        points: What it is worth.
        hints: Three; each names what is to be observed, none the command at once. What the check
            has observed comes before the first: see `hints`.
        seconds: How long the check may take.
        check: Called with the lab, and by keyword with what the student made.
    """

    name: str
    title: str
    points: int
    hints: tuple[str, ...]
    seconds: float
    check: Check


def exercise(
    name: str, *, title: str, hints: tuple[str, ...], points: int = 2, seconds: float = 15.0
) -> Callable[[Check], Exercise]:
    """Make an exercise of a check; a chapter lists it among its EXERCISES.

    Args:
        name: Within its chapter: small letters and dashes.
        title: A few words.
        hints: Three, the weakest first.
        points: What it is worth.
        seconds: How long the check may take, with all that the student's code does in it.

    Raises:
        ValueError: It has another kind of name, is worth nothing, or lacks a hint.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or len(hints) != _LEVELS or points < 1:
        raise ValueError(f"exercise {name!r}: a-name-like-this, points, and {_LEVELS} hints")
    return lambda check: Exercise(name, title, points, hints, seconds, check)

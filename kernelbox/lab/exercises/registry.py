"""What a chapter asks: its exercises, predictions and quiz, found by the number of the chapter.

Each chapter has one file here, `chapterNN.py`. A check in it becomes an exercise with the decorator
`exercise`; the file's PREDICTIONS, QUIZ and PUZZLES are the rest. The reference solution is the one
that stands in the notebook; solutions that are wrong, which every check is tested with, are not
shipped (`tests/exercises`).
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernelbox.kernel.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.exercises.parsons import Puzzle
    from kernelbox.lab.exercises.predictions import Prediction
    from kernelbox.lab.exercises.quiz import Question
    from kernelbox.lab.exercises.verdict import Verdict

    Check = Callable[..., Verdict]

_LEVELS = 3  # of hints
_CHAPTER = re.compile(r"chapter(\d\d)")


@dataclass(frozen=True)
class Exercise:
    """Something to do, and a check that tells whether it is done.

    Attributes:
        name: Within its chapter.
        chapter: Number of the chapter, two digits.
        title: A few words.
        points: What it is worth.
        hints: Three; each names what is to be observed, none the command at once.
        seconds: How long the check may take.
        check: Called with the lab, and by keyword with what the student made.
    """

    name: str
    chapter: str
    title: str
    points: int
    hints: tuple[str, ...]
    seconds: float
    check: Check


@dataclass(frozen=True)
class Contents:
    """All that one chapter asks, each by its name.

    Attributes:
        number: Of the chapter, two digits.
        exercises: In the order of the file.
        predictions: Likewise.
        quiz: The questions at the end.
        puzzles: Requests to be put in order.
    """

    number: str
    exercises: dict[str, Exercise]
    predictions: dict[str, Prediction]
    quiz: tuple[Question, ...]
    puzzles: dict[str, Puzzle]


_exercises: dict[str, dict[str, Exercise]] = {}


def exercise(
    name: str, *, title: str, hints: tuple[str, ...], points: int = 2, seconds: float = 15.0
) -> Callable[[Check], Check]:
    """Register a check as an exercise of the chapter in whose file it stands.

    Args:
        name: Within its chapter: small letters and dashes.
        title: A few words.
        hints: Three, the weakest first.
        points: What it is worth.
        seconds: How long the check may take, with all that the student's code does in it.

    Raises:
        ValueError: It is not in a chapter's file, has a name twice, or lacks a hint.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or len(hints) != _LEVELS or points < 1:
        raise ValueError(f"exercise {name!r}: a-name-like-this, points, and {_LEVELS} hints")

    def register(check: Check) -> Check:
        found = _CHAPTER.fullmatch(check.__module__.rpartition(".")[2])
        if found is None:
            raise ValueError(f"exercise {name!r} is not in a chapter's file")
        number = found[1]
        others = _exercises.setdefault(number, {})
        if name in others and others[name].check.__qualname__ != check.__qualname__:
            raise ValueError(f"chapter {number} has two exercises called {name!r}")
        others[name] = Exercise(name, number, title, points, hints, seconds, check)
        return check

    return register


def numbers() -> list[str]:
    """Return the numbers of the chapters that ask something."""
    package = importlib.import_module(__package__ or "")
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(found[1] for name in names if (found := _CHAPTER.fullmatch(name)))


def contents(number: str) -> Contents:
    """Return what a chapter asks.

    Raises:
        UsageError: There is no such chapter.
    """
    if number not in numbers():
        raise UsageError(f"no chapter {number!r}", f"There are: {', '.join(numbers())}")
    module = importlib.import_module(f"{__package__}.chapter{number}")
    return Contents(
        number,
        _exercises.get(number, {}),
        {one.name: one for one in getattr(module, "PREDICTIONS", ())},
        getattr(module, "QUIZ", ()),
        {one.name: one for one in getattr(module, "PUZZLES", ())},
    )

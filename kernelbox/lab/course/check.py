"""`kernelbox course check FILE`: every answer to every exercise of a chapter, a line for each."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.kernel.errors import UsageError
from kernelbox.lab.course.kernel import Kernels
from kernelbox.lab.course.trial import tried
from kernelbox.lab.exercises import catalogue

if TYPE_CHECKING:
    from types import FrameType

    from kernelbox.lab.course.trial import Outcome
    from kernelbox.lab.exercises.catalogue import Contents
    from kernelbox.lab.exercises.exercise import Exercise

_FEWEST = 3  # wrong answers


def check(what: str, only: str | None, seconds: float) -> bool:
    """Try all answers, and print what came of each as it is known.

    Args:
        what: A chapter's file or folder, or the number of one of the kit's own.
        only: The exercise to be tried; None for all.
        seconds: How long a cell may take.

    Returns:
        Whether all is as it should be.

    Raises:
        UsageError: There is no such chapter or exercise, or it is broken.
        KernelboxError: The answers cannot be tried here.
    """
    _end_on_term()
    chapter = _chapter(what)
    exercises = list(chapter.exercises.values())
    if only is not None:
        exercises = [one for one in exercises if one.name == only]
        if not exercises:
            there = ", ".join(chapter.exercises) or "none"
            raise UsageError(f"chapter {chapter.number} has no exercise {only!r}", there)
    answers = surprises = 0
    with Kernels(seconds, **_environment(chapter)) as kernels:
        for exercise in exercises:
            print(f"{chapter.number} {exercise.name}", flush=True)
            for lack in _lacks(chapter, exercise):
                surprises += 1
                print(f"  NO  {lack}", flush=True)
            for one in tried(kernels, chapter, exercise):
                answers += 1
                surprises += bool(one.surprise)
                print(_told(one), flush=True)
    found = f"{_counted(surprises, 'surprise')}" if surprises else "all as they should be"
    print(f"{_counted(len(exercises), 'exercise')}, {_counted(answers, 'answer')}: {found}")
    return not surprises


def _told(one: Outcome) -> str:
    if not one.surprise:
        return f"  ok  {one.answer}"
    return "\n      ".join([f"  NO  {one.answer}", one.surprise, *one.said.splitlines()])


def _chapter(what: str) -> Contents:
    """Return what a chapter asks, and see to it that a teacher's is found on the path.

    Raises:
        UsageError: There is none, or its number is taken.
    """
    if re.fullmatch(r"\d\d", what) and not os.path.exists(what):
        return catalogue.contents(what)
    place = Path(what).absolute()
    if not place.exists():
        raise UsageError(f"no file {what}", f"Or a number: {', '.join(catalogue.own_numbers())}")
    number = catalogue.number_of(place)
    if number is None:
        raise UsageError(
            f"{what} is no chapter",
            "It is a file chapterNN.py, or a folder chapterNN with an __init__.py; NN are digits",
        )
    given = os.environ.get(catalogue.PATH)
    os.environ[catalogue.PATH] = os.pathsep.join([str(place.parent), *([given] if given else [])])
    first, *_ = catalogue.rivals(number)
    if not first.samefile(place):
        raise UsageError(f"chapter {number} is there already: {first}", "Take another number")
    return catalogue.contents(number)


def _environment(chapter: Contents) -> dict[str, str]:
    """Return what a kernel must know to find the chapter."""
    return {} if chapter.own else {catalogue.PATH: os.environ[catalogue.PATH]}


def _lacks(chapter: Contents, exercise: Exercise) -> list[str]:
    """Say which answers an exercise does not have."""
    answers = chapter.answers.get(exercise.name)
    wrong = {one.code for one in answers.wrong.values()} if answers else set()
    right = bool(answers and answers.right) or chapter.own
    return [
        *([] if right else ["it has no right answer"]),
        *([] if len(wrong) >= _FEWEST else [f"it has {len(wrong)} wrong answers, not {_FEWEST}"]),
    ]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _end_on_term() -> None:
    """Take SIGTERM for Ctrl-C: what was begun is put away."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)

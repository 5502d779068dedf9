"""What a chapter asks, found by its number on a path: the kit's own chapters, then a teacher's.

    $KERNELBOX_CHAPTERS     directories, with `:` between them

A chapter is a file `chapterNN.py`, or a folder `chapterNN` with `__init__.py`. It has some of

    EXERCISES     checks with the decorator `exercise`, in the order of the notebook
    PREDICTIONS   questions that are answered before the kernel answers them
    PUZZLES       requests to be put in order
    QUIZ          questions at the end
    FURTHER       names of exercises and predictions that are no part of the required path
    ANSWERS       right and wrong answers to each exercise: `kernelbox course check` tries them

A teacher's chapter is loaded when it is asked for, and not before: if it is broken, the others work
as ever. It is the teacher's code, and runs as the user who opens it, which in a lab often is root.
Put no directory on the path that others can write to.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.errors import UsageError
from kernelbox.lab.exercises.answers import Answers
from kernelbox.lab.exercises.exercise import Exercise
from kernelbox.lab.exercises.loader import broken, line_of, load
from kernelbox.lab.exercises.parsons import Puzzle
from kernelbox.lab.exercises.predictions import Prediction
from kernelbox.lab.exercises.questions import Question

if TYPE_CHECKING:
    from types import ModuleType

PATH = "KERNELBOX_CHAPTERS"
_OWN = "kernelbox.lab.chapters"
_CHAPTER = re.compile(r"chapter(\d\d)(\.py)?")


@dataclass(frozen=True)
class Contents:
    """All that one chapter asks, each by its name.

    Attributes:
        number: Of the chapter, two digits.
        own: Whether it is the kit's, which has a notebook.
        exercises: In the order of the file.
        predictions: Likewise.
        quiz: The questions at the end.
        puzzles: Requests to be put in order.
        answers: To the exercises, by their names.
        further: Exercises and predictions of the optional part: their points come on top.
    """

    number: str
    own: bool
    exercises: dict[str, Exercise]
    predictions: dict[str, Prediction]
    quiz: tuple[Question, ...]
    puzzles: dict[str, Puzzle]
    answers: dict[str, Answers]
    further: tuple[str, ...]


def numbers() -> list[str]:
    """Return the numbers of the chapters that ask something."""
    return sorted(_found())


def own_numbers() -> list[str]:
    """Return the numbers of the kit's own."""
    return sorted(_chapters(_own_directory()))


def contents(number: str) -> Contents:
    """Return what a chapter asks; of two with one number the first on the path.

    Raises:
        UsageError: There is no such chapter, or it is broken: the message says in which line.
    """
    found = _found().get(number)
    if found is None:
        raise UsageError(f"no chapter {number!r}", _what_there_is())
    first, *others = found
    for other in others:
        message = f"chapter {number} is there twice: {first} counts, {other} does not"
        print(f"kernelbox: {message}", file=sys.stderr)
    if first.parent == _own_directory():
        return _contents(number, importlib.import_module(f"{_OWN}.{first.stem}"), own=True)
    return _contents(number, load(first), own=False)


def number_of(place: Path) -> str | None:
    """Return the number of the chapter that is in a file or folder; None if none can be."""
    matched = _CHAPTER.fullmatch(place.name)
    if matched is None:
        return None
    fits = place.is_file() if matched[2] else (place / "__init__.py").is_file()
    return matched[1] if fits else None


def rivals(number: str) -> list[Path]:
    """Return where on the path there is a chapter with this number."""
    return _found().get(number, [])


def _own_directory() -> Path:
    return Path(next(iter(importlib.import_module(_OWN).__path__)))


def _given() -> list[Path]:
    """Return the teacher's directories."""
    return [Path(one).absolute() for one in os.environ.get(PATH, "").split(os.pathsep) if one]


def _found() -> dict[str, list[Path]]:
    """Return the chapters on the path by their numbers, each with all places that have it."""
    found: dict[str, list[Path]] = {}
    for directory in dict.fromkeys((_own_directory(), *_given())):  # one that is named twice is one
        for number, places in _chapters(directory).items():
            found.setdefault(number, []).extend(places)
    return found


def _chapters(directory: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    try:
        entries = sorted(directory.iterdir())
    except OSError:  # `_what_there_is` says so
        return {}
    for entry in entries:
        if number := number_of(entry):
            found.setdefault(number, []).append(entry)
    return found


def _what_there_is() -> str:
    missing = [f"{one} ({PATH}) is no directory" for one in _given() if not one.is_dir()]
    return "; ".join([f"There are: {', '.join(numbers())}", *missing])


def _contents(number: str, module: ModuleType, *, own: bool) -> Contents:
    exercises = _named(module, "EXERCISES", Exercise)
    answers = _checked(module, "ANSWERS", dict, Answers, {})
    for name in answers:
        if name not in exercises:
            raise _broken(module, "ANSWERS", f"there is no exercise {name!r}")
    asked = Contents(
        number,
        own,
        exercises,
        _named(module, "PREDICTIONS", Prediction),
        _checked(module, "QUIZ", tuple, Question, ()),
        _named(module, "PUZZLES", Puzzle),
        answers,
        _checked(module, "FURTHER", tuple, str, ()),
    )
    for name in asked.further:
        if name not in asked.exercises and name not in asked.predictions:
            raise _broken(module, "FURTHER", f"there is no exercise or prediction {name!r:.60}")
    if not any((exercises, asked.predictions, asked.quiz, asked.puzzles)):
        raise _broken(module, "EXERCISES", "the chapter asks nothing: it lists no EXERCISES")
    return asked


def _named(module: ModuleType, shelf: str, kind: type) -> dict[str, Any]:
    """Return what a chapter has under one of its capital names, by name."""
    found: dict[str, Any] = {}
    for one in _checked(module, shelf, tuple, kind, ()):
        if one.name in found:
            raise _broken(module, shelf, f"two of them are called {one.name!r}")
        found[one.name] = one
    return found


def _checked(module: ModuleType, shelf: str, holder: type[Any], kind: type[Any], none: Any) -> Any:
    """Return what a chapter has under one of its capital names.

    Raises:
        UsageError: It is of another kind than it should be.
    """
    found: Any = getattr(module, shelf, none)
    if not isinstance(found, holder):
        raise _broken(module, shelf, f"it is {found!r:.60}, and no {holder.__name__}")
    for one in found.values() if isinstance(found, dict) else found:
        if not isinstance(one, kind):
            raise _broken(module, shelf, f"{one!r:.60} in it is no {kind.__name__}")
    return found


def _broken(module: ModuleType, shelf: str, what: str) -> UsageError:
    file = Path(module.__file__ or module.__name__)
    return broken(file, line_of(file, shelf), f"{shelf}: {what}")

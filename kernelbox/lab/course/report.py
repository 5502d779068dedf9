"""What became of a class: from the students' records, a row for each exercise.

A record is a student's `progress.json`, handed in or collected by the teacher.
"""

from __future__ import annotations

import json
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from kernelbox.kernel.errors import UsageError
from kernelbox.lab.course import notebooks
from kernelbox.lab.exercises import progress, tries
from kernelbox.lab.exercises.catalogue import contents
from kernelbox.lab.exercises.verdict import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Record = dict[str, dict[str, dict[str, Any]]]

Taken = TypeVar("Taken")


_WRONG = (ValueError, TypeError, AttributeError)  # what a record of another kind makes of this


class Row(NamedTuple):
    """One exercise, over a class.

    Attributes:
        chapter: Two digits.
        exercise: Its name.
        begun: Students who have checked it.
        solved: Of these.
        attempts: The median of their checks.
        hints: Students who have run the cell with its hints.
        commonest: What the check said most often, of those who have not passed; empty if nothing.
    """

    chapter: str
    exercise: str
    begun: int
    solved: int
    attempts: float
    hints: int
    commonest: str


def read(files: Iterable[Path]) -> list[Record]:
    """Return the records in these files; of a directory, in all `*.json` below it.

    Raises:
        UsageError: One is no record.
    """
    return [taken(file, _chapters) for file in records_in(files)]


def records_in(places: Iterable[Path]) -> list[Path]:
    """Return these files; of a directory, all `*.json` below it.

    Raises:
        UsageError: There is none.
    """
    found = []
    for place in places:
        below = sorted(one for one in place.rglob("*.json") if one.is_file())
        found += below if place.is_dir() else [place]
    if not found:
        raise UsageError("there are no records", "Name the students' progress.json files")
    return found


def taken(file: Path, take: Callable[[Any], Taken]) -> Taken:
    """Return what is taken out of a record.

    Raises:
        UsageError: It is no record, or cannot be read.
    """
    try:
        return take(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(
            f"cannot read {file}: {error.strerror}",
            "Name a student's progress.json, or a directory of them",
        ) from error
    except (ArithmeticError, LookupError, RecursionError, *_WRONG) as error:
        raise UsageError(
            f"{file} is no record of a student's progress ({type(error).__name__})",
            "It is called progress.json, and lies in ~/.local/state/kernelbox",
        ) from error


def rows(records: list[Record]) -> list[Row]:
    """Return a row for each exercise of the course that somebody has tried."""
    found = []
    for file in notebooks.files(None):
        for name in contents(file.name[:2]).exercises:
            row = _row(file.name[:2], name, [one.get(file.name[:2], {}) for one in records])
            if row.begun:
                found.append(row)
    return found


def minutes(records: list[Record]) -> dict[str, list[float]]:
    """Return the minutes that each chapter has taken those who were in it."""
    taken: dict[str, list[float]] = {}
    for file in notebooks.files(None):
        for record in records:
            seconds = record.get(file.name[:2], {}).get("time", {}).get("seconds")
            if seconds is not None:
                taken.setdefault(file.name[:2], []).append(progress.number(seconds) / 60)
    return taken


def _row(chapter: str, name: str, shelves: list[dict[str, dict[str, Any]]]) -> Row:
    checked = [one["attempts"][name] for one in shelves if name in one.get("attempts", {})]
    said: Counter[str] = Counter()
    for one in checked:
        said.update({text: n for text, n in one["verdicts"].items() if text != tries.PASSED})
    return Row(
        chapter=chapter,
        exercise=name,
        begun=len(checked),
        solved=sum(tries.PASSED in one["verdicts"] for one in checked),
        attempts=median([one["tries"] for one in checked]) if checked else 0,
        hints=sum(name in one.get("hints", {}) for one in shelves),
        commonest=cut(said.most_common(1)[0][0]) if said else "",
    )


def _chapters(whole: dict[str, Record]) -> Record:
    """Return what a record has of the chapters; whatever is no record raises."""
    return {
        str(chapter): {
            "attempts": {
                str(name): {
                    "tries": progress.number(one["tries"]),
                    "verdicts": {_plain(k): progress.number(n) for k, n in one["verdicts"].items()},
                }
                for name, one in shelves.get("attempts", {}).items()
            },
            "hints": dict(shelves.get("hints", {})),
            "time": dict(shelves.get("time", {})),
        }
        for chapter, shelves in whole["chapters"].items()
    }


def _plain(text: str) -> str:
    """Return a student's text as it may go to a teacher's terminal: without control characters."""
    return "".join(one if one.isprintable() else "?" for one in text)

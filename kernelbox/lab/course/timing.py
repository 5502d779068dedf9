"""How long a chapter takes: an estimate from what is in it, the same for every chapter.

Counted are words of prose, cells that are run, guesses, questions, and exercises by their points.
The rates are what a person takes who reads a technical text in a second language and looks at every
picture; `kernelbox course report` shows what a class has really taken.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.lab.course.form import calls
from kernelbox.lab.exercises.catalogue import contents

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Minutes each.
_WORD = 1 / 130
_CELL = 0.35
_GUESS = 0.5
_QUESTION = 0.5
_RECALLED = 2  # questions that a chapter begins with
_POINT = 2.5  # of an exercise: from reading the task to a green check


class Section(NamedTuple):
    """A part of a chapter under a heading: its title, its minutes, the guesses and checks in it."""

    title: str
    minutes: float
    asked: tuple[str, ...]

    @property
    def further(self) -> bool:
        """Whether it may be left out: `9 · Further: one in the other`."""
        return "Further: " in self.title


def sections(file: Path) -> list[Section]:
    """Return the sections of a chapter's notebook, in order; the title's comes first.

    Raises:
        UsageError: It is no chapter.
    """
    chapter = contents(file.name[:2])
    exercises, questions = chapter.exercises, len(chapter.quiz)
    made: list[Section] = []
    for cell in json.loads(file.read_bytes())["cells"]:
        source = "".join(cell["source"])
        heading = re.search(r"^## (.+)$" if made else r"^# (.+)$", source, re.MULTILINE)
        if cell["cell_type"] == "markdown" and (heading or not made):
            made.append(Section(heading[1] if heading else "", 0.0, ()))
        guesses, checks = calls(source, "predict"), calls(source, "check")
        is_prose = cell["cell_type"] == "markdown"
        minutes = len(source.split()) * _WORD if is_prose else _CELL + len(guesses) * _GUESS
        minutes += sum(exercises[name].points * _POINT for name in checks)
        minutes += questions * _QUESTION if "course.quiz()" in source else 0.0
        minutes += _RECALLED * _QUESTION if "course.recall()" in source else 0.0
        title, before, asked = made[-1]
        made[-1] = Section(title, before + minutes, (*asked, *guesses, *checks))
    return made


def minutes(file: Path) -> int:
    """Return how long a chapter takes without its further part, in steps of five minutes."""
    return _rounded(one for one in sections(file) if not one.further)


def further_minutes(file: Path) -> int:
    """Return how long its further part takes, in steps of five minutes; 0 if there is none."""
    return _rounded(one for one in sections(file) if one.further)


def _rounded(parts: Iterable[Section]) -> int:
    return 5 * round(sum(one.minutes for one in parts) / 5)

"""What a teacher holds in hand: a lesson plan, an answer key and a rubric, as Markdown.

All of it is read out of the notebooks and of what the chapters ask, so it is never out of date.
"""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING

from kernelbox.lab.course import timing
from kernelbox.lab.course.solutions import SOLUTION, code, place_of
from kernelbox.lab.exercises.catalogue import contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from kernelbox.lab.exercises.exercise import Exercise


def lesson_plan(files: Iterable[Path]) -> str:
    """Return what each chapter is for, how long each part takes, and what is asked where."""
    return "\n".join(line for file in files for line in _plan(file))


def answer_key(files: Iterable[Path]) -> str:
    """Return the answers: to each exercise ours, others that pass, and wrong ones; to the quiz."""
    return "\n".join(line for file in files for line in _key(file))


def rubric(files: Iterable[Path]) -> str:
    """Return what each exercise is worth, and what its check looks at."""
    return "\n".join(line for file in files for line in _rubric(file))


def _plan(file: Path) -> Iterator[str]:
    first = "".join(json.loads(file.read_bytes())["cells"][0]["source"])
    yield f"# {_title(first)}\n"
    more = timing.further_minutes(file)
    yield (
        f"About {timing.minutes(file)} minutes"
        f"{f', and {more} more for the further part' if more else ''}.\n"
    )
    if goals := re.search(r"\*\*After this chapter you can\*\*\n+((?:- .+\n?)+)", first):
        yield f"Afterwards a student can\n\n{goals[1]}"
    yield "| part | minutes | in which |\n|---|---|---|"
    asked = contents(file.name[:2])
    for section in timing.sections(file)[1:]:
        asked_here = ", ".join(f"`{one}`" for one in section.asked)
        yield f"| {section.title} | {section.minutes:.0f} | {asked_here} |"
    yield ""
    points = sum(map(_points, asked.exercises.values()))
    further = sum(one.points for name, one in asked.exercises.items() if name in asked.further)
    yield (
        f"{len(asked.predictions)} guesses, {len(asked.exercises)} exercises worth {points} points"
        f"{f' ({further} of them further)' if further else ''}, {len(asked.quiz)} questions.\n"
    )


def _key(file: Path) -> Iterator[str]:
    chapter = contents(file.name[:2])
    cells = code(chapter.number)
    yield f"# Chapter {chapter.number}: answers\n"
    for name, exercise in chapter.exercises.items():
        yield f"## {exercise.title} (`{name}`, {_worth(exercise)})\n"
        [ours] = [found[2] for found in SOLUTION.finditer(place_of(name, cells).solved)]
        yield f"Ours:\n\n{_fenced(ours)}\n"
        answers = chapter.answers.get(name)
        for what, text in (answers.right if answers else {}).items():
            yield f"Also right, *{what}*:\n\n{_fenced(text)}\n"
        for what, wrong in (answers.wrong if answers else {}).items():
            yield f"Wrong, *{what}*; the check says `{wrong.observed}`:\n\n{_fenced(wrong.code)}\n"
    if chapter.quiz:
        yield "## Quiz\n"
    for number, question in enumerate(chapter.quiz, 1):
        [right] = [one for one in question.choices if one.right]
        yield f"{number}. {question.text}\n   **{right.text}**: {right.why}"
    yield ""


def _rubric(file: Path) -> Iterator[str]:
    chapter = contents(file.name[:2])
    yield f"# Chapter {chapter.number}: rubric\n"
    yield "| exercise | points | what the check has to do; full marks when it passes |"
    yield "|---|---|---|"
    for name, exercise in chapter.exercises.items():
        looked = " ".join((exercise.check.__doc__ or "").split())
        looked += " (further)" * (name in chapter.further)
        yield f"| {exercise.title} (`{name}`) | {exercise.points} | {looked} |"
    guesses = len(chapter.predictions)
    yield f"| guesses | {guesses} | one for each that was made, right or wrong |"
    points = sum(map(_points, chapter.exercises.values()))
    yield f"| **together** | **{points + guesses}** | |\n"


def _title(first: str) -> str:
    return first.splitlines()[0].removeprefix("#").strip()


def _points(exercise: Exercise) -> int:
    return exercise.points


def _worth(exercise: Exercise) -> str:
    return f"{exercise.points} point{'s' * (exercise.points != 1)}"


def _fenced(source: str) -> str:
    return f"```python\n{textwrap.dedent(source).strip()}\n```"

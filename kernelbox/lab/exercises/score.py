"""How far somebody is, from the record on disk: a chapter, or all of them."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.lab.exercises import progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from kernelbox.lab.exercises.catalogue import Contents

_TITLES = ("chapter", "exercises", "points", "further", "guesses", "quiz")


class Score(NamedTuple):
    """What somebody has of a chapter.

    An exercise that was solved stays solved, and is worth what it is worth today, even if it was
    another one then. A guess is worth a point for being made. What is further comes on top.

    Attributes:
        solved: Exercises of the required path that are solved.
        exercises: Of how many.
        points: For these, and for guesses on the way.
        most: Of how many.
        extra: Points for exercises and guesses of the further part.
        extra_most: Of how many.
        guesses: That were made, everywhere.
        predictions: Of how many.
        quiz: Questions answered right at first.
        questions: Of how many.
    """

    solved: int
    exercises: int
    points: int
    most: int
    extra: int
    extra_most: int
    guesses: int
    predictions: int
    quiz: int
    questions: int

    @property
    def done(self) -> bool:
        """Whether the required path is walked: all its exercises are solved."""
        return 0 < self.exercises == self.solved

    @property
    def more(self) -> str:
        """What is said behind the points of the required path: ` and 3 extra`, or nothing."""
        return f" and {self.extra} extra" if self.extra else ""


def score(chapter: Contents, record: Mapping[str, Mapping[str, object]]) -> Score:
    """Return what somebody has of a chapter.

    Args:
        chapter: What it asks.
        record: Its part of the record of progress: by shelf, then by name.
    """
    worth = {name: one.points for name, one in chapter.exercises.items()}
    had = worth.keys() & record.get("exercises", {}).keys()
    guessed = chapter.predictions.keys() & record.get("predictions", {}).keys()
    further = {*chapter.further}

    def points(solved: Set[str], made: Set[str]) -> int:
        return sum(worth[name] for name in solved) + len(made)

    answers = record.get("quiz", {})
    return Score(
        solved=len(had - further),
        exercises=len(worth.keys() - further),
        points=points(had - further, guessed - further),
        most=points(worth.keys() - further, chapter.predictions.keys() - further),
        extra=points(had & further, guessed & further),
        extra_most=points(worth.keys() & further, chapter.predictions.keys() & further),
        guesses=len(guessed),
        predictions=len(chapter.predictions),
        quiz=sum(answers.get(str(number)) == 1 for number in range(1, len(chapter.quiz) + 1)),
        questions=len(chapter.quiz),
    )


class Standing:
    """Solved exercises, points, guesses and answers of some chapters.

    Args:
        chapters: Which.
    """

    def __init__(self, chapters: list[Contents]) -> None:
        record = progress.read()
        self.rows = [_row(one.number, score(one, record.get(one.number, {}))) for one in chapters]

    def __repr__(self) -> str:
        lines = [_TITLES, *self.rows]
        wide = [max(len(line[column]) for line in lines) for column in range(len(_TITLES))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, wide, strict=True)).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{title}</th>' for title in _TITLES)
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
            for row in self.rows
        )
        return f"<table><tr>{head}</tr>{rows}</table>"


def _row(number: str, of: Score) -> tuple[str, ...]:
    return (
        number,
        f"{of.solved} of {of.exercises}",
        f"{of.points} of {of.most}",
        f"{of.extra} of {of.extra_most}" if of.extra_most else "-",
        f"{of.guesses} of {of.predictions}",
        f"{of.quiz} of {of.questions}",
    )

"""How far somebody is, from the record on disk: a chapter, or all of them."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from kernelbox.lab.exercises import progress

if TYPE_CHECKING:
    from kernelbox.lab.exercises.registry import Contents

_TITLES = ("chapter", "exercises", "points", "guesses", "quiz")


class Standing:
    """Solved exercises, points, guesses and answers of some chapters.

    Args:
        chapters: Which.
    """

    def __init__(self, chapters: list[Contents]) -> None:
        record = progress.read()
        self.rows = [_row(chapter, record.get(chapter.number, {})) for chapter in chapters]

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


def _row(chapter: Contents, record: dict[str, dict[str, object]]) -> tuple[str, ...]:
    exercises = chapter.exercises
    scores = record.get("exercises", {})
    solved = [name for name in exercises if scores.get(name) == exercises[name].points]
    points = sum(exercises[name].points for name in solved)
    guesses = [name for name in chapter.predictions if name in record.get("predictions", {})]
    answers = record.get("quiz", {})
    right = sum(answers.get(str(number)) == 1 for number in range(1, len(chapter.quiz) + 1))
    return (
        chapter.number,
        f"{len(solved)} of {len(exercises)}",
        f"{points} of {sum(one.points for one in exercises.values())}",
        f"{len(guesses)} of {len(chapter.predictions)}",
        f"{right} of {len(chapter.quiz)}",
    )

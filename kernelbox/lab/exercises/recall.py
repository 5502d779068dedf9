"""What a chapter begins with: two questions that bring back earlier ones.

One is of the chapter before, one of an older chapter, and none is brought back twice. To be asked
again after a while is what makes somebody remember. Source: Roediger and Karpicke, "Test-Enhanced
Learning", 2006.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.lab.exercises.catalogue import contents, own_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernelbox.lab.exercises.questions import Question


class Recalled(NamedTuple):
    """A question of an earlier chapter.

    Attributes:
        name: The chapter's number, and the question's in its quiz, such as `03 2`.
        question: As it is asked there, with the chapter before it: its answers name sections.
    """

    name: str
    question: Question


def recalled(number: str) -> list[Recalled]:
    """Return what a chapter brings back, the same each time; of the first chapter, nothing.

    Args:
        number: Of the chapter that begins, two digits.
    """
    earlier = [one for one in own_numbers() if one < number]
    questions = {chapter: _questions(chapter) for chapter in earlier}
    drawn: list[Recalled] = []
    found: list[Recalled] = []
    for place, chapter in enumerate([*earlier, number]):
        before, older = earlier[max(place - 1, 0) : place], earlier[: max(place - 1, 0)]
        found = []
        for chapters in (before, older):
            new = (one for other in chapters for one in questions[other] if one not in drawn)
            found += _first(chapter, new)
        drawn += found
    return found


def _questions(chapter: str) -> list[Recalled]:
    return [
        Recalled(
            f"{chapter} {place}", replace(question, text=f"Chapter {chapter}: {question.text}")
        )
        for place, question in enumerate(contents(chapter).quiz, 1)
    ]


def _first(number: str, questions: Iterable[Recalled]) -> list[Recalled]:
    """Return the question whose lot is drawn by the chapter that asks; nothing of none."""

    def lot(one: Recalled) -> bytes:
        return sha256(f"{number} {one.question.text}".encode()).digest()

    return sorted(questions, key=lot)[:1]

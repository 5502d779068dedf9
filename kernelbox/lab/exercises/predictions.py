"""Predictions: questions whose answers can be observed, and what may be guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernelbox.lab.conversation import LabError

if TYPE_CHECKING:
    Answer = int | float | str


@dataclass(frozen=True)
class Prediction:
    """A question whose answer can be observed.

    Attributes:
        name: Within its chapter.
        question: Short: it stands in the table at the end.
        choices: What may be answered; empty if it is a number or a text.
        unit: Of a number; None if it is none.
    """

    name: str
    question: str
    choices: tuple[str, ...] = ()
    unit: str | None = None

    def fitting(self, guess: object) -> Answer:
        """Return a guess as it is recorded.

        Raises:
            LabError: It answers another question.
        """
        if self.unit is not None:
            if isinstance(guess, bool) or not isinstance(guess, int | float):
                raise LabError(f"a number is asked for, not {guess!r:.60}")
            if not math.isfinite(guess):
                raise LabError(f"a finite number is asked for, not {guess}")
            return guess
        if self.choices and guess not in self.choices:
            raise LabError(
                f"{guess!r:.60} is no answer to choose", f"There are: {', '.join(self.choices)}"
            )
        text = " ".join(str(guess).split())
        if not text:
            raise LabError("an empty guess is none", "A word or two will do")
        return text[:200]

    def worded(self, answer: Answer | None) -> str:
        """Return an answer as people read it."""
        if answer is None:
            return "-"
        number = f"{answer:g}" if isinstance(answer, float) else str(answer)
        return f"{number} {self.unit}" if self.unit else number


def number(name: str, question: str, unit: str = "") -> Prediction:
    """Return a question that is answered with a number."""
    return Prediction(name, question, unit=unit)


def choice(name: str, question: str, *choices: str) -> Prediction:
    """Return a question with answers to choose from."""
    return Prediction(name, question, choices)


def text(name: str, question: str) -> Prediction:
    """Return a question that is answered in words."""
    return Prediction(name, question)

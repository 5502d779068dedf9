"""Predictions: a question, a guess recorded before the answer is shown, and both compared."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kernelbox.lab.wire import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

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


class Guess:
    """A guess as the notebook shows it; on a page that lives, a form to make or change it.

    Attributes:
        prediction: The question.
        guess: What was guessed; None if nothing yet.
    """

    def __init__(
        self, prediction: Prediction, guess: Answer | None, record: Callable[[object], None]
    ) -> None:
        self.prediction = prediction
        self.guess = guess
        self._record = record

    def __repr__(self) -> str:
        if self.guess is None:
            return f"no guess yet: {self.prediction.question}"
        return f"my guess: {self.prediction.worded(self.guess)}"

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        still = {"text/plain": repr(self)}
        if self.guess is not None:
            return still, {}
        from kernelbox.lab.exercises import forms

        return forms.bundle(still, lambda: forms.guess(self.prediction, self._record))


@dataclass(frozen=True)
class Observation:
    """What was guessed, and what was observed.

    Attributes:
        prediction: The question.
        guess: What was guessed; None if a grader runs what was guessed elsewhere.
        answer: What was observed.
        about: The answer in words that are true in every run, if the answer itself is not.
    """

    prediction: Prediction
    guess: Answer | None
    answer: Answer
    about: str = ""

    @property
    def observed(self) -> str:
        """The answer in words."""
        return self.about or self.prediction.worded(self.answer)

    def __repr__(self) -> str:
        return f"guessed:  {self.prediction.worded(self.guess)}\nobserved: {self.observed}"

    def _repr_html_(self) -> str:
        rows = (("guessed", self.prediction.worded(self.guess)), ("observed", self.observed))
        cells = "".join(
            f'<tr><th scope="row" style="text-align: left">{name}</th>'
            f'<td style="text-align: left">{html.escape(value)}</td></tr>'
            for name, value in rows
        )
        return f"<table>{cells}</table>"

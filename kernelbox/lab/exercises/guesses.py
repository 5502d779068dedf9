"""Guesses and observations: what a student thought, and what was there."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kernelbox.lab.exercises import forms

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.exercises.predictions import Answer, Prediction


class Guess:
    """A guess as the notebook shows it; on a page that lives, a form to make or change it.

    Attributes:
        prediction: The question.
        guess: What was guessed; None if nothing yet.
        late: What was said after the answer was seen, and does not count; None for nothing.
    """

    def __init__(
        self,
        prediction: Prediction,
        guess: Answer | None,
        record: Callable[[object], str],
        late: Answer | None = None,
    ) -> None:
        self.prediction = prediction
        self.guess = guess
        self.late = late
        self._record = record

    def __repr__(self) -> str:
        if self.guess is None:
            return f"no guess yet: {self.prediction.question}"
        mine = f"my guess: {self.prediction.worded(self.guess)}"
        if self.late is None:
            return mine
        return f"{mine} ({self.prediction.worded(self.late)} came after the answer: too late)"

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        still = {"text/plain": repr(self)}
        if self.guess is not None:
            return still, {}
        still["text/html"] = f"<p>{html.escape(repr(self))}</p>"
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

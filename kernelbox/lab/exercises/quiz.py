"""The quiz at the end of a chapter: a form on a page that lives, else answers that unfold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernelbox.lab.exercises import forms
from kernelbox.lab.exercises.verdict import marked_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.exercises.questions import Question


class Quiz:
    """The questions: a form on a page that lives; else each answer unfolds what there is to say.

    Attributes:
        questions: In their order.
    """

    def __init__(
        self, questions: tuple[Question, ...], record: Callable[[int, bool], None]
    ) -> None:
        self.questions = questions
        self._record = record

    def __repr__(self) -> str:
        lines = []
        for number, one in enumerate(self.questions, 1):
            lines.append(f"{number}. {one.text}")
            lines += [f"   {letter}) {answer.text}" for letter, answer in one.lettered()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = []
        for number, one in enumerate(self.questions, 1):
            parts.append(f"<p><b>{number}. {one.html()}</b></p>")
            parts += [
                f"<details><summary>{letter}) {marked_up(answer.text)}</summary>"
                f"<p>{answer.html()}</p></details>"
                for letter, answer in one.lettered()
            ]
        return f"<div>{''.join(parts)}</div>"

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        still = {"text/plain": repr(self), "text/html": self._repr_html_()}
        return forms.bundle(still, lambda: forms.quiz(self.questions, self._record))

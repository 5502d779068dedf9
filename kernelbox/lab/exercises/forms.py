"""Forms on a page that lives: a guess, a quiz.

Whatever they ask can be answered in code as well, and has a twin that stands still. anywidget is
loaded when there is a page, and not before.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab.exercises.verdict import marked_up
from kernelbox.widgets import silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.exercises.predictions import Prediction
    from kernelbox.lab.exercises.questions import Question
    from kernelbox.widgets.form import Form, Value


def bundle(
    still: dict[str, Any], form: Callable[[], Form]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return every form of something: the still one, and in a notebook's kernel the living one."""
    if not silence.live():
        return still, {}
    view, about = form()._repr_mimebundle_() or ({}, {})
    return {**view, **still}, about


def guess(prediction: Prediction, record: Callable[[object], str]) -> Form:
    """Return a form that asks for a guess, tells `record`, and shows what that returns."""
    from kernelbox.widgets.form import Field, Form

    def answer(_place: int, value: Value) -> str:
        chosen = (
            prediction.choices[value] if isinstance(value, int) and prediction.choices else value
        )
        try:
            return html.escape(record("" if chosen is None else chosen))
        except KernelboxError as error:
            return html.escape(str(error))

    field = Field(
        html.escape(prediction.question),
        "choice" if prediction.choices else "text" if prediction.unit is None else "number",
        tuple(map(html.escape, prediction.choices)),
        prediction.unit or "",
        "This is my guess",
    )
    return Form([field], answer)


def quiz(questions: tuple[Question, ...], record: Callable[[int, bool], None]) -> Form:
    """Return a form with one question below the other; `record` is told each first answer."""
    from kernelbox.widgets.form import Field, Form

    answered: set[int] = set()

    def answer(place: int, value: Value) -> str:
        chosen = questions[place].choices[int(value or 0)]
        if place not in answered:
            answered.add(place)
            record(place + 1, chosen.right)
        return chosen.html()

    fields = [
        Field(
            f"<b>{number}. {one.html()}</b>",
            "choice",
            tuple(f"{letter}) {marked_up(choice.text)}" for letter, choice in one.lettered()),
        )
        for number, one in enumerate(questions, 1)
    ]
    return Form(fields, answer)

"""Asking: a form on a page that lives, else the questions as text, to be answered in code.

Before the course nothing is said to an answer, and it can be changed until the same question is
asked again. After the course each answer is told what it is worth, so only the first one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import forms, progress
from kernelbox.lab.exercises.verdict import marked_up
from kernelbox.lab.inventory.items import ITEMS

if TYPE_CHECKING:
    from kernelbox.lab.exercises.questions import Choice
    from kernelbox.lab.inventory.items import Item
    from kernelbox.widgets.form import Form, Value

_TOO_LATE = "You have answered this after the course already. What you believed before it stays."


class Asking:
    """The questions, before the course or after it.

    Args:
        when: `before` or `after`.

    Raises:
        LabError: It is another time.
    """

    def __init__(self, when: str) -> None:
        if when not in progress.WHEN:
            known = " or ".join(f'"{one}"' for one in progress.WHEN)
            raise LabError(f"{when!r} is no time to be asked", f"There are: {known}")
        self._when = when

    def answer(self, number: int, letter: str) -> str:
        """Answer a question; return what there is to say to it.

        Args:
            number: Of the question, from 1.
            letter: Of the answer.

        Raises:
            LabError: There is no such question or answer.
        """
        if not 1 <= number <= len(ITEMS):
            raise LabError(f"there is no question {number}", f"There are: 1 to {len(ITEMS)}")
        item = ITEMS[number - 1]
        choices = dict(item.question.lettered())
        if letter not in choices:
            raise LabError(f"question {number} has no answer {letter!r}", f"{', '.join(choices)}")
        return self._take(item, choices[letter])

    def _take(self, item: Item, choice: Choice) -> str:
        """Record an answer, unless it comes too late; return what there is to say to it."""
        beliefs = progress.beliefs()
        later = item.name in beliefs["after"]
        if self._when == "before" and later:
            return _TOO_LATE
        if not later:
            progress.believe(self._when, item.name, item.belief(choice))
        if self._when == "after":
            return f"{'Right' if choice.right else 'No'}. {choice.why}"
        answered = len({*beliefs["before"], item.name} & {one.name for one in ITEMS})
        return f"recorded, {answered} of {len(ITEMS)}"

    def form(self) -> Form:
        """Return the questions one below the other; what was answered earlier says so."""
        from kernelbox.widgets.form import Field, Form

        def answer(place: int, value: Value) -> str:
            item = ITEMS[place]
            return marked_up(self._take(item, item.question.choices[int(value or 0)]))

        fields = [
            Field(
                f"<b>{number}. {item.question.html()}</b>",
                "choice",
                tuple(
                    f"{letter}) {marked_up(choice.text)}"
                    for letter, choice in item.question.lettered()
                ),
            )
            for number, item in enumerate(ITEMS, 1)
        ]
        form = Form(fields, answer)
        earlier = progress.beliefs()[self._when]
        form.replies = {
            str(place): "recorded earlier"
            for place, item in enumerate(ITEMS)
            if item.name in earlier
        }
        return form

    def __repr__(self) -> str:
        lines = []
        for number, item in enumerate(ITEMS, 1):
            lines.append(f"{number}. {item.question.text}")
            lines += [f"   {letter}) {one.text}" for letter, one in item.question.lettered()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = []
        for number, item in enumerate(ITEMS, 1):
            parts.append(f"<p><b>{number}. {item.question.html()}</b></p><ul>")
            parts += [
                f"<li>{letter}) {marked_up(one.text)}</li>"
                for letter, one in item.question.lettered()
            ]
            parts.append("</ul>")
        return f"<div>{''.join(parts)}</div>"

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        still = {"text/plain": repr(self), "text/html": self._repr_html_()}
        return forms.bundle(still, self.form)

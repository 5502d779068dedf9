"""Form: questions that are answered on the page, and what is told to whoever answers.

It is an anywidget like the views, and plain: whoever makes one says what to tell about an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import anywidget
import traitlets

from kernelbox.widgets.base import bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Value = int | float | str | None


class Field(NamedTuple):
    """A question on a form.

    Attributes:
        asked: The question, as HTML.
        kind: How it is answered; a choice is told by its place, from 0.
        choices: What there is to choose from, as HTML.
        unit: Of a number.
        button: What to press when the answer is ready; without it, a choice answers at once.
    """

    asked: str
    kind: Literal["choice", "number", "text"]
    choices: tuple[str, ...] = ()
    unit: str = ""
    button: str = ""


class Form(anywidget.AnyWidget):
    """Questions, one below the other.

    Args:
        fields: The questions.
        answer: Called with a question's place, from 0, and the answer that was given to it (None
            for an empty field); returns what to say to it, as HTML.
    """

    _esm = bundle("form")
    fields: traitlets.List[Any] = traitlets.List().tag(sync=True)
    replies: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)

    def __init__(self, fields: Sequence[Field], answer: Callable[[int, Value], str]) -> None:
        super().__init__(fields=[one._asdict() for one in fields])
        self._answer = answer
        self.on_msg(self._hear)

    def _hear(self, _form: Form, message: dict[str, Any], _buffers: Any) -> None:
        if message.get("do") == "answer":
            place = int(message["field"])
            told = self._answer(place, message.get("value"))
            self.replies = {**self.replies, str(place): told}

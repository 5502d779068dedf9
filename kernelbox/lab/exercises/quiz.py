"""The quiz at the end of a chapter: its wrong answers are what people believe, and each says why.

The answers stand in the order in which they were written: a reader who comes back finds them there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kernelbox.lab.exercises.verdict import marked_up

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Choice:
    """One of the answers to choose from.

    Attributes:
        text: What it says.
        why: Why it is right, or what is wrong with it.
        right: Whether it is right.
    """

    text: str
    why: str
    right: bool

    def html(self) -> str:
        """Return what is told to whoever chose it."""
        return f"<b>{'Right' if self.right else 'No'}.</b> {marked_up(self.why)}"


@dataclass(frozen=True)
class Question:
    """A question of the quiz.

    Attributes:
        text: What is asked.
        choices: The answers; one is right.
    """

    text: str
    choices: tuple[Choice, ...]

    def lettered(self) -> list[tuple[str, Choice]]:
        """Return the answers with their letters."""
        return list(zip("abcdefgh", self.choices, strict=False))

    def html(self) -> str:
        """Return what is asked."""
        return marked_up(self.text)


def right(text: str, why: str) -> Choice:
    """Return the right answer to a question, and why it is."""
    return Choice(text, why, right=True)


def wrong(text: str, why: str) -> Choice:
    """Return an answer that people believe, and what is wrong with it."""
    return Choice(text, why, right=False)


def question(text: str, *choices: Choice) -> Question:
    """Return a question.

    Raises:
        ValueError: It has not exactly one right answer, or one that says nothing.
    """
    if sum(one.right for one in choices) != 1 or len(choices) < 2:
        raise ValueError(f"{text!r} needs one right answer, and a wrong one")
    if not all(one.text and one.why for one in choices):
        raise ValueError(f"{text!r}: every answer says why")
    return Question(text, choices)


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
        from kernelbox.lab.exercises import forms

        still = {"text/plain": repr(self), "text/html": self._repr_html_()}
        return forms.bundle(still, lambda: forms.quiz(self.questions, self._record))

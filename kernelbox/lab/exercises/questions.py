"""Questions of a quiz: the wrong answers are what people believe, and each says why it is wrong.

The answers are shuffled, so that no letter is a good guess. The order follows from what is asked
and from nothing else: a reader who comes back finds each answer where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from kernelbox.lab.exercises.verdict import marked_up


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
        choices: The answers, shuffled; one is right.
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
    """Return a question, whatever the order in which its answers are written.

    Raises:
        ValueError: It has not exactly one right answer, or one that says nothing.
    """
    if sum(one.right for one in choices) != 1 or len(choices) < 2:
        raise ValueError(f"{text!r} needs one right answer, and a wrong one")
    if not all(one.text and one.why for one in choices):
        raise ValueError(f"{text!r}: every answer says why")
    return Question(text, shuffled(text, choices))


def shuffled(text: str, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Return answers in an order that follows from what is asked."""

    def lot(place: int) -> bytes:
        return sha256(f"{place} {text}".encode()).digest()

    return tuple(choices[place] for place in sorted(range(len(choices)), key=lot))

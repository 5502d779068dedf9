"""What a check answers: passed or not, what it observed, and what it had hoped for."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from kernelbox.lab.wire import LabError

_LONGEST = 600  # characters of an observation: a student's value may be a megabyte


@dataclass(frozen=True)
class Verdict:
    """The answer of a check, at the moment when it looked.

    Attributes:
        passed: Whether the exercise is solved.
        observed: What was found, in words: of the kernel, never only "wrong".
        expected: What would be found if it were solved; empty when it is.
        title: Of the exercise.
        points: What it is worth.
        hints: Of the exercise, the weakest first.
    """

    passed: bool
    observed: str
    expected: str = ""
    title: str = ""
    points: int = 0
    hints: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return it in a few lines that are the same in every run of the same solution."""
        worth = f" ({self.points} point{'s' * (self.points != 1)})" if self.points else ""
        lines = [f"{'passed' if self.passed else 'not yet'}: {self.title}{worth}"]
        lines.append(f"observed: {self.observed}")
        if self.expected:
            lines.append(f"expected: {self.expected}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        lines = "".join(f"<div>{html.escape(line)}</div>" for line in repr(self).splitlines())
        edge = "solid" if self.passed else "dashed"
        help_ = "" if self.passed else folded_hints(self.hints)
        return f'<div style="border-left: 4px {edge}; padding-left: 0.8em">{lines}{help_}</div>'


class NotYet(LabError):
    """A check has not passed. A notebook shows its lines, a grader gives no points.

    Attributes:
        verdict: What the check answered.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"observed: {verdict.observed}")
        self.verdict = verdict

    def _render_traceback_(self) -> list[str]:
        return repr(self.verdict).splitlines()


def passed(observed: str) -> Verdict:
    """Return the verdict on a solved exercise: what was observed, without what varies."""
    return Verdict(True, cut(observed))


def failed(observed: str, expected: str = "") -> Verdict:
    """Return the verdict on one that is not: what was observed, and what should have been."""
    return Verdict(False, cut(observed), cut(expected))


def cut(text: str) -> str:
    """Return a text on one line, of a length that can be read."""
    text = " ".join(text[: 4 * _LONGEST].split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def folded_hints(hints: tuple[str, ...]) -> str:
    """Return hints as HTML, each folded away within the one before."""
    inner = ""
    for number, hint in reversed(list(enumerate(hints, 1))):
        inner = (
            f"<details><summary>Hint {number}</summary><p>{marked_up(hint)}</p>{inner}</details>"
        )
    return inner


def marked_up(text: str) -> str:
    """Return a sentence as HTML, with what stands between backquotes as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))

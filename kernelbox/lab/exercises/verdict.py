"""What a check answers: passed or not, what it observed, and what it had hoped for."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from kernelbox.lab.conversation import LabError
from kernelbox.widgets.palette import light

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
        first, *rest = repr(self).splitlines()
        outcome, _, what = first.partition(": ")
        sign, hue, edge = ("✓", 2, "solid") if self.passed else ("◯", 0, "dashed")
        # A badge brings its own ground, and the edge is seen on light and on dark paper.
        ground, ink, line = (light(f"{name}-{hue}") for name in ("chip", "on", "line"))
        badge = (
            f'<b style="background-color: {ground}; color: {ink}; padding: 1px 8px; '
            f'border-radius: 4px">{sign} {outcome}</b>'
        )
        lines = "".join(f"<div>{html.escape(line)}</div>" for line in rest)
        help_ = "" if self.passed else folded_hints(self.hints)
        return (
            f'<div style="border-left: 4px {edge} {line}; padding-left: 0.8em">'
            f"<div>{badge} <b>{html.escape(what)}</b></div>{lines}{help_}</div>"
        )


class NotYet(LabError):
    """A check has not passed. A notebook shows its lines, a grader gives no points.

    Args:
        verdict: What the check answered.
        shown: Whether it stands on the page already, and need not be said again.
    """

    def __init__(self, verdict: Verdict, *, shown: bool = False) -> None:
        super().__init__(f"observed: {verdict.observed}")
        self.verdict = verdict
        self._shown = shown

    def _render_traceback_(self) -> list[str]:
        if self._shown:
            return ["Not solved yet, so this cell fails; what was observed stands above."]
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


def described(error: BaseException) -> str:
    """Return an exception on one line; even one whose message raises another."""
    try:
        return cut(f"{type(error).__name__}: {error}")
    except Exception:
        return type(error).__name__


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

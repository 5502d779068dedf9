"""One chapter, as its notebook talks to it: predict, observe, check, quiz, clean.

from kernelbox import lab

box = lab.start()
course = lab.chapter("01")
course.predict("pids", 1)             a guess, before the cell that answers
course.observe("pids", 2)             what it was; refused without a guess
course.hints("all-its-numbers")       three, each folded within the one before
course.check("all-its-numbers", ...)  looks at the kernel now; raises if the exercise is not solved
course.pieces("birth")                requests to be put in order
course.curve("...", points, ...)      what was measured at several sizes
course.predictions()                  guessed and observed, side by side
course.quiz()
course.progress()
course.clean()                        closes the lab, and proves that nothing is left
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kernelbox.lab import client
from kernelbox.lab.exercises import checking, progress
from kernelbox.lab.exercises.chart import Comparison
from kernelbox.lab.exercises.clean import Left, clean
from kernelbox.lab.exercises.curve import Curve
from kernelbox.lab.exercises.predictions import Guess, Observation
from kernelbox.lab.exercises.quiz import Quiz
from kernelbox.lab.exercises.registry import contents
from kernelbox.lab.exercises.standing import Standing
from kernelbox.lab.exercises.verdict import NotYet, Verdict, folded_hints
from kernelbox.lab.wire import LabError

if TYPE_CHECKING:
    from kernelbox.lab.exercises.parsons import Puzzle
    from kernelbox.lab.exercises.predictions import Answer, Prediction
    from kernelbox.lab.exercises.registry import Exercise

_NOT_GIVEN: Any = object()


class Hints:
    """The hints of an exercise: in a text one below the other, on a page folded away."""

    def __init__(self, hints: tuple[str, ...]) -> None:
        self._hints = hints

    def __repr__(self) -> str:
        return "\n".join(f"Hint {number}: {hint}" for number, hint in enumerate(self._hints, 1))

    def _repr_html_(self) -> str:
        return folded_hints(self._hints)


class Chapter:
    """A chapter in a notebook: what it asks, and what was answered so far.

    Args:
        number: Two digits.

    Raises:
        UsageError: There is no such chapter.
    """

    def __init__(self, number: str) -> None:
        self._contents = contents(number)
        self._guesses: dict[str, Answer] = {}
        self._observed: dict[str, Observation] = {}

    # --- predict, observe ------------------------------------------------------------------------

    def predict(self, name: str, guess: object = _NOT_GIVEN) -> Guess:
        """Record a guess; without one, ask for it on the page.

        A guess counts if it was made before the answer was seen: one that is changed afterwards
        stays as it was.

        Raises:
            LabError: There is no such question, or it has no such answer.
        """
        prediction = self._prediction(name)
        if guess is not _NOT_GIVEN:
            self._guess(prediction, guess)
        return Guess(
            prediction, self._guesses.get(name), lambda given: self._guess(prediction, given)
        )

    def guessed(self, name: str) -> Answer | None:
        """Return the guess: the first line of a cell that shows the answer by itself.

        Raises:
            LabError: There is none yet. (A grader runs what was guessed elsewhere: None.)
        """
        self._prediction(name)
        if name not in self._guesses and not _is_graded():
            raise LabError(
                "first your guess, then the answer",
                f"Go back to the cell that says predict({name!r}), and run it with a guess",
            )
        return self._guesses.get(name)

    def observe(self, name: str, answer: Answer, about: str = "") -> Observation:
        """Return what was observed beside what was guessed.

        Args:
            name: Of the prediction.
            answer: What it was.
            about: The answer in words that are true in every run, if the answer itself is not.

        Raises:
            LabError: There is no guess yet.
        """
        found = Observation(self._prediction(name), self.guessed(name), answer, about)
        self._observed[name] = found
        return found

    def predictions(self) -> Comparison:
        """Return all that was guessed and observed in this chapter."""
        return Comparison(list(self._observed.values()))

    def _guess(self, prediction: Prediction, guess: object) -> None:
        fitting = prediction.fitting(guess)
        if prediction.name not in self._observed:
            self._guesses[prediction.name] = fitting
            self._note("predictions", prediction.name, fitting)

    def _prediction(self, name: str) -> Prediction:
        found: Prediction = _named(name, self._contents.predictions, "prediction")
        return found

    curve = Curve  # what was measured at several sizes: `course.curve(title, points, ...)`

    # --- exercises -------------------------------------------------------------------------------

    def check(self, name: str, /, **given: Any) -> Verdict | None:
        """Look at the kernel as it is now, and say whether an exercise is solved.

        For a grader the verdict is shown, not returned: nbgrader takes what a cell returns for a
        number of points.

        Args:
            name: Of the exercise.
            **given: What the student made, as the check calls it.

        Raises:
            NotYet: It is not; the exception says what was observed.
            LabError: There is no such exercise, or the lab is closed.
        """
        exercise = self._exercise(name)
        verdict = checking.judge(exercise, client.current(), given)
        if not verdict.passed:
            _show(verdict)
            raise NotYet(verdict)
        if _is_graded():
            _show(verdict)
            return None
        self._note("exercises", name, exercise.points)
        return verdict

    def hints(self, name: str) -> Hints:
        """Return the hints of an exercise."""
        return Hints(self._exercise(name).hints)

    def pieces(self, name: str) -> Puzzle:
        """Return the requests of a puzzle, to be put in order."""
        found: Puzzle = _named(name, self._contents.puzzles, "puzzle")
        return found

    def _exercise(self, name: str) -> Exercise:
        found: Exercise = _named(name, self._contents.exercises, "exercise")
        return found

    # --- the end ---------------------------------------------------------------------------------

    def quiz(self) -> Quiz:
        """Return the quiz."""
        return Quiz(
            self._contents.quiz,
            lambda number, right: self._note("quiz", str(number), int(right)),
        )

    def progress(self) -> Standing:
        """Return how far this chapter is solved, as it is recorded on disk."""
        return Standing([self._contents])

    def clean(self) -> Left:
        """Close the lab, and count what is left of it: nothing, it is to be hoped."""
        return clean(client.current())

    def _note(self, shelf: str, name: str, value: Any) -> None:
        if not _is_graded():  # or the record of whoever grades would be their students'
            progress.note(self._contents.number, shelf, name, value)

    def __repr__(self) -> str:
        return f"<chapter {self._contents.number}>"


def _named(name: str, known: dict[str, Any], what: str) -> Any:
    if name not in known:
        there = ", ".join(known) or "none"
        raise LabError(f"this chapter has no {what} {name!r}", f"There are: {there}")
    return known[name]


def _is_graded() -> bool:
    """Say whether nbgrader runs the notebook, rather than somebody who reads it."""
    return "NBGRADER_EXECUTION" in os.environ


def _show(verdict: Verdict) -> None:
    """Show a verdict on the page, if there is one: the exception after it is text only."""
    from IPython.core.getipython import get_ipython

    if get_ipython() is not None:
        from IPython.display import display

        show: Any = display
        show(verdict)

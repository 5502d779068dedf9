"""One chapter, as its notebook talks to it: recall, predict, observe, check, quiz, clean.

from kernelbox import lab

box = lab.start()
course = lab.chapter("01")
course.recall()                       two questions of earlier chapters
course.predict("pids", 1)             a guess, before the cell that answers
course.predict("pids")                asks for it on the page, unless it is on record
course.observe("pids", 2)             what it was; a cell with this is not run without a guess
course.explain("leak", "because ...")  a sentence of one's own, kept to be compared later
course.give("landlord", landlord)     what the lab gives to an exercise: its check takes no other
course.hints("all-its-numbers")       three, each folded within the one before
course.check("all-its-numbers", ...)  looks at the kernel now; raises if the exercise is not solved
course.pieces("birth")                requests to be put in order
course.curve("...", points, ...)      what was measured at several sizes
course.bars("...", measured, ...)     what was measured in several ways
course.ecdf("...", measured, ...)     the same, every run of it
course.predictions()                  guessed and observed, side by side
course.quiz()
course.progress()
course.clean()                        closes the lab, and proves that nothing is left
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from kernelbox.lab import notebook
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import guess_first, judge, progress, tries
from kernelbox.lab.exercises.bars import Bars
from kernelbox.lab.exercises.catalogue import contents
from kernelbox.lab.exercises.chart import Comparison
from kernelbox.lab.exercises.clean import Left, clean
from kernelbox.lab.exercises.curve import Curve
from kernelbox.lab.exercises.ecdf import Ecdf
from kernelbox.lab.exercises.given import Gifts
from kernelbox.lab.exercises.grading import Delivered, is_graded
from kernelbox.lab.exercises.guesses import Guess, Observation
from kernelbox.lab.exercises.hints import quoting
from kernelbox.lab.exercises.quiz import Quiz
from kernelbox.lab.exercises.recall import recalled
from kernelbox.lab.exercises.score import Standing
from kernelbox.lab.exercises.verdict import NotYet, Verdict, folded_hints

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.exercises.exercise import Exercise
    from kernelbox.lab.exercises.parsons import Puzzle
    from kernelbox.lab.exercises.predictions import Answer, Prediction

Thing = TypeVar("Thing")

_NOT_GIVEN: Any = object()


class Hints:
    """The hints of an exercise: in a text one below the other, on a page folded away."""

    def __init__(self, hints: tuple[str, ...]) -> None:
        self._hints = hints

    def __repr__(self) -> str:
        return "\n".join(f"Hint {number}: {hint}" for number, hint in enumerate(self._hints, 1))

    def _repr_html_(self) -> str:
        return folded_hints(self._hints)


class Explanation:
    """A student's own words, to be compared with ours.

    Attributes:
        sentence: Empty if nothing was written yet.
    """

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence

    def __repr__(self) -> str:
        return f"my words: {self.sentence}" if self.sentence else "no words of yours are kept yet"


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
        self._gifts = Gifts()
        guess_first.watch(Chapter)
        if is_graded():
            Delivered(self).watch()

    # --- the beginning ---------------------------------------------------------------------------

    def recall(self) -> Quiz:
        """Return two questions of earlier chapters; what is answered counts for no quiz.

        Raises:
            LabError: There is no earlier chapter.
        """
        found = recalled(self._contents.number)
        if not found:
            raise LabError(
                f"no chapter comes before {self._contents.number}",
                "course.recall() is for those that follow",
            )
        return Quiz(
            tuple(one.question for one in found),
            lambda number, right: self._note("recall", found[number - 1].name, int(right)),
        )

    # --- predict, observe ------------------------------------------------------------------------

    def predict(self, name: str, guess: object = _NOT_GIVEN) -> Guess:
        """Record a guess; without one, ask for it on the page.

        A guess counts if it was made before the answer was seen: one that is changed afterwards
        stays as it was. One that is on record, from before the kernel was restarted, is not asked
        for again.

        Raises:
            LabError: There is no such question, or it has no such answer.
        """
        prediction = self._prediction(name)
        if guess is _NOT_GIVEN:
            self._recall(prediction)
            return self._guess(prediction)
        late = self._record(prediction, guess)
        return self._guess(prediction, late)

    def guessed(self, name: str) -> Answer | None:
        """Return the guess: the first line of a cell that shows the answer by itself.

        Raises:
            LabError: There is none yet. (A grader runs what was guessed elsewhere: None.)
        """
        self._prediction(name)
        if name not in self._guesses and not is_graded():
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

    def explain(self, name: str, sentence: str = "") -> Explanation:
        """Keep an explanation in the student's own words; without one, show what is kept.

        Args:
            name: What it is about: any word.
            sentence: As long as it takes.
        """
        text = " ".join(sentence.split())
        if text:
            self._note("explanations", name, text)
            return Explanation(text)
        kept = progress.read().get(self._contents.number, {}).get("explanations", {})
        return Explanation(str(kept.get(name, "")))

    def predictions(self) -> Comparison:
        """Return all that was guessed and observed in this chapter."""
        return Comparison(list(self._observed.values()))

    def _guess(self, prediction: Prediction, late: Answer | None = None) -> Guess:
        def told(given: object) -> str:
            return repr(self._guess(prediction, self._record(prediction, given)))

        return Guess(prediction, self._guesses.get(prediction.name), told, late)

    def _record(self, prediction: Prediction, guess: object) -> Answer | None:
        """Take a guess; return it if it is another than the one before the answer was seen."""
        fitting = prediction.fitting(guess)
        if prediction.name in self._observed:
            return None if fitting == self._guesses.get(prediction.name) else fitting
        self._guesses[prediction.name] = fitting
        self._note("predictions", prediction.name, fitting)
        return None

    def _recall(self, prediction: Prediction) -> None:
        """Take the guess that is on record, if there is none yet in this kernel."""
        if prediction.name in self._guesses or is_graded():
            return
        chapter = progress.read().get(self._contents.number, {})
        # Somebody may have changed the file, or the course its question.
        with suppress(KeyError, LabError):
            recorded = chapter["predictions"][prediction.name]
            self._guesses[prediction.name] = prediction.fitting(recorded)

    def _prediction(self, name: str) -> Prediction:
        found: Prediction = _named(name, self._contents.predictions, "prediction")
        return found

    curve = Curve  # what was measured at several sizes: `course.curve(title, points, ...)`
    bars = Bars  # or in several ways: `course.bars(title, measured, up=...)`
    ecdf = Ecdf  # every run of these: `course.ecdf(title, measured, across=...)`

    # --- exercises -------------------------------------------------------------------------------

    def give(self, name: str, thing: Thing, *, alive: bool = True) -> Thing:
        """Give a thing to the exercises, and return it.

        A check that gets something else by this name says so, and does not pass.

        Args:
            name: As the checks call it.
            thing: Any object.
            alive: Whether a process or a container has to live until the check.
        """
        self._gifts.remember(name, thing, alive=alive)
        return thing

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
        verdict = judge.judge(exercise, notebook.current(), given, self._gifts)
        self._count("attempts", name, lambda before: tries.after(before, verdict))
        if not verdict.passed:
            raise NotYet(verdict, shown=_show(verdict))
        if is_graded():
            _show(verdict)
            return None
        self._note("exercises", name, exercise.points)
        return verdict

    def hints(self, name: str) -> Hints:
        """Return the hints of an exercise; the first follows from what the check last observed.

        That is on record, so a kernel's restart forgets nothing.
        """
        hints = self._exercise(name).hints
        attempts = progress.read().get(self._contents.number, {}).get("attempts", {})
        self._count("hints", name, lambda before: progress.number(before) + 1)
        return Hints(quoting(tries.last(attempts.get(name)), hints))

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
        return clean(notebook.current())

    def _note(self, shelf: str, name: str, value: Any) -> None:
        self._count(shelf, name, lambda _: value)

    def _count(self, shelf: str, name: str, new: Callable[[Any], Any]) -> None:
        if not is_graded():  # or the record of whoever grades would be their students'
            progress.change(self._contents.number, shelf, name, new)

    def __repr__(self) -> str:
        return f"<chapter {self._contents.number}>"


def _named(name: str, known: dict[str, Any], what: str) -> Any:
    if name not in known:
        there = ", ".join(known) or "none"
        raise LabError(f"this chapter has no {what} {name!r}", f"There are: {there}")
    return known[name]


def _show(verdict: Verdict) -> bool:
    """Show a verdict on the page, and say whether there is one: an exception is text only."""
    from IPython.core.getipython import get_ipython

    if getattr(get_ipython(), "kernel", None) is None:
        return False
    from IPython.display import display

    show: Any = display
    show(verdict)
    return True

"""Trying the answers to an exercise: what must pass passes, what must not says what was observed.

Each exercise begins in an empty lab. The kit's chapters are tried in their notebooks' cells; a
teacher's, which have none, in a lab that is opened anew for each answer.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.lab.course.solutions import SOLUTION, code, instead, place_of
from kernelbox.lab.exercises.answers import Answers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.course.kernel import Kernel, Kernels
    from kernelbox.lab.exercises.catalogue import Contents
    from kernelbox.lab.exercises.exercise import Exercise

_NOTHING = "pass"
_BEGIN = "import os\nfrom kernelbox import lab"  # as the first cell of every notebook has it
_LONGEST = 300  # characters of what is told


class Script(NamedTuple):
    """What is run to try the answers to an exercise, as cells.

    Attributes:
        once: First, in a new kernel.
        before: Before each answer.
        around: The cell that an answer is put into; empty if the answer is the whole cell.
        check: The cell that checks it.
        right: Right answers, by their names.
    """

    once: tuple[str, ...]
    before: tuple[str, ...]
    around: str
    check: str
    right: dict[str, str]

    def cell(self, answer: str) -> str:
        """Return the cell with an answer in it."""
        return instead(self.around, answer) if self.around else textwrap.dedent(answer).strip("\n")


class Outcome(NamedTuple):
    """What came of one answer.

    Attributes:
        answer: Which: "nothing done", "right: by hand", "wrong: too late".
        said: What the check said, or what went wrong before.
        surprise: Why this is not as it should be; empty if it is.
    """

    answer: str
    said: str
    surprise: str


def tried(kernels: Kernels, chapter: Contents, exercise: Exercise) -> Iterator[Outcome]:
    """Try nothing, every right and every wrong answer, in this order; tell each as it is known.

    Args:
        kernels: Where they are tried.
        chapter: What it asks, and the answers.
        exercise: One of its exercises.

    Raises:
        KernelboxError: The exercise cannot be tried: what has to be run before does not run.
    """
    answers = chapter.answers.get(exercise.name, Answers({}, {}))
    script = (_in_a_notebook if chapter.own else _by_itself)(chapter, exercise, answers)
    every = [("nothing done", _NOTHING, "not yet", answers.nothing)]
    every += [(f"right: {name}", text, "passed", "") for name, text in script.right.items()]
    every += [
        (f"wrong: {name}", one.code, "not yet", one.observed) for name, one in answers.wrong.items()
    ]
    kernel: Kernel | None = None
    for name, answer, verdict, observed in every:
        trouble = _begin(kernel, script.before) if kernel is not None and kernel.alive else ""
        if kernel is None or not kernel.alive:  # or what the last answer did has ended it by now
            kernel = kernels.fresh()
            trouble = _begin(kernel, script.once + script.before)
        said, surprise = "", trouble
        if not trouble:
            said, surprise = _try(kernel, script.cell(answer), script.check, verdict)
        if not surprise and observed not in _observed(said):
            surprise = f"it was to be observed: {observed}"
        if not surprise and not _observed(said):
            surprise = "the check does not say what it has observed"
        yield Outcome(name, said, surprise)


def _in_a_notebook(chapter: Contents, exercise: Exercise, answers: Answers) -> Script:
    cells = code(chapter.number)
    place = place_of(exercise.name, cells)
    [own] = [found[2] for found in SOLUTION.finditer(place.solved)]
    return Script(
        (_BEGIN, *(cells[name] for name in answers.needs)),
        (*(cells[name] for name in answers.again), *([answers.setup] if answers.setup else [])),
        place.solved,
        place.check,
        {"the notebook's": own, **answers.right},
    )


def _by_itself(chapter: Contents, exercise: Exercise, answers: Answers) -> Script:
    _, *made = inspect.signature(exercise.check).parameters
    given = "".join(f", {name}=globals().get({name!r})" for name in made)
    return Script(
        (),
        (
            "%reset -f",
            f"{_BEGIN}\nbox = lab.start()\ncourse = lab.chapter({chapter.number!r})",
            textwrap.dedent(answers.setup),
        ),
        "",
        f"course.check({exercise.name!r}{given})",
        answers.right,
    )


def _begin(kernel: Kernel, cells: tuple[str, ...]) -> str:
    """Run what comes before an answer; return what went wrong, and end the kernel then."""
    for source in cells:
        ran = kernel.run(source)
        if ran.ended or ran.raised:
            kernel.close()
            return f"what is run before it fails: {ran.ended or _last_line(ran.shown)}"
    return ""


def _try(kernel: Kernel, cell: str, check: str, verdict: str) -> tuple[str, str]:
    """Run one answer and its check; return what was said, and what is wrong with it."""
    answer = kernel.run(cell)
    if answer.ended:
        return "", answer.ended
    if answer.raised and verdict == "passed":
        return "", f"it raised {_last_line(answer.shown)}"
    checked = kernel.run(check)
    if checked.ended:
        return "", f"the check: {checked.ended}"
    said = _plain(checked.shown)
    if checked.raised not in ("", "NotYet"):
        return "", f"the check raised {_last_line(checked.shown)}"
    if not said.startswith(f"{verdict}: "):
        how = "passes, and must not" if verdict == "not yet" else "does not pass"
        return said, f"it {how}"
    return said, ""


def _observed(said: str) -> str:
    found = re.search(r"^observed: (.+)$", said, flags=re.MULTILINE)
    return found[1] if found else ""


def _plain(text: str) -> str:
    """Return a text without the colours of a terminal. Source: ECMA-48, SGR."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def _last_line(shown: str) -> str:
    lines = _plain(shown).strip().splitlines() or ["an exception that says nothing"]
    return lines[-1][:_LONGEST]

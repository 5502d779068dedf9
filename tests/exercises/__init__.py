"""Solutions that students would write and that are wrong: a file for each chapter, `chapterNN.py`.

The right solution is the one in the notebook. A file has TRIALS: by the name of an exercise, what
the notebook must have run before, and the wrong solutions. Each is put between the solution's
BEGIN and END in the notebook's cell, and the notebook's own check must then say what is `observed`.
"""

from __future__ import annotations

from typing import NamedTuple


class Wrong(NamedTuple):
    """A wrong solution: its code, and what the check must say among what it observed."""

    code: str
    observed: str


class Trial(NamedTuple):
    """How an exercise is tried.

    Attributes:
        wrong: Three wrong solutions at least, by what is wrong with them.
        needs: Ids of the notebook's cells to be run first, once.
        again: Ids of those to be run before each solution, after `needs`.
    """

    wrong: dict[str, Wrong]
    needs: tuple[str, ...] = ("open",)
    again: tuple[str, ...] = ()

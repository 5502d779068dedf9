"""Where a notebook has its solutions: the cell that is solved, and the one that checks it.

The solution stands between two comments, which nbgrader knows as well; another one can be put in
its place.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab.course.form import calls
from kernelbox.lab.course.notebooks import files

if TYPE_CHECKING:
    from pathlib import Path

SOLUTION = re.compile(
    r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION$", re.MULTILINE | re.DOTALL
)


class Place(NamedTuple):
    """Where a notebook asks for the solution of an exercise.

    Attributes:
        solved: The source of the cell that is solved, with the notebook's own solution.
        check: The source of the cell that checks it.
    """

    solved: str
    check: str


def notebook_of(chapter: str) -> Path:
    """Return a chapter's notebook.

    Raises:
        UsageError: There is none.
    """
    [found] = files(chapter)
    return found


def code(chapter: str) -> dict[str, str]:
    """Return the source of each code cell of a chapter's notebook by its id, in order."""
    import nbformat  # here: it takes a fifth of a second

    cells = nbformat.read(notebook_of(chapter), as_version=4).cells
    return {cell.id: cell.source for cell in cells if cell.cell_type == "code"}


def place_of(exercise: str, cells: dict[str, str]) -> Place:
    """Return where a notebook asks for the solution of an exercise.

    Raises:
        KernelboxError: It does not.
    """
    solved = ""
    for source in cells.values():
        if SOLUTION.search(source):
            solved = source
        if exercise in calls(source, "check"):
            return Place(solved, source)
    raise KernelboxError(f"the notebook does not check {exercise!r}")


def instead(source: str, solution: str) -> str:
    """Return a cell with another solution in the place of its own.

    Raises:
        KernelboxError: It has none, or several.
    """

    def other(found: re.Match[str]) -> str:
        return textwrap.indent(textwrap.dedent(solution).strip("\n"), found[1])

    replaced, times = SOLUTION.subn(other, source)
    if times != 1:
        raise KernelboxError(f"a cell has {times} solutions, and is to have one")
    return replaced

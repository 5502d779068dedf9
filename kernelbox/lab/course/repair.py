"""Mending what a student handed in: nbgrader knows a cell by its grade id, and ids get lost.

A cell that was copied has its twin's id, one that was split or pasted has none, and an editor may
have dropped all metadata: nbgrader then refuses the notebook, or gives no points. What a cell is
can be read off the chapter's own notebook: by the cell's id, else by what it checks, else by how
its source begins.

Source: nbgrader, "Autograding", "Duplicate grade ids"; its metadata schema 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernelbox.kernel.errors import UsageError
from kernelbox.lab.course.form import calls, prepare
from kernelbox.lab.course.solutions import SOLUTION, notebook_of
from kernelbox.lab.exercises.catalogue import contents
from kernelbox.plumbing import whole

if TYPE_CHECKING:
    from pathlib import Path


def repair(file: Path, chapter: str) -> list[str]:
    """Mend a notebook in its place; return what was done, a sentence for each cell.

    Raises:
        UsageError: It is no notebook, or cells that are graded are missing and cannot be made up.
    """
    import nbformat

    try:
        handed_in = nbformat.read(file, as_version=4)
        nbformat.validate(handed_in)
    except (Exception, RecursionError) as error:  # nbformat has many ways to say so
        raise UsageError(
            f"{file} is no notebook ({type(error).__name__})", "Name an .ipynb"
        ) from error
    source = nbformat.read(notebook_of(chapter), as_version=4)
    prepare(source, contents(chapter).exercises)
    wanted = {
        one.metadata.nbgrader.grade_id: one for one in source.cells if "nbgrader" in one.metadata
    }
    said = _mend(handed_in.cells, wanted)
    if said:
        _replace(file, nbformat.writes(handed_in))
    return said


def _replace(file: Path, text: str) -> None:
    """Put a text in the place of a file, whole.

    Raises:
        UsageError: It cannot be written; the file is as it was.
    """
    try:
        whole.replace(file, text.encode())
    except OSError as error:
        raise UsageError(
            f"{file} cannot be mended ({error.strerror}), and is as it was", "Make room beside it"
        ) from error


def _mend(cells: list[Any], wanted: dict[str, Any]) -> list[str]:
    said: list[str] = []
    taken: set[str] = set()
    for number, cell in enumerate(cells, 1):
        id_ = _grade_id(cell)
        twins = sum(_grade_id(one) == id_ for one in cells)
        is_it = id_ in wanted and cell.cell_type == wanted[id_].cell_type
        if is_it and id_ not in taken and (twins == 1 or _alike(cell, wanted[id_])):
            taken.add(id_)
            continue
        found = _found(cell, wanted, taken)
        if found is not None:
            cell.metadata["nbgrader"] = wanted[found].metadata.nbgrader
            taken.add(found)
            said.append(f"cell {number} is {found} again")
        elif "nbgrader" in cell.metadata:
            del cell.metadata["nbgrader"]
            said.append(f"cell {number} was a copy of {id_}, and is a cell of the student's own")
    graded = {id_ for id_, one in wanted.items() if one.metadata.nbgrader.grade}
    if missing := graded - taken:
        raise UsageError(
            f"these checks are not in it: {', '.join(sorted(missing))}",
            "Ask the student for the notebook as it was, or grade by hand",
        )
    return said


def _grade_id(cell: Any) -> str:
    known_as = cell.metadata.get("nbgrader")
    return str(known_as.get("grade_id")) if isinstance(known_as, dict) else ""


def _found(cell: Any, wanted: dict[str, Any], taken: set[str]) -> str | None:
    """Return the grade id of what a cell once was; None if it was nothing of ours."""
    left = {id_: one for id_, one in wanted.items() if id_ not in taken}
    if cell.get("id") in left and _alike(cell, left[cell.id]):
        return str(cell.id)
    return next((id_ for id_, one in left.items() if _alike(cell, one)), None)


def _alike(cell: Any, ours: Any) -> bool:
    """Say whether a cell is one of ours that a student may have worked in."""
    if cell.cell_type != ours.cell_type:
        return False
    if ours.metadata.nbgrader.grade:
        return bool(calls(cell.source, "check")) and _checks(cell) == _checks(ours)
    if ours.metadata.nbgrader.solution:
        # What stands before the solution is the task's own: a name, a signature.
        head = SOLUTION.split(ours.source)[0].strip().splitlines()
        return bool(head) and head[0] in cell.source.splitlines()
    return bool(cell.source == ours.source)


def _checks(cell: Any) -> list[str]:
    return calls(cell.source, "check")

"""nbgrader's form of a chapter: what each cell is there follows from what it says here.

A code cell with a solution is where the student writes. A cell that calls `course.check` is graded
with the points of its exercise. It is locked, and so is all prose. Guesses are the student's own:
ours are taken out.

Source: nbgrader, "Developing assignments with the assignment toolbar"; its metadata schema 3.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.errors import KernelboxError

if TYPE_CHECKING:
    from kernelbox.lab.exercises.exercise import Exercise

BEGIN = "### BEGIN SOLUTION"
STUB = "# your solution\nraise NotImplementedError()"  # what a student finds in its place
REASON = "# Not compared with the stored output: "  # how a cell begins that nbval passes over
ASKED = ("predict",)  # calls whose second argument is an answer of ours, to be taken out
_SCHEMA = 3


def prepare(notebook: Any, exercises: dict[str, Exercise]) -> None:
    """Give a notebook's cells nbgrader's metadata, and take our guesses out.

    Args:
        notebook: As nbformat reads it; it is changed.
        exercises: Of its chapter, by name.

    Raises:
        KernelboxError: A cell checks an exercise that is not registered.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = without_reason(cell.source)
        metadata = {**_nothing(cell), "locked": cell.cell_type == "markdown"}
        if cell.cell_type == "code":
            checked = calls(cell.source, "check")
            if BEGIN in cell.source:
                metadata["solution"] = True
            elif checked:
                metadata |= {"grade": True, "locked": True, "points": _points(checked, exercises)}
            else:
                for asked in ASKED:
                    cell.source = without_answer(cell.source, asked)
        if metadata["locked"] or metadata["solution"]:
            cell.metadata["nbgrader"] = metadata


def _nothing(cell: Any) -> dict[str, Any]:
    return {
        "cell_type": cell.cell_type,
        "grade": False,
        "grade_id": cell.id,
        "schema_version": _SCHEMA,
        "solution": False,
        "task": False,
    }


def without_reason(source: str) -> str:
    """Return a cell without the line to our tests: of a student, nothing is compared."""
    return source.partition("\n")[2] if source.startswith(REASON) else source


def _points(names: list[str], exercises: dict[str, Exercise]) -> int:
    for name in names:
        if name not in exercises:
            raise KernelboxError(f"no exercise {name!r} is registered in this chapter")
    return sum(exercises[name].points for name in names)


def calls(source: str, method: str) -> list[str]:
    """Return the first argument of each call `course.METHOD("...")` in a cell, in order."""
    return [node.args[0].value for node in _calls(source, method)]


def _calls(source: str, method: str) -> list[Any]:
    """Return the calls as nodes of the syntax tree, as they stand in the text."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic
        return []
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == f"course.{method}"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def without_answer(source: str, method: str) -> str:
    """Return a cell with `course.METHOD("name", answer)` left as `course.METHOD("name")`."""
    data = source.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in reversed(_calls(source, method)):
        name = node.args[0]
        answer = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
        if answer:
            # ast counts columns in bytes of UTF-8.
            begin = starts[name.end_lineno - 1] + name.end_col_offset
            end = starts[answer[-1].end_lineno - 1] + answer[-1].end_col_offset
            data = data[:begin] + data[end:]
    return data.decode()

"""A notebook as a student gets it: no solutions, no guesses of ours, nothing that was printed.

It is nbgrader's release form without nbgrader. Notebooks are read and written as plain JSON: that
takes a tenth of the time of checking each against nbformat's schema.

Source: nbformat, "The Notebook file format".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.course.form import ASKED, STUB, calls, without_answer, without_reason
from kernelbox.lab.course.solutions import SOLUTION

if TYPE_CHECKING:
    from typing import Any


# A cell with this tag fails and lets the next one run: JupyterLab's "Run All Above Selected Cell"
# passes over exercises that are not solved yet. Source: JupyterLab, "Cell tags"; nbclient.
PASSED_OVER = "raises-exception"


def release(notebook: dict[str, Any]) -> None:
    """Make the student's form of a notebook; it is changed."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = released("".join(cell["source"])).splitlines(keepends=True)
            cell["outputs"] = []
            cell["execution_count"] = None
            if _may_fail(cell["source"]):
                cell["metadata"].setdefault("tags", []).append(PASSED_OVER)


def _may_fail(lines: list[str]) -> bool:
    """Say whether a cell fails as long as its exercise is not solved."""
    source = "".join(lines)
    return STUB.splitlines()[0] in source or bool(calls(source, "check"))


def released(source: str) -> str:
    """Return the source of a code cell without our answer in it, and without words to our tests."""
    source = without_reason(source)
    if SOLUTION.search(source):
        return SOLUTION.sub(
            lambda found: f"{found[1]}{STUB}".replace("\n", f"\n{found[1]}"), source
        )
    for method in ASKED:
        source = without_answer(source, method)
    return source

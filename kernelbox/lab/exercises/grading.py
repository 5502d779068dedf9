"""A grader runs a notebook: its checks are then the ones that were delivered.

A cell of a student's may have put something else in the place of `course`, or of `course.check`. It
is put back before a cell is run that checks, and named in its output. (What a student writes runs
in the same process as the check: a determined one is found by reading, not by this.)

Source: IPython, "IPython Events", pre_run_cell; nbgrader, "Autograding", which puts locked cells
back as they were.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

if TYPE_CHECKING:
    from types import ModuleType


def is_graded() -> bool:
    """Say whether nbgrader runs the notebook, rather than somebody who reads it."""
    return "NBGRADER_EXECUTION" in os.environ


class Delivered:
    """The parts that a check consists of, as they were when a chapter was opened.

    Args:
        course: The chapter, as the notebook's variable `course` holds it.
        parts: Classes and modules whose functions a check runs through.
    """

    def __init__(self, course: object, *parts: type | ModuleType) -> None:
        self._course = course
        self._functions = [
            (part, name, value)
            for part in parts
            for name, value in vars(part).items()
            if callable(value) and not name.startswith("__")
        ]

    def watch(self) -> None:
        """Put back what was replaced, before each cell that checks."""
        shell: Any = get_ipython()
        if shell is not None:
            shell.events.register("pre_run_cell", self._before)

    def _before(self, info: Any) -> None:
        if "course.check(" not in info.raw_cell:
            return
        shell: Any = get_ipython()
        for what in self._put_back(shell.user_ns):
            print(f"kernelbox: {what} had been replaced, and is put back: the check is our own")

    def _put_back(self, names: dict[str, Any]) -> list[str]:
        """Put back what was replaced; return what that was."""
        replaced = []
        if names.get("course") is not self._course:
            names["course"] = self._course
            replaced.append("`course`")
        for part, name, value in self._functions:
            if vars(self._course).pop(name, None) is not None:
                replaced.append(f"`course.{name}`")
            if getattr(part, name, None) is not value:
                setattr(part, name, value)
                replaced.append(f"`{part.__name__}.{name}`")
        return replaced

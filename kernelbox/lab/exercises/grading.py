"""A grader runs a notebook: its checks are then the ones that were delivered.

A cell of a student's may have put something else in the place of `course`, of `course.check`, or of
any function that the checks are made of. It is put back before a cell is run that checks, and named
in its output. (What a student writes runs in the same process as the check: a determined one is
found by reading, not by this.)

Source: IPython, "IPython Events", pre_run_cell; nbgrader, "Autograding", which puts locked cells
back as they were.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

if TYPE_CHECKING:
    from types import ModuleType


_ROOMS = ("kernelbox.lab.chapters.", "kernelbox.lab.exercises.")


def is_graded() -> bool:
    """Say whether nbgrader runs the notebook, rather than somebody who reads it."""
    return "NBGRADER_EXECUTION" in os.environ


def _parts() -> list[type | ModuleType]:
    """Return the rooms that checks are made of, as far as they are loaded, and their classes."""
    rooms = [room for name, room in sorted(sys.modules.items()) if name.startswith(_ROOMS)]
    return [*rooms, *(one for room in rooms for one in _own_classes(room))]


def _own_classes(room: ModuleType) -> list[type]:
    """Return the classes that a room defines itself, not those that it imports."""
    classes = (one for one in vars(room).values() if isinstance(one, type))
    return [one for one in classes if one.__module__ == room.__name__]


class Delivered:
    """The parts that a check consists of, as they were when a chapter was opened.

    Args:
        course: The chapter, as the notebook's variable `course` holds it.
    """

    def __init__(self, course: object) -> None:
        self._course = course
        self._functions = [
            (part, name, value)
            for part in _parts()
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
            if part is type(self._course) and vars(self._course).pop(name, None) is not None:
                replaced.append(f"`course.{name}`")
            if vars(part).get(name) is not value:
                setattr(part, name, value)
                replaced.append(f"`{part.__name__}.{name}`")
        return replaced

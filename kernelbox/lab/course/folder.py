"""A course folder for nbgrader: source, release, gradebook and configuration.

    DIR/nbgrader_config.py
    DIR/source/01-a-container-is-a-process/01-a-container-is-a-process.ipynb
    DIR/release/...                 the same without solutions, made by nbgrader itself
    DIR/gradebook.db                the exercises with their points, and the tests that count

Grading runs what students wrote, as whoever grades, with the privilege that the labs need: do it in
a machine that can be thrown away.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.lab.course.form import STUB, prepare
from kernelbox.lab.exercises.catalogue import contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

CONFIG_FILE = "nbgrader_config.py"
CONFIG = '''"""nbgrader's configuration of the kernelbox course, made by `kernelbox course`.

Grading runs what students wrote, with root's rights: do it in a machine that can be thrown away.
A student's notebook belongs in submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb. Then, here:

    nbgrader autograde ASSIGNMENT --create
    nbgrader generate_feedback ASSIGNMENT
"""

c = get_config()  # noqa: F821 (nbgrader defines it)
c.CourseDirectory.course_id = "kernelbox"
c.ClearSolutions.begin_solution_delimeter = "### BEGIN SOLUTION"  # prose may say the words
c.ClearSolutions.end_solution_delimeter = "### END SOLUTION"
c.ClearSolutions.code_stub = {"python": %(stub)r}
c.Execute.timeout = 60  # seconds for one cell: then it is interrupted, and the next one runs
'''


class Assignment(NamedTuple):
    """What became of one chapter.

    Attributes:
        name: As nbgrader calls it: the notebook's file name without its ending.
        exercises: How many.
        points: What they are worth together.
    """

    name: str
    exercises: int
    points: int


def write(
    directory: Path,
    notebooks: Iterable[Path],
    tell: Callable[[str], None] = lambda line: None,
) -> list[Assignment]:
    """Write a course folder, or write these notebooks anew into one that exists.

    The configuration, the gradebook and what was submitted stay as they are.

    Args:
        directory: The folder.
        notebooks: The chapters.
        tell: Gets a line before each chapter: nbgrader takes seconds for one.

    Raises:
        UsageError: The directory cannot be used.
        KernelboxError: nbgrader is missing, or does not like a notebook.
    """
    _need_nbgrader()
    try:
        _begin(directory)
        config = _configuration(directory)
        made = [_source(directory, file) for file in notebooks]
    except OSError as error:
        what = f"{error.strerror}: {error.filename}"
        raise UsageError(
            f"cannot write the course ({what})", "Name a directory of yours"
        ) from error
    for number, assignment in enumerate(made, 1):
        tell(f"{number} of {len(made)}: {assignment.name}")
        _release(assignment.name, config)
    return made


def _need_nbgrader() -> None:
    from importlib.util import find_spec

    if find_spec("nbgrader") is None:
        raise KernelboxError(
            "a course folder is made with nbgrader, which is not installed",
            "Install it: pip install 'kernelbox-labs[course]'",
        )


def _begin(directory: Path) -> None:
    """Make the directory, unless it is a course folder already.

    Raises:
        UsageError: It is something else.
        OSError: It cannot be made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / CONFIG_FILE
    if config.exists():  # it may be the teacher's own by now
        return
    if any(directory.iterdir()):
        raise UsageError(
            f"{directory} is no course folder, and not empty", "Name one that is new or empty"
        )
    config.write_text(CONFIG % {"stub": STUB}, encoding="utf-8")


def _source(directory: Path, file: Path) -> Assignment:
    """Write the teacher's version of a notebook: with solutions, points and what is locked."""
    import nbformat

    exercises = contents(file.name[:2]).exercises
    notebook = nbformat.read(file, as_version=4)
    prepare(notebook, exercises)
    place = directory / "source" / file.stem
    place.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, place / file.name)
    return Assignment(file.stem, len(exercises), sum(one.points for one in exercises.values()))


def _configuration(directory: Path) -> Any:
    """Return nbgrader's configuration for this folder.

    Raises:
        UsageError: The teacher's file cannot be run.
    """
    from traitlets.config import Config
    from traitlets.config.loader import PyFileConfigLoader

    loader = PyFileConfigLoader(CONFIG_FILE, path=str(directory))
    try:
        config = Config(loader.load_config())
    except Exception as error:
        raise UsageError(
            f"{directory / CONFIG_FILE} cannot be run: {' '.join(str(error).split()).rstrip('.')}",
            "Mend it, or remove it to get a new one",
        ) from error
    config.CourseDirectory.root = str(directory.resolve())
    return config


def _release(name: str, config: Any) -> None:
    """Let nbgrader make the version for students: without solutions, with its cells locked.

    Raises:
        KernelboxError: nbgrader does not like it.
    """
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    # Its gradebook calls the command `alembic`, which lies beside Python even where that directory
    # is not searched.
    beside = os.path.dirname(sys.executable)
    os.environ["PATH"] = f"{beside}:{os.environ.get('PATH', os.defpath)}"
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    api.log.setLevel(logging.ERROR)  # kept for the sentence below
    done = api.generate_assignment(name, force=True, create=True)
    if not done["success"]:
        said = f"{done.get('error', '')}\n{done.get('log', '')}"
        causes = re.findall(r"^ *[\w.]*(?:Error|Entry): (.+)$", said, flags=re.MULTILINE)
        raise KernelboxError(
            f"nbgrader refuses {name}: {causes[-1] if causes else 'no reason given'}",
            f"All it says: nbgrader generate_assignment {name} --force, in the course folder",
        )

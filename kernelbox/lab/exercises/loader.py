"""Loading a teacher's chapter, a file or a folder; what is wrong with it is told in one line.

It is the teacher's code, and runs as the user who opens it, with all that this user may do: nothing
here keeps it from anything.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.kernel.errors import UsageError
from kernelbox.lab.exercises.verdict import described

if TYPE_CHECKING:
    from types import ModuleType


def load(place: Path) -> ModuleType:
    """Run a chapter's code, anew each time: who has changed it need not restart anything.

    Args:
        place: `chapterNN.py`, or a folder with `__init__.py`, whose files import each other with a
            dot: `from .quiz import QUIZ`.

    Raises:
        UsageError: It cannot be run; the message names the file and the line.
    """
    place = place.absolute()
    file = place / "__init__.py" if place.is_dir() else place
    # Two directories may have a chapter of one number: the name tells them apart.
    name = f"{place.stem}_{zlib.crc32(os.fsencode(place)):08x}"
    for old in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
        del sys.modules[old]
    within = [str(place)] if place.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=within)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        file, line = _origin(error, place, file)
        raise broken(file, line, described(error)) from error
    return module


def _origin(error: BaseException, place: Path, file: Path) -> tuple[Path, int]:
    """Return where in a chapter an error comes from: file and line."""
    if isinstance(error, SyntaxError) and error.filename:
        return Path(error.filename), error.lineno or 1
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(place):
            return Path(frame.filename), frame.lineno or 1
    return file, 1


def broken(file: Path, line: int, what: str) -> UsageError:
    """Return the error that tells what is wrong with a chapter's file, and where."""
    return UsageError(
        f"{file}, line {line}: {what}", "Mend it; the other chapters are as they were"
    )


def line_of(file: Path, name: str) -> int:
    """Return in which line a file gives a name its value; 1 if it does not say."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    starts = (f"{name} =", f"{name}=", f"{name}:")
    return next((number for number, line in enumerate(lines, 1) if line.startswith(starts)), 1)

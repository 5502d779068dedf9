"""What a student has done so far, in all chapters: one file of theirs, written whole or not at all.

    $KERNELBOX_PROGRESS, else $XDG_STATE_HOME/kernelbox/progress.json, else ~/.local/state/...

A file that cannot be read is put aside, and said so in one line; one that cannot be written costs
the record, never the exercise.

Source: XDG Base Directory Specification, $XDG_STATE_HOME.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

_VERSION = 1
_SHELVES = ("exercises", "predictions", "quiz")


def path() -> Path:
    """Return the file."""
    if given := os.environ.get("KERNELBOX_PROGRESS"):
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME", "")
    # The specification: a path that is not absolute is to be ignored.
    base = Path(state) if state.startswith("/") else Path.home() / ".local/state"
    return base / "kernelbox/progress.json"


def read() -> dict[str, dict[str, dict[str, Any]]]:
    """Return what is recorded: by chapter, then exercises, predictions and quiz by name."""
    file = path()
    try:
        chapters = json.loads(file.read_text(encoding="utf-8"))["chapters"]
        return {str(number): _shelves(chapter) for number, chapter in chapters.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        _say(f"progress cannot be read: {error}")
        return {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        aside = file.with_name(f"{file.name}.damaged")
        with suppress(OSError):
            os.replace(file, aside)
        _say(
            f"the record of your progress was damaged; it is kept as {aside}, and a new one begins"
        )
        return {}


def _shelves(chapter: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {shelf: dict(chapter.get(shelf, {})) for shelf in _SHELVES}


def note(chapter: str, shelf: str, name: str, value: Any) -> None:
    """Write down one thing.

    Args:
        chapter: Its number, two digits.
        shelf: exercises, predictions or quiz.
        name: What it is about.
        value: Anything that JSON has.
    """
    chapters = read()
    shelves = chapters.setdefault(chapter, _shelves({}))
    if name in shelves[shelf] and shelves[shelf][name] == value:
        return
    shelves[shelf][name] = value
    try:
        _write(path(), json.dumps({"version": _VERSION, "chapters": chapters}, indent=1))
    except OSError as error:
        _say(f"progress is not recorded: {error}")


def _write(file: Path, text: str) -> None:
    """Put a text in the place of a file: a reader finds the old one or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with open(fd, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(name, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _say(sentence: str) -> None:
    print(f"kernelbox: {sentence}", file=sys.stderr)

"""What a student has done so far, in all chapters: one file of theirs, written whole or not at all.

    $KERNELBOX_PROGRESS, else $XDG_STATE_HOME/kernelbox/progress.json, else ~/.local/state/...

A file that cannot be read is put aside, and said so in one line; one that cannot be written, or
that a later kernelbox has written, costs the record, never the exercise.

Source: XDG Base Directory Specification, $XDG_STATE_HOME.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kernelbox.plumbing import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_VERSION = 1
WHEN = ("before", "after")  # the inventory is asked
_SHELVES = (
    "exercises", "predictions", "quiz", "recall", "explanations", "attempts", "hints", "time",
)  # fmt: skip
_LARGEST = 1e12  # of a number that means something: seconds, attempts
_PAUSE = 600.0  # seconds without an answer, after which somebody is taken to have been away
_PATIENCE = 5.0  # seconds that another notebook may take to write


def path() -> Path:
    """Return the file."""
    if given := os.environ.get("KERNELBOX_PROGRESS"):
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME", "")
    # The specification: a path that is not absolute is to be ignored.
    base = Path(state) if state.startswith("/") else Path.home() / ".local/state"
    return base / "kernelbox/progress.json"


def read() -> dict[str, dict[str, dict[str, Any]]]:
    """Return what is recorded of the chapters: by chapter, then by shelf, then by name.

    On the shelf `time` are `seconds`, spent with the chapter so far, and `last`, since the epoch.
    """
    return _read().chapters


def beliefs() -> dict[str, dict[str, str]]:
    """Return what was believed `before` the course and `after` it, by the inventory's items."""
    return _read().inventory


class _Record(NamedTuple):
    """All that is in the file: what was done in the chapters, and the concept inventory."""

    chapters: dict[str, dict[str, dict[str, Any]]]
    inventory: dict[str, dict[str, str]]
    version: int = _VERSION


def _read() -> _Record:
    nothing = _Record({}, both_times({}))
    try:
        record = json.loads(path().read_text(encoding="utf-8"))
        chapters = record["chapters"].items()
        return _Record(
            {str(number): _shelves(chapter) for number, chapter in chapters},
            both_times(record.get("inventory", {})),
            int(number(record.get("version"), _VERSION)),
        )
    except FileNotFoundError:
        return nothing
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        _put_aside(path())
        return nothing
    except (OSError, RuntimeError) as error:  # RuntimeError: whose home there is nobody can say
        _say(f"progress cannot be read: {error}")
        return nothing


def _put_aside(file: Path) -> None:
    """Keep a damaged record, beside those that were damaged before."""
    if not file.is_file():
        return  # /dev/null, say: whoever names that wants no record
    names = (f"{file.name}.damaged{count}" for count in ("", *map("-{}".format, range(2, 1000))))
    aside = next(one for name in names if not (one := file.with_name(name)).exists())
    with suppress(OSError):
        os.replace(file, aside)
    _say(f"the record of your progress was damaged; it is kept as {aside}, and a new one begins")


def _shelves(chapter: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {**chapter, **{shelf: dict(chapter.get(shelf, {})) for shelf in _SHELVES}}


def both_times(inventory: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return a record of the inventory, with a place for either time.

    Raises:
        AttributeError, TypeError, ValueError: It is none.
    """
    return {
        when: {str(item): str(belief) for item, belief in dict(inventory.get(when, {})).items()}
        for when in WHEN
    }


def note(chapter: str, shelf: str, name: str, value: Any) -> None:
    """Write down one thing.

    Args:
        chapter: Its number, two digits.
        shelf: exercises, predictions, quiz, recall or explanations.
        name: What it is about.
        value: Anything that JSON has.
    """
    change(chapter, shelf, name, lambda _: value)


def change(chapter: str, shelf: str, name: str, new: Callable[[Any], Any]) -> None:
    """Write down one thing that follows from what is written there.

    Args:
        chapter: As for `note`, like `shelf` and `name`.
        shelf: These, and attempts and hints.
        name: What it is about.
        new: From what is there, or None, to what shall be: anything that JSON has.
    """

    def edit(record: _Record) -> None:
        shelves = record.chapters.setdefault(chapter, _shelves({}))
        shelves[shelf][name] = new(shelves[shelf].get(name))
        _spend(shelves["time"])

    _edit(edit)


def believe(when: str, item: str, belief: str) -> None:
    """Write down an answer to an item of the inventory.

    Args:
        when: `before` or `after`.
        item: Its name.
        belief: The misconception's name, or what stands for the right answer.
    """

    def edit(record: _Record) -> None:
        record.inventory[when][item] = belief

    _edit(edit)


def _edit(edit: Callable[[_Record], None]) -> None:
    """Change the record as it is now, and write it."""
    try:
        with _alone():
            record = _read()
            if record.version > _VERSION:
                _say("progress is not recorded: a later kernelbox has written the record")
                return
            edit(record)
            text = json.dumps(record._asdict(), indent=1)
            whole.replace(path(), text.encode(), 0o600)
    except Exception as error:  # a record may hold anything: it costs the record, not the exercise
        _say(f"progress is not recorded: {error}")


def _spend(times: dict[str, Any]) -> None:
    """Add the time since the last answer, unless that was a pause."""
    now = time.time()
    since = now - number(times.get("last"), now)
    times["seconds"] = number(times.get("seconds")) + (since if 0 < since < _PAUSE else 0.0)
    times["last"] = now


def number(value: Any, default: float = 0) -> float:
    """Return a number of the record's; `default` for what is none, or none that counts."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return default
    return value if abs(value) < _LARGEST else default  # a NaN is not less than anything


@contextmanager
def _alone() -> Iterator[None]:
    """Be alone in writing: two notebooks may be open.

    Raises:
        BlockingIOError: EAGAIN: somebody else does not come to an end with it.

    Source: flock(2), LOCK_NB.
    """
    directory = path().parent
    directory.mkdir(parents=True, exist_ok=True)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        yield
    finally:
        os.close(fd)


def _say(sentence: str) -> None:
    print(f"kernelbox: {sentence}", file=sys.stderr)

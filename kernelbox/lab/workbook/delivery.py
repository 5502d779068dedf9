"""Delivering the workbook: once, and afterwards only what the student has not begun.

    WORKBOOK/README.ipynb                     the front page, with the map of the course
    WORKBOOK/03-mount-namespaces.ipynb        a chapter, from now on the student's
    WORKBOOK/03-improved-mount-namespaces.ipynb   the kit's newer one, when both have changed
    WORKBOOK/solutions/03-...-solved.ipynb    the solved chapters, when they were asked for
    WORKBOOK/.kernelbox/delivered/            each file as it was delivered

Where it lies: $KERNELBOX_WORKBOOK, else ~/kernelbox-lab. Nothing of a student's is ever replaced.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.errors import UsageError
from kernelbox.lab.course import notebooks
from kernelbox.lab.course.form import without_reason
from kernelbox.lab.workbook.overview import Overview
from kernelbox.lab.workbook.release import release
from kernelbox.plumbing import whole

if TYPE_CHECKING:
    from collections.abc import Iterator

FRONT = "README.ipynb"
SOLUTIONS = "solutions"
OWN = ".kernelbox"  # what is not a student's to read
_RECORD = f"{OWN}/delivered"


def place() -> Path:
    """Return the workbook's directory.

    Raises:
        UsageError: Whose home it is to be in, nobody knows.
    """
    given = os.environ.get("KERNELBOX_WORKBOOK") or "~/kernelbox-lab"
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(
            f"the workbook's place is {given!r:.200}, and there is no such home directory",
            "Name another place: KERNELBOX_WORKBOOK=DIRECTORY",
        ) from error


def deliver(*, solutions: bool = False) -> list[str]:
    """Bring the workbook up to date; return what there is to say of it, in sentences.

    Args:
        solutions: Whether the solved chapters are delivered too, in a directory of their own.

    Raises:
        UsageError: The directory cannot be written to.
    """
    workbook = place()
    said = []
    try:
        for name, content in (*_pages(), *(_solved() if solutions else ())):
            if sentence := _deliver(workbook, name, content):
                said.append(sentence)
    except OSError as error:
        what = f"{error.strerror}: {error.filename or workbook}"
        raise UsageError(
            f"the workbook cannot be written ({what})",
            "Name another place: KERNELBOX_WORKBOOK=DIRECTORY",
        ) from error
    return said


def _pages() -> Iterator[tuple[str, bytes]]:
    """Return what a workbook consists of: each file's name, and what is in it."""
    top = notebooks.directory()
    for file in notebooks.files(None):
        notebook = json.loads(file.read_bytes())
        release(notebook)
        yield file.name, _written(notebook)
    for file in _files_below(top / "workbook"):
        content = file.read_bytes()
        if file.suffix == ".ipynb":
            content = _with_map(content) if file.name == FRONT else _without_reasons(content)
        yield file.name, content
    for file in _files_below(top / "pictures"):
        yield f"pictures/{file.name}", file.read_bytes()


def _solved() -> Iterator[tuple[str, bytes]]:
    for file in notebooks.files(None):
        yield f"{SOLUTIONS}/{file.stem}-solved.ipynb", file.read_bytes()


def first_solved() -> str:
    """Return the page that the solved chapters begin with."""
    return next(iter(_solved()))[0]


def _files_below(directory: Path) -> list[Path]:
    return sorted(one for one in directory.glob("*") if one.is_file())


def _with_map(content: bytes) -> bytes:
    """Return the front page with the map as it is now: it is seen before anything has run."""
    notebook = json.loads(content)
    forms = Overview().forms()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            shown = {name: text.splitlines(keepends=True) for name, text in forms.items()}
            cell["outputs"] = [{"output_type": "display_data", "data": shown, "metadata": {}}]
            cell["execution_count"] = None
            break
    return _written(notebook)


def _without_reasons(content: bytes) -> bytes:
    """Return a page without what its cells say to our tests."""
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        cell["source"] = without_reason("".join(cell["source"])).splitlines(keepends=True)
    return _written(notebook)


def _written(notebook: dict[str, Any]) -> bytes:
    return (json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _deliver(workbook: Path, name: str, content: bytes) -> str:
    """Deliver one file, unless the student's own is there; return what there is to say."""
    own, record = workbook / name, workbook / _RECORD / name
    before = record.read_bytes() if record.exists() else None
    if own.is_symlink():
        return ""  # a student's own arrangement
    if not own.exists():
        _write(own, content)
        _write(record, content)
        return ""
    now = own.read_bytes()
    if now == content:
        if before != content:
            _write(record, content)
        return ""
    if now == before or (name == FRONT and before and _sources(now) == _sources(before)):
        if content != now:
            _write(own, content)
            _write(record, content)
        return ""
    if before is None or before == content or _sources(before) == _sources(content):
        return ""  # the kit has nothing newer
    beside = _free(workbook, name)
    _write(workbook / beside, content)
    _write(record, content)  # last: whatever is cut short is done again
    return f"{name} was improved since you began it. Yours stays; the new one is {beside}"


def _free(workbook: Path, name: str) -> Path:
    """Return a name beside a file's that nobody has taken."""
    # JupyterLab's list of files cuts long names at their end: what differs stands at the front.
    stem = re.sub(r"^(\d+-)?", r"\1improved-", Path(name).stem)
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return next(one for one in map(Path(name).with_stem, names) if not (workbook / one).exists())


def _sources(content: bytes) -> object:
    """Return what a notebook says, without what it printed; another file as it is."""
    try:
        return [
            (cell["cell_type"], "".join(cell["source"])) for cell in json.loads(content)["cells"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        return content


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    whole.replace(file, content)

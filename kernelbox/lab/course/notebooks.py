"""Where the chapters' notebooks are: beside the package in a checkout, in it when installed."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import kernelbox
from kernelbox.kernel.errors import UsageError


def directory() -> Path:
    """Return the directory of the notebooks.

    Raises:
        UsageError: This kernelbox was installed without them.
    """
    above = Path(kernelbox.__file__).resolve().parent.parent
    places = [Path(str(resources.files(kernelbox) / "notebooks"))]
    if (above / "pyproject.toml").is_file():
        places.insert(0, above / "notebooks")
    for place in places:
        if any(place.glob("*.ipynb")):
            return place
    raise UsageError(
        "this kernelbox has no notebooks",
        "Install it anew: pip install --force-reinstall kernelbox-labs",
    )


def files(chapters: str | None) -> list[Path]:
    """Return the notebooks of some chapters, in order.

    Args:
        chapters: Their numbers, two digits each, with commas between them; None for all.

    Raises:
        UsageError: There is no such chapter.
    """
    found = {file.name[:2]: file for file in sorted(directory().glob("[0-9][0-9]-*.ipynb"))}
    wanted = list(found) if chapters is None else [one.strip() for one in chapters.split(",")]
    for number in wanted:
        if number not in found:
            raise UsageError(f"no chapter {number!r}", f"There are: {', '.join(found)}")
    return [file for number, file in found.items() if number in wanted]

"""What a course has changed in a class: from the students' records, the gain of the inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.kernel.errors import UsageError
from kernelbox.lab.course.report import records_in, taken
from kernelbox.lab.exercises.progress import both_times
from kernelbox.lab.inventory.gains import answered_twice, gains
from kernelbox.lab.inventory.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def of_class(files: Iterable[Path]) -> tuple[Picture, str]:
    """Return the gain of a class, and of how many students it is, in a sentence.

    Args:
        files: Records; directories of them.

    Raises:
        UsageError: One is no record, or nobody has answered a question both times.
    """
    records = [
        taken(file, lambda record: both_times(record.get("inventory", {})))
        for file in records_in(files)
    ]
    twice = answered_twice(records)
    if not twice:
        raise UsageError(
            "nobody has answered the inventory both before the course and after it",
            "Students find it in their workbook: what-do-you-believe.ipynb",
        )
    said = f"{twice} of {len(records)} students have answered both before the course and after it"
    return Picture(gains(records)), said


def draw(picture: Picture, file: Path) -> None:
    """Write the picture into a PNG file, in the resolution of a large projector.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        picture.figure().savefig(file, format="png", dpi=160, facecolor="white")
    except OSError as error:
        raise UsageError(f"{file} cannot be written ({error.strerror})", "Name another") from error

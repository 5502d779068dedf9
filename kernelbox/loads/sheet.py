"""What a load tells while it works: a count and its last measurements, a row for each worker.

The sheet is memory that the workers share with whoever reads it. A worker writes to its own row
alone, so nobody waits for anybody, and a load that is killed or frozen has told all the same.
"""

from __future__ import annotations

import mmap
import os
from array import array

from kernelbox.plumbing.records import NamedTuple

KEPT = 4094  # measurements of a worker; older ones are written over
_WIDTH = KEPT + 2  # before them: the count, and how many measurements there were
_BYTES = 8  # of a double


class Row(NamedTuple):
    """What one worker has told.

    Attributes:
        done: Of what it does: turns, jobs, bytes, children, as the load says.
        measured: Its last measurements, seconds, the oldest first.
    """

    done: int
    measured: tuple[float, ...]


class Sheet:
    """A sheet, as a worker writes it.

    Args:
        fd: Of the file that `make` has made; it may be closed afterwards.
    """

    def __init__(self, fd: int) -> None:
        self._cells = memoryview(mmap.mmap(fd, 0)).cast("B").cast("d")

    def tell(self, worker: int, count: int) -> None:
        """Set a worker's count."""
        self._cells[worker * _WIDTH] = count

    def measure(self, worker: int, seconds: float) -> None:
        """Add a measurement."""
        row = worker * _WIDTH
        number = int(self._cells[row + 1])
        self._cells[row + 2 + number % KEPT] = seconds
        self._cells[row + 1] = number + 1


def make(workers: int) -> int:
    """Return a file for so many workers' rows, as a descriptor; the caller closes it.

    Source: memfd_create(2).
    """
    fd = os.memfd_create("sheet", os.MFD_CLOEXEC)
    os.ftruncate(fd, workers * _WIDTH * _BYTES)
    return fd


def read(fd: int) -> list[Row]:
    """Return the rows as they are now."""
    cells = array("d", os.pread(fd, os.fstat(fd).st_size, 0))
    return [_row(cells[at : at + _WIDTH]) for at in range(0, len(cells), _WIDTH)]


def _row(cells: array[float]) -> Row:
    number = int(cells[1])
    begin = number % KEPT if number > KEPT else 0
    there = cells[2 : 2 + min(number, KEPT)]
    return Row(int(cells[0]), (*there[begin:], *there[:begin]))

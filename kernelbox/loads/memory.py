"""A load on memory: `eat` takes pages at a stated rate, and keeps them.

Memory counts once it is touched. So one byte is written to each page, as a program does that fills
a table.
"""

from __future__ import annotations

import mmap
import signal

from kernelbox.loads.pace import Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from kernelbox.loads.sheet import Sheet

_BITE = 64  # pages at a time


def eat(sheet: Sheet, worker: int, size: int, rate: float) -> NoReturn:
    """Touch `size` bytes of memory, page after page, then sleep on them. Tells bytes.

    Args:
        sheet: Where it tells.
        worker: Whose row that is.
        size: Bytes in all; whole pages are taken.
        rate: Bytes in a second.

    Source: mmap(2), MAP_PRIVATE | MAP_ANONYMOUS.
    """
    pages = -(-size // mmap.PAGESIZE)
    memory = mmap.mmap(-1, pages * mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pace = Pace(rate)
    for first in range(0, pages, _BITE):
        last = min(first + _BITE, pages)
        for page in range(first, last):
            memory[page * mmap.PAGESIZE] = 1
        sheet.tell(worker, last * mmap.PAGESIZE)
        pace.wait((last - first) * mmap.PAGESIZE)
    while True:
        signal.pause()

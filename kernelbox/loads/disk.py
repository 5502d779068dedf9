"""Loads on a disk: `write` and `read` a file, in order or at random, cached or direct.

Through the page cache a write ends when the bytes are in memory, and a read may not reach the disk
at all. Direct I/O (O_DIRECT) goes past the cache: its rate is the disk's.
"""

from __future__ import annotations

import mmap
import os
import random
import time

from kernelbox.loads.pace import Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from kernelbox.loads.sheet import Sheet

BLOCK = 64 << 10  # bytes of one request, if nothing else is said


def write(
    sheet: Sheet,
    worker: int,
    path: str,
    size: int,
    rate: float,
    block: int,
    at_random: bool,
    direct: bool,
) -> NoReturn:
    """Write blocks of a file over and over. Tells bytes, and measures each request.

    Args:
        sheet: Where it tells.
        worker: Whose row that is.
        path: The file; made if it is missing. A second worker has a file of its own, `PATH.1`.
        size: Of the file, bytes; a whole number of blocks is used.
        rate: Bytes in a second.
        block: Bytes of one request; O_DIRECT wants a multiple of the disk's own block.
        at_random: Whether the blocks come in any order.
        direct: Whether to go past the page cache.

    Source: open(2), O_DIRECT; pwrite(2).
    """
    fd = os.open(_own(path, worker), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | _flag(direct), 0o600)
    said = _memory(block)
    said.write(random.randbytes(block))
    _go_on(sheet, worker, size, rate, block, at_random, lambda at: os.pwritev(fd, [said], at))


def read(
    sheet: Sheet,
    worker: int,
    path: str,
    size: int,
    rate: float,
    block: int,
    at_random: bool,
    direct: bool,
) -> NoReturn:
    """Read blocks of a file over and over; it has to be there. The rest is as for `write`.

    Source: open(2), O_DIRECT; preadv(2).
    """
    fd = os.open(_own(path, worker), os.O_RDONLY | os.O_CLOEXEC | _flag(direct))
    heard = _memory(block)
    _go_on(sheet, worker, size, rate, block, at_random, lambda at: os.preadv(fd, [heard], at))


def _own(path: str, worker: int) -> str:
    return f"{path}.{worker}" if worker else path


def _flag(direct: bool) -> int:
    return os.O_DIRECT if direct else 0


def _memory(size: int) -> mmap.mmap:
    """Return memory that begins with a page, as O_DIRECT wants it."""
    return mmap.mmap(-1, size)


def _go_on(
    sheet: Sheet,
    worker: int,
    size: int,
    rate: float,
    block: int,
    at_random: bool,
    move: Callable[[int], int],
) -> NoReturn:
    blocks = max(size // block, 1)
    pace = Pace(rate)
    number = moved = 0
    while True:
        place = random.randrange(blocks) if at_random else number % blocks
        began = time.perf_counter()
        moved += move(place * block)
        sheet.measure(worker, time.perf_counter() - began)
        sheet.tell(worker, moved)
        number += 1
        pace.wait(block)

"""All loads by name, and how one with several workers runs: the first is the load itself."""

from __future__ import annotations

import math
import os

from kernelbox.kernel.errors import UsageError
from kernelbox.loads import disk, memory, processes, processor
from kernelbox.loads.family import end_with
from kernelbox.loads.sheet import Sheet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

MOST = 64  # workers of one load
SECTOR = 512  # bytes: the least that any disk moves

KINDS: dict[str, Callable[..., NoReturn]] = {
    "burn": processor.burn,
    "serve": processor.serve,
    "eat": memory.eat,
    "fork_many": processes.fork_many,
    "write": disk.write,
    "read": disk.read,
}


def check(kind: str, workers: int, options: dict[str, Any]) -> None:
    """Refuse what no load can do, before there is a process that fails.

    Raises:
        UsageError: There is no such load; a number is not above 0; there are too many workers.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no load {kind!r}", f"There are: {', '.join(KINDS)}")
    for name, value in {"workers": workers, **options}.items():
        if isinstance(value, int | float) and not (value > 0 or value is False):
            raise UsageError(f"{name} of {kind} is {value}", "Ask for a number above 0")
    if workers > MOST:
        raise UsageError(f"{workers} workers are too many for one load", f"It takes {MOST}")
    for name, value in options.items():
        if name != "rate" and value == math.inf:
            raise UsageError(f"{name} of {kind} is infinite", "Ask for a number")
    if options.get("direct") and options["block"] % SECTOR:
        raise UsageError(
            f"block of {kind} is {options['block']}, and no direct request has that size",
            f"Ask for a multiple of {SECTOR}",
        )


def run(kind: str, workers: int, options: dict[str, Any], sheet: Sheet) -> NoReturn:
    """Be a load, until somebody ends it; the further workers end with the first.

    Args:
        kind: As `check` has seen it.
        workers: How many processes do the same.
        options: Of the load.
        sheet: With a row for each worker.
    """
    first, number = os.getpid(), 0
    for another in range(1, workers):
        if os.fork() == 0:
            end_with(first)
            number = another
            break
    KINDS[kind](sheet, number, **options)

"""What is guessed in chapter 06 before the kernel answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.exercises.predictions import choice, number

if TYPE_CHECKING:
    pass

PREDICTIONS = (
    number("append", "one byte is appended to 4096 KiB: upperdir", unit="KiB"),
    number("chmod", "4096 KiB get another mode: upperdir", unit="KiB"),
    number("latency", "32 times as large takes, times as long"),
    choice("rename", "a directory of the layer is renamed", "works", "EXDEV", "EROFS"),
    number("view", "files seen through three layers"),
    choice("other", "another container sees what the first wrote", "yes", "no"),
    choice("rm", "an image after rm and commit has bytes:", "fewer", "as many", "more"),
    choice("link", "two names, one is written to: the other says", "new", "old"),
    choice("open", "a descriptor older than the copy reads", "new", "old"),
)  # fmt: skip

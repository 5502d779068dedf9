"""What is guessed in chapter 10 before the kernel answers."""

from __future__ import annotations

from kernelbox.lab.exercises.predictions import choice

PREDICTIONS = (
    choice("rate", "a direct writer below 4 MiB a second: it writes", "4", "8", "over 100"),
    choice("partition", "a limit for a partition of a disk: the kernel", "takes it", "refuses"),
    choice("cached", "dd, through the cache, of 8 MiB: it takes", "about 2 s", "under 1 s"),
    choice("again", "the second reading of 8 MiB: from the disk come", "8 MiB", "no bytes"),
    choice("small", "100 requests a second, of 4 KiB each: in KiB a second", "400", "4096"),
    choice("slowest", "one small read beside large ones: it waits for", "its bytes", "their bytes"),
)

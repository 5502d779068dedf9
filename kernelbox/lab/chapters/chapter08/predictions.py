"""What is guessed in chapter 08 before the kernel answers."""

from __future__ import annotations

from kernelbox.lab.exercises.predictions import choice

PREDICTIONS = (
    choice("together", "two burners below a quota of 0.1: both together use", "0.1", "0.2", "2"),
    choice("pause", "their longest pause in 100 ms", "none", "about 10 ms", "over 40 ms"),
    choice("small", "the slowest answer of a small job, beside a big one", "as ever", "far slower"),
    choice("alone", "weight 20 of 10000, and nobody else: its burner gets", "0.2 %", "20 %", "all"),
    choice("nproc", "nproc below a quota of half a processor", "0", "1", "all of them"),
)

"""What is guessed in chapter 14 before the kernel answers."""

from __future__ import annotations

from kernelbox.lab.exercises.predictions import choice

PREDICTIONS = (
    choice(
        "start",
        "beside a process, a container takes for its start",
        "about as long",
        "tens of times",
        "thousands of times",
    ),
    choice(
        "hundred",
        "of a hundred idle ones, each takes",
        "over 1 MiB",
        "under 0.4 MiB",
    ),
    choice("copies", "a file of an image, read in two containers", "once", "twice"),
    choice(
        "call",
        "inside, a system call costs",
        "as much as outside",
        "twice as much",
        "ten times as much",
    ),
    choice(
        "noise",
        "beside busy neighbours, slow answers take",
        "as long as ever",
        "over twice as long",
    ),
)

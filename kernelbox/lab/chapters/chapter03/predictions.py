"""What is guessed in chapter 03 before the kernel answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.exercises.predictions import choice, number

if TYPE_CHECKING:
    pass

PREDICTIONS = (
    choice("copy", "a new mount namespace begins with", "nothing", "a copy of the mounts"),
    number("leak", "lines that the server's mountinfo gains"),
    choice(
        "slave",
        "a slave and its master: mounts spread",
        "both ways", "to the slave", "to the master", "neither way",
    ),
    number("rbind", "mounts after three recursive binds"),
    choice("ro", "writing through a bind mount made with ro", "works", "is refused"),
    choice("kept", "a namespace without a process, bound to a file", "is gone", "lives on"),
    number("host", "of the container's mounts, the host lists"),
)  # fmt: skip

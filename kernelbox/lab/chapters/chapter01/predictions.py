"""What is guessed in chapter 01 before the kernel answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.exercises.predictions import choice, number

if TYPE_CHECKING:
    pass

PREDICTIONS = (
    number("pids", "PIDs of one task in a container"),
    choice("boot", "the boot id, inside and outside", "the same", "different"),
    number("neighbours", "namespaces that two containers share"),
    choice(
        "newborn",
        "a container just cloned has the mounts of",
        "nobody", "the image", "the host",
    ),
    choice(
        "kill",
        "the container, when the host kills its init",
        "goes on", "restarts", "gone",
    ),
    choice("cost", "a container starts and ends within", "milliseconds", "seconds", "minutes"),
)  # fmt: skip

"""What is guessed in chapter 02 before the kernel answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.exercises.predictions import choice, number

if TYPE_CHECKING:
    pass

PREDICTIONS = (
    number("births", "born until the kernel refuses, if the first one ends"),
    choice("ps", "in a new PID namespace, ps lists", "its own processes", "the host's"),
    number("stop", "seconds to stop sleep, with 2 s of patience", unit="s"),
    choice(
        "orphan",
        "who adopts an orphan in a PID namespace",
        "its grandparent", "the host's init", "PID 1 of its namespace",
    ),
    number("survivors", "of three processes, those that outlive their init"),
    number("depth", "levels of PID namespaces, one in the other"),
)  # fmt: skip

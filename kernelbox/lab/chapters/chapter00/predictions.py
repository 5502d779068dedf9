"""What is guessed in chapter 00 before the kernel answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.exercises.predictions import choice, number

if TYPE_CHECKING:
    pass

PREDICTIONS = (
    number("threads", "threads of this notebook"),
    number("namespaces", "namespaces it is in, without a container"),
    choice("hostname", "the machine is called, after sethostname", "lab", "before"),
    number("requests", "requests until a container says hello"),
)

"""Attacks on what holds a container, and what becomes of each behind which defence: measured.

Harmless, each of them: a request that the kernel grants or refuses is not made use of. What is read
of the host's is what the lab has planted there, and who is signalled is a process of the lab's.

    tries.py    the attacks, as a program in a container makes them
    planted.py  what they are after, put there by the lab
    grid.py     attacks against defences: a picture, and the numbers
    measure.py  containers behind a defence each, and what got through
"""

from __future__ import annotations

from kernelbox.lab.attacks.grid import Grid, Outcome
from kernelbox.lab.attacks.measure import ATTACKS, DEFENCES, OPEN_BY_DEFAULT, attack, calls, measure

__all__ = [
    "ATTACKS",
    "DEFENCES",
    "OPEN_BY_DEFAULT",
    "Grid",
    "Outcome",
    "attack",
    "calls",
    "measure",
]

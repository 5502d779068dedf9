"""How far somebody is with the broken hosts: beside the chapters' record, not among it.

Written down is the best check of each host that was drawn: how many complaints were solved in it,
with nothing broken for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kernelbox.lab.exercises import progress

if TYPE_CHECKING:
    from collections.abc import Mapping

FAULTS = 5  # of a host
NUMBERS = ("04", "07", "10", "12")  # the chapters that are followed by one


class Standing(NamedTuple):
    """How far one host is.

    Attributes:
        solved: Complaints, in the best check of all.
        seconds: Spent with it.
        state: `done`, `begun`, or empty.
    """

    solved: int
    seconds: float
    state: str


def file(number: str) -> str:
    """Return the name of the notebook of the host after a chapter."""
    return f"broken-host-{number}.ipynb"


def note(number: str, seed: int, solved: int) -> None:
    """Write down what a check of a host has come to."""
    progress.change(
        _key(number),
        "exercises",
        f"seed {seed}",
        lambda before: int(max(progress.number(before), solved)),
    )


def standing(number: str, record: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Standing:
    """Return how far a host is, by what `progress.read` returned."""
    mine = record.get(_key(number), {})
    checks = [one for one in mine.get("exercises", {}).values() if isinstance(one, int)]
    best = max(checks, default=0)
    seconds = progress.number(mine.get("time", {}).get("seconds"))
    state = "done" if best == FAULTS else "begun" if checks else ""
    return Standing(best, seconds, state)


def _key(number: str) -> str:
    return f"host-{number}"

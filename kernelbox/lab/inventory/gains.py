"""What a course has changed: how often each misconception is held before it, and after it.

Counted are answers to questions that the same student has answered both times. The normalised gain
is the part of what there was to gain: of ten wrong answers seven set right are 70 %. It is negative
if more is wrong after than before.

Source: Hake, "Interactive-engagement versus traditional methods", Am. J. Phys. 66 (1998), 64: the
gain of a class is that of its averages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernelbox.lab.inventory.items import ITEMS
from kernelbox.lab.inventory.misconceptions import MISCONCEPTIONS, RIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kernelbox.lab.inventory.items import Item

    Beliefs = dict[str, dict[str, str]]  # before and after: by item, what was believed

IN_ALL = "all wrong answers"


class Gain(NamedTuple):
    """A misconception, or all of them together.

    Attributes:
        name: The misconception's, or IN_ALL.
        answers: How many answers could have shown it.
        before: How many did, before the course.
        after: How many did, after it.
    """

    name: str
    answers: int
    before: int
    after: int

    @property
    def normalised(self) -> float | None:
        """The part of what there was to gain, at most 1; None if there was nothing."""
        return (self.before - self.after) / self.before if self.before else None

    @property
    def percent(self) -> tuple[float, float]:
        """How many of the answers showed it, before and after, of a hundred."""
        return 100 * self.before / self.answers, 100 * self.after / self.answers

    def worded(self) -> str:
        """Return the normalised gain as a word."""
        part = self.normalised
        if part is None:
            return "nothing to gain"
        return f"{100 * part:+.0f} %" if part else "0 %"


def gains(records: Sequence[Beliefs]) -> list[Gain]:
    """Return the gain in all, then for each misconception that was held, the most held first.

    Args:
        records: Of one student, or of a class.

    Returns:
        An empty list if no question has been answered both times.
    """
    pairs = {item.name: list(_pairs(item, records)) for item in ITEMS}
    total = [pair for found in pairs.values() for pair in found]
    if not total:
        return []
    wrong = [[belief != RIGHT for belief in side] for side in zip(*total, strict=True)]
    found = []
    for name in MISCONCEPTIONS:
        shown = [pair for item in ITEMS if name in item.believed for pair in pairs[item.name]]
        before, after = (sum(pair[side] == name for pair in shown) for side in (0, 1))
        if before or after:
            found.append(Gain(name, len(shown), before, after))
    found.sort(key=lambda one: one.percent, reverse=True)
    return [Gain(IN_ALL, len(total), sum(wrong[0]), sum(wrong[1])), *found]


def answered_twice(records: Iterable[Beliefs]) -> int:
    """Return how many students have answered a question both times."""
    return sum(any(True for item in ITEMS for _ in _pairs(item, [one])) for one in records)


def _pairs(item: Item, records: Iterable[Beliefs]) -> Iterator[tuple[str, str]]:
    """Return what was believed of an item, before and after, by those who have answered twice."""
    known = {RIGHT, *item.believed}
    for one in records:
        before, after = (one[when].get(item.name) for when in ("before", "after"))
        if before in known and after in known:
            yield str(before), str(after)

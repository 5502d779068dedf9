"""A median with what is known of it: from where to where it lies, and how surely.

Times of a machine have a long tail: one in twenty is three times as long as the rest. A mean and a
standard deviation follow that one; a median and ranks do not, and they assume nothing about how the
times are spread.
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.widgets.still import rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

SURE = 0.9


class Interval(NamedTuple):
    """Where the median of all that could have been measured lies, by what was.

    Attributes:
        low: From there,
        high: to there: in 9 of 10 such experiments (`SURE`, or what was asked for).
        middle: The median of what was measured.
        runs: How many were measured.
    """

    low: float
    middle: float
    high: float
    runs: int

    def said(self, unit: str = "", digits: int = 3) -> str:
        """Return it in words: `12.1 ms, and most likely between 11.5 and 13 ms (20 runs)`."""
        low, middle, high = (rounded(value, digits) for value in self[:3])
        unit = f" {unit}" if unit else ""
        return f"{middle}{unit}, and most likely between {low} and {high}{unit} ({self.runs} runs)"

    def apart(self, other: Interval) -> bool:
        """Say whether two do not overlap: one median is above the other."""
        return self.high < other.low or other.high < self.low


def of_median(values: Sequence[float], sure: float = SURE) -> Interval:
    """Return the interval of the median between two of the values, by their ranks.

    Each value is below the true median with probability 1/2. So how many are is a binomial number,
    and the k-th smallest and the k-th largest hold the median between them, unless fewer than k
    lie on one side.

    Args:
        values: What was measured; independent of each other, and of any unit.
        sure: How often such an interval shall hold the median.

    Raises:
        ValueError: They are too few: not even the smallest and the largest are that sure.

    Source: H. A. David, H. N. Nagaraja, "Order Statistics", 7.1.
    """
    ranked = sorted(values)
    count = len(ranked)
    outside, rank = 0.0, 0
    while rank < count // 2:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - sure:
            break
        rank += 1
    if not rank:
        raise ValueError(f"{count} values are too few to be {sure:.0%} sure of anything")
    return Interval(ranked[rank - 1], statistics.median(ranked), ranked[-rank], count)


def of_ratio(ones: Sequence[float], others: Sequence[float], sure: float = SURE) -> Interval:
    """Return the interval of the ratio of two things that were measured in turns: A, B, A, B.

    Neighbours share what the machine did in that moment, so each pair has a ratio of its own, and
    that of the slow moments is as good as any.

    Raises:
        ValueError: As `of_median`; or there are not as many of the one as of the other.
    """
    return of_median([one / other for one, other in zip(ones, others, strict=True)], sure)

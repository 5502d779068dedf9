"""What was measured at several sizes, as a curve on logarithmic axes, with a table beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matplotlib.figure import Figure


class Curve:
    """Measurements that are others in every run: drawn as they were, told only in general.

    Args:
        title: What was measured.
        points: By a number above 0, what was measured with it; above 0, too.
        across: What the numbers are, with their unit.
        up: What was measured, with its unit.
        level: A value to compare with, and what it is; or nothing.
        percent: Whether the numbers are percent of all that was measured, below 100: each is drawn
            by how many are above it, and so the few slowest have as much room as the others.
    """

    def __init__(
        self,
        title: str,
        points: Mapping[float, float],
        *,
        across: str,
        up: str,
        level: tuple[str, float] | None = None,
        percent: bool = False,
    ) -> None:
        self.title = title
        self.points = dict(points)
        self.across = across
        self.up = up
        self.level = level
        self.percent = percent

    def __repr__(self) -> str:
        numbers = ", ".join(f"{number:g}" for number in self.points)
        compared = f"; beside it: {self.level[0]}" if self.level else ""
        return f"{self.title}\n{self.up}, for {self.across}: {numbers}{compared}"

    def _repr_html_(self) -> str:
        from kernelbox.widgets.still import embedded

        return embedded(self.svg()) + self.table()

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """Return the curve as an image, marked as moving (`kb-moving`)."""
        from kernelbox.widgets import foreign

        note = "Both axes are logarithmic: each step multiplies."
        if self.percent:
            note = "To the right ever fewer are left above. Upwards each step multiplies."
        return foreign.image(self.title, repr(self), self.figure(), note, moving=True)

    def table(self) -> str:
        """Return a row for each point."""
        from kernelbox.widgets.still import Cell, rounded, table

        rows = [(f"{number:g}", value) for number, value in self.points.items()]
        rows += [self.level] if self.level else []
        return table(
            f"{self.title}, in numbers",
            (self.across, self.up),
            [[Cell(name), Cell(rounded(value), varies=True)] for name, value in rows],
        )

    def figure(self) -> Figure:
        """Return the drawing, in the colours of light paper."""
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator

        from kernelbox.widgets.foreign import leave_baseline
        from kernelbox.widgets.palette import light

        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.set(xscale="log", yscale="log")
        places = [100 / (100 - number) if self.percent else number for number in self.points]
        axes.plot(places, [*self.points.values()], "o-", color=light("line-0"), clip_on=False)
        if self.level:
            name, value = self.level
            axes.axhline(value, color=light("line-1"), linestyle="--")
            axes.annotate(
                name, (min(places), value), xytext=(0, 5), textcoords="offset points",
                color=light("line-1"), fontsize=12,
            )  # fmt: skip
        axes.set_xticks(places, [f"{number:g}" for number in self.points])
        compared = [self.level[1]] if self.level else []
        axes.set_ylim(*_steps_around([*self.points.values(), *compared]))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # some, even within a decade
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.set_xlabel(self.across, color=light("ink"), fontsize=12)
        axes.set_ylabel(self.up, color=light("ink"), fontsize=12)
        axes.grid(axis="y", color=light("rule"))
        axes.tick_params(colors=light("muted"), length=0, labelsize=12)
        leave_baseline(axes)
        return figure


def _steps_around(values: Iterable[float]) -> tuple[float, float]:
    """Return two of 1, 2, 5, 10, 20 ... that all values lie between: both ends get a number."""
    ordered = sorted(values)
    first, last = (math.floor(math.log10(ordered[at])) for at in (0, -1))
    steps = [digit * 10.0**power for power in range(first - 1, last + 2) for digit in (1, 2, 5)]
    lowest = max(step for step in steps if step <= ordered[0])
    return lowest, min(step for step in steps if step >= ordered[-1] and step > lowest)

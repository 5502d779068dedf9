"""What was measured in several ways, as a bar for each: the median, with the quartiles on it."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure


class Bars:
    """Measurements that are others in every run: drawn as they were, told only in general.

    Args:
        title: What was measured.
        measured: By the name of a way, what was measured on it: two values at least, above 0.
        up: What that is, with its unit.
    """

    def __init__(self, title: str, measured: Mapping[str, Sequence[float]], *, up: str) -> None:
        self.title = title
        self.up = up
        self.quartiles = {
            name: statistics.quantiles(values, n=4, method="inclusive")
            for name, values in measured.items()
        }

    def __repr__(self) -> str:
        return f"{self.title}\n{self.up}, median and quartiles: {', '.join(self.quartiles)}"

    def _repr_html_(self) -> str:
        from kernelbox.widgets.still import embedded

        return embedded(self.svg()) + self.table()

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """Return the bars as an image, marked as moving (`kb-moving`)."""
        from kernelbox.widgets import foreign

        note = "A bar is the median; half of all values lie within the line on it."
        return foreign.image(self.title, repr(self), self.figure(), note, moving=True)

    def table(self) -> str:
        """Return a row for each way."""
        from kernelbox.widgets.still import Cell, rounded, table

        return table(
            f"{self.title}, in numbers",
            ("way", "lower quartile", "median", "upper quartile"),
            [
                [Cell(name), *(Cell(rounded(value), varies=True) for value in values)]
                for name, values in self.quartiles.items()
            ],
        )

    def figure(self) -> Figure:
        """Return the drawing, in the colours of light paper."""
        from matplotlib.figure import Figure

        from kernelbox.widgets.foreign import leave_baseline
        from kernelbox.widgets.palette import light

        figure = Figure(figsize=(9.0, 3.0), layout="constrained")
        axes = figure.subplots()
        for number, (low, median, high) in enumerate(self.quartiles.values()):
            axes.bar(number, median, 0.55, color=light("line-0"))
            axes.plot([number, number], [low, high], color=light("ink"), linewidth=2)
        axes.set_xticks(range(len(self.quartiles)), [*self.quartiles])
        axes.set_ylabel(self.up, color=light("ink"), fontsize=12)
        axes.grid(axis="y", color=light("rule"))
        axes.set_axisbelow(True)
        axes.tick_params(colors=light("muted"), length=0, labelsize=12)
        axes.tick_params(axis="x", colors=light("ink"))
        leave_baseline(axes)
        return figure

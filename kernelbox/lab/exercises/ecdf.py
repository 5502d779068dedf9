"""What was measured many times, in several ways: which share of each had come by when."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

_DASHES = ("-", "--", ":", "-.")  # beside the colour: nobody has to tell colours apart


class Ecdf:
    """Empirical distributions: others in every run, so drawn as they were and told in general.

    Args:
        title: What was measured.
        measured: By the name of a way, what was measured on it: two values at least, above 0; four
            ways at most.
        across: What that is, with its unit.
    """

    def __init__(self, title: str, measured: Mapping[str, Sequence[float]], *, across: str) -> None:
        self.title = title
        self.across = across
        self.ranked = {name: sorted(values) for name, values in measured.items()}

    def __repr__(self) -> str:
        return f"{self.title}\nshare of all runs, by {self.across}: {', '.join(self.ranked)}"

    def _repr_html_(self) -> str:
        from kernelbox.widgets.still import embedded

        return embedded(self.svg()) + self.table()

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """Return the steps as an image, marked as moving (`kb-moving`)."""
        from kernelbox.widgets import foreign

        note = "A line rises by one step for each run. The axis is logarithmic: steps multiply."
        return foreign.image(self.title, repr(self), self.figure(), note, moving=True)

    def table(self) -> str:
        """Return a row for each way."""
        from kernelbox.widgets.still import Cell, rounded, table

        return table(
            f"{self.title}, in numbers",
            (self.across, "quickest", "median", "slowest"),
            [
                [Cell(name), *(Cell(rounded(value), varies=True) for value in three)]
                for name, values in self.ranked.items()
                for three in [(values[0], statistics.median(values), values[-1])]
            ],
        )

    def figure(self) -> Figure:
        """Return the drawing, in the colours of light paper."""
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator

        from kernelbox.widgets.foreign import leave_baseline
        from kernelbox.widgets.palette import light

        figure = Figure(figsize=(9.0, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        for number, (name, values) in enumerate(self.ranked.items()):
            color = light(f"line-{number}")
            axes.ecdf(values, color=color, linestyle=_DASHES[number], linewidth=2, label=name)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # some, even within a decade
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.set_xlabel(self.across, color=light("ink"), fontsize=12)
        axes.set_ylabel("share of the runs", color=light("ink"), fontsize=12)
        axes.grid(color=light("rule"))
        axes.tick_params(colors=light("muted"), length=0, labelsize=12)
        figure.legend(
            loc="outside lower left", ncols=4, frameon=False, fontsize=12, labelcolor=light("ink")
        )
        leave_baseline(axes)
        return figure

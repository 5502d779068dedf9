"""What was guessed and what was observed, side by side: a table, and for numbers a chart."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kernelbox.lab.exercises.guesses import Observation

_WIDTH = 44  # characters of a question


class Comparison:
    """All predictions of a chapter that have been answered.

    Attributes:
        observations: In the order in which they were made.
    """

    def __init__(self, observations: list[Observation]) -> None:
        self.observations = observations

    def __repr__(self) -> str:
        rows = [("question", "guessed", "observed"), *self._rows()]
        wide = max(len(row[1]) for row in rows)
        return "\n".join(
            f"{one:{_WIDTH}}  {two:>{wide}}   {three}".rstrip() for one, two, three in rows
        )

    def _rows(self) -> list[tuple[str, str, str]]:
        return [
            (one.prediction.question, one.prediction.worded(one.guess), one.observed)
            for one in self.observations
        ]

    def _repr_html_(self) -> str:
        from kernelbox.widgets.still import embedded

        svg = self.svg()
        return self.table() + (embedded(svg) if svg else "")

    def _repr_svg_(self) -> str | None:
        return self.svg() or None

    def table(self) -> str:
        """Return the table alone."""
        rows = "".join(
            f"<tr>{''.join(f'<td {_LEFT}>{html.escape(cell)}</td>' for cell in row)}</tr>"
            for row in self._rows()
        )
        head = "".join(
            f'<th scope="col" {_LEFT}>{name}</th>' for name in ("question", "guessed", "observed")
        )
        return f"<table><tr>{head}</tr>{rows}</table>"

    def svg(self) -> str:
        """Return the chart of the numbers as an image; empty without any.

        What differs from run to run is drawn as it was, and marked as moving (`kb-moving`).
        """
        from kernelbox.widgets import foreign

        numbers = self._numbers()
        if not numbers:
            return ""
        return foreign.image(
            "Guessed and observed",
            "\n".join(f"{one.prediction.question}: {one.observed}" for one in numbers),
            self.figure(),
            moving=any(one.about for one in numbers),
        )

    def figure(self) -> Figure:
        """Return the chart, in the colours of light paper: a logarithmic line for each question."""
        from matplotlib.figure import Figure

        from kernelbox.widgets.foreign import leave_baseline
        from kernelbox.widgets.palette import light

        numbers = self._numbers()
        figure = Figure(figsize=(9.0, 1.0 + 0.45 * len(numbers)), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("symlog")  # first: what is drawn before has the margins of a linear one
        places = range(len(numbers))
        guessed = [float(one.guess or 0) for one in numbers]
        observed = [float(one.answer) for one in numbers]
        axes.hlines(places, guessed, observed, color=light("edge"), linewidth=1)
        axes.plot(guessed, places, "D", color=light("line-0"), markersize=8, label="guessed")
        axes.plot(observed, places, "o", color=light("line-1"), markersize=8, label="observed")
        axes.set_yticks(places, [one.prediction.question for one in numbers])
        axes.set_ylim(len(numbers) - 0.5, -0.5)
        axes.xaxis.set_major_formatter("{x:g}")
        figure.legend(
            loc="outside lower left", ncols=2, frameon=False, fontsize=12, labelcolor=light("ink")
        )
        axes.grid(axis="x", color=light("rule"))
        axes.tick_params(axis="x", labelcolor=light("muted"), labelsize=11)
        axes.tick_params(axis="y", labelcolor=light("ink"), labelsize=12)
        axes.tick_params(which="both", length=0)
        leave_baseline(axes)
        return figure

    def _numbers(self) -> list[Observation]:
        return [one for one in self.observations if _is_number(one)]


_LEFT = 'style="text-align: left"'


def _is_number(one: Observation) -> bool:
    values = (one.guess, one.answer)
    return all(isinstance(value, int | float) for value in values)

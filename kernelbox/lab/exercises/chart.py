"""What was guessed and what was observed, side by side: a table, and for numbers a chart."""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelbox.lab.exercises.predictions import Observation

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
        return self.table() + self.figure()

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

    def figure(self) -> str:
        """Return the chart of the numbers as SVG in HTML; empty without any.

        What differs from run to run is drawn as it was, and marked as moving (`kb-moving`).
        """
        numbers = [one for one in self.observations if _is_number(one)]
        if not numbers:
            return ""
        image = _svg(numbers)
        moving = any(one.about for one in numbers)
        return f'<div class="kb-moving">{image}</div>' if moving else image


_LEFT = 'style="text-align: left"'


def _is_number(one: Observation) -> bool:
    values = (one.guess, one.answer)
    return all(isinstance(value, int | float) for value in values)


def _svg(numbers: list[Observation]) -> str:
    """Draw guessed and observed as points on one logarithmic line for each question."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "kernelbox", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7.5, 0.7 + 0.5 * len(numbers)), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("symlog")  # first: what is drawn before has the margins of a linear one
        places = range(len(numbers))
        guessed = [float(one.guess or 0) for one in numbers]
        observed = [float(one.answer) for one in numbers]
        axes.hlines(places, guessed, observed, color="#999999", linewidth=1)
        axes.plot(guessed, places, "D", color="#b3590a", markersize=8, label="guessed")
        axes.plot(observed, places, "o", color="#20639b", markersize=8, label="observed")
        axes.set_yticks(places, [one.prediction.question for one in numbers])
        axes.set_ylim(len(numbers) - 0.5, -0.5)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        axes.grid(axis="x", color="#dddddd")
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()[out.getvalue().index("<svg") :]

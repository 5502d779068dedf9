"""The gain as a picture, and as a table beside it: an arrow from before to after for each belief.

Before is a hollow diamond and after a full dot, so that no colour is needed to tell them apart; the
letters are large enough for the last row of a lecture room.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from kernelbox.lab.exercises import progress
from kernelbox.lab.inventory.gains import IN_ALL, gains
from kernelbox.lab.inventory.misconceptions import MISCONCEPTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from kernelbox.lab.inventory.gains import Gain

_MOST = 12  # beliefs in a picture: those that were held most; the table has all
_TITLE = "What was believed before, and after"
_NOTHING = "Nothing to compare yet: no question has been answered both before and after."
TITLES = ("misconception", "before", "after", "gain", "who holds it believes")


class Picture:
    """The gain of a student or of a class.

    Attributes:
        gains: In all first; empty if nothing can be compared yet.
    """

    def __init__(self, gains: Sequence[Gain]) -> None:
        self.gains = tuple(gains)

    def rows(self) -> list[tuple[str, ...]]:
        """Return what the table says, under TITLES."""
        return [
            (
                one.name,
                f"{one.before} of {one.answers}",
                f"{one.after} of {one.answers}",
                one.worded(),
                MISCONCEPTIONS.get(one.name, ""),
            )
            for one in self.gains
        ]

    def __repr__(self) -> str:
        if not self.gains:
            return _NOTHING
        rows = [TITLES, *self.rows()]
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        if not self.gains:
            return f"<p>{html.escape(_NOTHING)}</p>"
        from kernelbox.widgets.still import Cell, embedded, table

        cells = [[Cell(cell) for cell in row] for row in self.rows()]
        beside = table(f"{_TITLE}, in numbers", TITLES, cells)
        style = "display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start"
        return f'<div style="{style}">{embedded(self.svg())}<div>{beside}</div></div>'

    def svg(self) -> str:
        """Return the picture as an image in the colours of the page."""
        from kernelbox.widgets import foreign

        return foreign.image(_TITLE, repr(self), self.figure())

    def figure(self) -> Figure:
        """Return the picture, in the colours of light paper."""
        from matplotlib.figure import Figure

        from kernelbox.widgets.foreign import leave_baseline
        from kernelbox.widgets.palette import light

        shown = self.gains[: _MOST + 1]
        figure = Figure(figsize=(11.0, 1.7 + 0.48 * len(shown)), layout="constrained")
        axes = figure.subplots()
        for place, one in enumerate(shown):
            self._arrow(axes, place, one)
        axes.plot([], [], "D", **_hollow(), label="before the course")
        axes.plot([], [], "o", color=light("line-1"), markersize=11, label="after it")
        axes.axhline(0.5, color=light("edge"), linewidth=1)  # below what is true of all
        axes.set_yticks(range(len(shown)), [one.name for one in shown])
        axes.get_yticklabels()[0].set_fontweight("bold")
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlim(-3, 118)  # on the right: the gain
        axes.set_xticks(range(0, 101, 20))
        axes.xaxis.set_major_formatter("{x:g} %")
        axes.set_xlabel("of the answers show it", color=light("ink"), fontsize=14)
        axes.set_title("gain", loc="right", color=light("ink"), fontsize=14)
        figure.legend(
            loc="outside lower center", ncols=2, frameon=False, fontsize=14,
            labelcolor=light("ink"),
        )  # fmt: skip
        axes.grid(axis="x", color=light("rule"))
        axes.tick_params(axis="x", labelcolor=light("muted"), labelsize=13, length=0)
        axes.tick_params(axis="y", labelcolor=light("ink"), labelsize=14, length=0)
        leave_baseline(axes)
        return figure

    def _arrow(self, axes: Any, place: int, one: Gain) -> None:
        """Draw one belief: from where it was to where it is, and the gain in words."""
        from kernelbox.widgets.palette import light

        before, after = one.percent
        axes.annotate(
            "", (after, place), (before, place),
            arrowprops={"arrowstyle": "->", "color": light("edge"), "linewidth": 1.5, "shrinkB": 6},
        )  # fmt: skip
        axes.plot([before], [place], "D", **_hollow())
        axes.plot([after], [place], "o", color=light("line-1"), markersize=11)
        weight = "bold" if one.name == IN_ALL else "normal"
        word = "–" if one.normalised is None else one.worded()  # noqa: RUF001 (a dash)
        axes.text(
            118, place, word, ha="right", va="center", fontsize=14, fontweight=weight,
            color=light("ink"),
        )  # fmt: skip


def of_one() -> Picture:
    """Return the gain of whoever has this record of progress."""
    return Picture(gains([progress.beliefs()]))


def _hollow() -> dict[str, Any]:
    from kernelbox.widgets.palette import light

    return {
        "markersize": 13, "markerfacecolor": "none",
        "markeredgecolor": light("line-0"), "markeredgewidth": 2.5,
    }  # fmt: skip

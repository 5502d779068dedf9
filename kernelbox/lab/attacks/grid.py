"""Attacks against defences, as a map: what got through is marked, by a word and by a colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

_TITLE = "What got through"


class Outcome(NamedTuple):
    """What became of an attack.

    Attributes:
        through: Whether it got what it wanted.
        said: What it got; else what the kernel said, such as `EPERM`.
    """

    through: bool
    said: str


class Grid:
    """What became of each attack behind each defence.

    Attributes:
        outcomes: By defence, then by attack.
    """

    def __init__(self, outcomes: Mapping[str, Mapping[str, Outcome]]) -> None:
        self.outcomes = {name: dict(found) for name, found in outcomes.items()}

    @property
    def defences(self) -> list[str]:
        """The names of the defences."""
        return list(self.outcomes)

    @property
    def attacks(self) -> list[str]:
        """The names of the attacks."""
        return list(next(iter(self.outcomes.values()), {}))

    def through(self, defence: str) -> list[str]:
        """Return the attacks that got through a defence."""
        return [name for name, one in self.outcomes[defence].items() if one.through]

    @property
    def open(self) -> list[str]:
        """The attacks that got through all defences."""
        return [one for one in self.attacks if all(one in self.through(d) for d in self.defences)]

    def plain(self) -> dict[str, dict[str, bool]]:
        """Return whether each attack got through: by defence, then by attack."""
        return {
            defence: {name: one.through for name, one in found.items()}
            for defence, found in self.outcomes.items()
        }

    def __repr__(self) -> str:
        wide = max(map(len, self.attacks))
        rows = [" " * wide, *(f"{name:{wide}}" for name in self.attacks)]
        for defence, found in self.outcomes.items():
            cells = [defence, *(_word(one) for one in found.values())]
            width = max(map(len, cells))
            rows = [f"{row}  {cell:{width}}" for row, cell in zip(rows, cells, strict=True)]
        return "\n".join(row.rstrip() for row in rows)

    def _repr_html_(self) -> str:
        from kernelbox.widgets.still import embedded

        return embedded(self.svg()) + self.table()

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """Return the map as an image."""
        from kernelbox.widgets import foreign

        counts = [f"{name}: {len(self.through(name))}" for name in self.defences]
        told = f"of {len(self.attacks)} attacks, through {', '.join(counts)}"
        return foreign.image(_TITLE, told, self.figure(), "Else: what the kernel said.")

    def table(self) -> str:
        """Return a row for each attack, with what was got or said."""
        from kernelbox.widgets.still import Cell, table

        rows = [
            [Cell(name), *(Cell(_word(found[name])) for found in self.outcomes.values())]
            for name in self.attacks
        ]
        return table(f"{_TITLE}, in words", ("attack", *self.defences), rows)

    def figure(self) -> Figure:
        """Return the drawing, in the colours of light paper."""
        from matplotlib.figure import Figure

        from kernelbox.widgets.palette import light

        high, wide = len(self.attacks), len(self.defences)
        figure = Figure(figsize=(9.6, 0.6 + 0.27 * high), layout="constrained")
        axes = figure.subplots()
        for x, defence in enumerate(self.defences):
            for y, name in enumerate(self.attacks):
                one = self.outcomes[defence][name]
                colour = light("chip-5" if one.through else "band")
                axes.barh(y, 0.96, 0.9, x - 0.48, color=colour)
                axes.annotate(
                    "through" if one.through else one.said, (x, y), ha="center", va="center",
                    color=light("on-5" if one.through else "muted"), fontsize=10,
                    fontweight="bold" if one.through else "normal",
                )  # fmt: skip
        axes.set_xlim(-0.5, wide - 0.5)
        axes.set_ylim(high - 0.5, -0.5)
        axes.set_xticks(range(wide), self.defences)
        axes.set_yticks(range(high), self.attacks)
        axes.xaxis.tick_top()
        axes.tick_params(colors=light("ink"), length=0, labelsize=11)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return figure


def _word(one: Outcome) -> str:
    return "through" if one.through else one.said

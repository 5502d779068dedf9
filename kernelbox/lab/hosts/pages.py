"""What a broken host shows: the complaints, what a check has found, and questions as hints."""

from __future__ import annotations

import html
from typing import NamedTuple

from kernelbox.lab.exercises.verdict import folded_hints


class Complaints:
    """What was reported, and by which process ids the places are found.

    Attributes:
        lines: A complaint each.
        places: Process ids as the real machine counts, by name; the first is the harbour's.
        seed: That it was all drawn from.
    """

    def __init__(self, lines: list[str], places: dict[str, int], seed: int) -> None:
        self.lines, self.places, self.seed = lines, places, seed

    def __repr__(self) -> str:
        reported = [f"{number}. {line}" for number, line in enumerate(self.lines, 1)]
        return "\n".join(
            [f"A harbour, drawn from seed {self.seed}. Reported tonight:", *reported, self._where()]
        )

    def _where(self) -> str:
        found = ", ".join(f"{name} {pid}" for name, pid in self.places.items())
        return f"Processes, as this machine counts: {found}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td>{number}</td><td style="text-align: left">{html.escape(line)}</td></tr>'
            for number, line in enumerate(self.lines, 1)
        )
        return (
            f"<p>A harbour, drawn from seed {self.seed}. Reported tonight:</p>"
            f"<table><tbody>{rows}</tbody></table><p>{html.escape(self._where())}</p>"
        )


class Row(NamedTuple):
    """What a check says of one complaint.

    Attributes:
        number: Of the complaint; 0 for the harbour as a whole.
        repaired: Whether what was complained of is gone.
        observed: What was found.
        lost: What should have stayed as it was, and has not.
        kept: How many things have.
    """

    number: int
    repaired: bool
    observed: str
    lost: tuple[str, ...]
    kept: int

    @property
    def solved(self) -> bool:
        """Whether it is repaired, and nothing was broken for it."""
        return self.repaired and not self.lost

    @property
    def state(self) -> str:
        """It in words."""
        if self.solved:
            return "solved"
        return "at a cost" if self.repaired else "not yet"

    @property
    def as_it_was(self) -> str:
        """What must stay as it was, in words."""
        if self.lost:
            return "; ".join(self.lost)
        return f"{self.kept} of {self.kept} things are as they were"


class Checked:
    """What a check of the whole host has found.

    Attributes:
        rows: A complaint each, in order.
        harbour: The machine itself.
    """

    def __init__(self, rows: list[Row], harbour: Row) -> None:
        self.rows, self.harbour = rows, harbour

    @property
    def solved(self) -> int:
        """How many complaints are settled; none, if the harbour itself is gone."""
        return sum(one.solved for one in self.rows) if self.harbour.solved else 0

    def __repr__(self) -> str:
        lines = []
        for one in self.rows:
            lines.append(f"{one.number}. {one.state}: {one.observed}")
            lines.append(f"   to stay as it was: {one.as_it_was}")
        return "\n".join([*lines, self._summary()])

    def _summary(self) -> str:
        gone = "" if self.harbour.solved else f"{self.harbour.observed}. "
        return f"{gone}{self.solved} of {len(self.rows)} complaints are settled."

    def _repr_html_(self) -> str:
        signs = {"solved": "✓", "not yet": "○", "at a cost": "✗"}
        left = 'style="text-align: left"'
        rows = "".join(
            f"<tr><td>{one.number}</td><td {left}>{signs[one.state]} {one.state}</td>"
            f"<td {left}>{html.escape(one.observed)}</td>"
            f"<td {left}>{html.escape(one.as_it_was)}</td></tr>"
            for one in self.rows
        )
        titles = ("complaint", "state", "observed", "to stay as it was")
        head = "".join(f'<th scope="col">{one}</th>' for one in titles)
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p>{html.escape(self._summary())}</p>"
        )


class Hints:
    """Questions that lead to a diagnosis, each folded within the one before."""

    def __init__(self, questions: tuple[str, ...]) -> None:
        self.questions = questions

    def __repr__(self) -> str:
        return "\n".join(self.questions)

    def _repr_html_(self) -> str:
        return folded_hints(self.questions)

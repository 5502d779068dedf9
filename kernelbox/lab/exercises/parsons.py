"""Requests to be put in order, and then really made: a wrong order meets the kernel's refusal.

The requests are made by a process under remote control. A request may fork; those that come after
it are made by the child, as in a runtime.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab.exercises.verdict import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

    Action = Callable[[Held], Held | object]


_MOST = 100  # texts of an iterator, which may have no end


@dataclass(frozen=True)
class Piece:
    """One request.

    Attributes:
        text: How it is shown.
        action: Makes it, in the process it is given. If that is a fork, the child is returned.
    """

    text: str
    action: Action


@dataclass(frozen=True)
class Puzzle:
    """Requests in an order that is not the one to find; each has the letter of its place.

    Attributes:
        name: Within its chapter.
        pieces: The requests, as they are shown.
    """

    name: str
    pieces: tuple[Piece, ...]

    def lettered(self) -> dict[str, Piece]:
        """Return the requests by their letters."""
        return dict(zip("ABCDEFGHIJKLMNOP", self.pieces, strict=False))

    def __repr__(self) -> str:
        return "\n".join(f"{letter}  {piece.text}" for letter, piece in self.lettered().items())

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{letter}</th>'
            f'<td style="text-align: left"><code>{html.escape(piece.text)}</code></td></tr>'
            for letter, piece in self.lettered().items()
        )
        return f"<table>{rows}</table>"


def puzzle(name: str, *pieces: tuple[str, Action]) -> Puzzle:
    """Return a puzzle of requests, each how it is shown and what makes it."""
    return Puzzle(name, tuple(Piece(*piece) for piece in pieces))


@dataclass(frozen=True)
class Run:
    """Requests that were made, up to the end or up to the first that was refused.

    Attributes:
        process: What made the last one.
        made: How many were made.
        refusal: What was refused, by whom and why, as a sentence; empty if nothing was.
    """

    process: Held
    made: int
    refusal: str


def letters(order: object) -> str:
    """Return the letters of an order: of a text, or of several texts in a list or the like."""
    texts = islice(order, _MOST) if isinstance(order, Iterable) else [order]
    return "".join("".join(map(str, texts)).split()).replace(",", "").upper()


def not_in_order(order: object) -> str:
    """Say why something is no order, whatever is in it; empty if it may be one.

    A set has its letters in another order in each kernel: one that is right passed now and then.
    """
    is_set = isinstance(order, (set, frozenset))
    return f"it is a {type(order).__name__}, which has no order" if is_set else ""


@contextmanager
def made(box: Lab, pieces: Puzzle, order: object) -> Iterator[Run]:
    """Make the requests in the order given, in a fresh process; it ends with the `with` block.

    Args:
        box: The lab.
        pieces: The requests.
        order: Their letters, as `letters` takes them.
    """
    known = pieces.lettered()
    held = [box.hold()]
    try:
        if why := not_in_order(order):
            yield Run(held[0], 0, why)
            return
        wanted = letters(order)
        strange = sorted(set(wanted) - set(known))
        if strange:
            yield Run(held[0], 0, cut(f"no request has the letter {', '.join(strange)}"))
            return
        yield _in_order(held, [(letter, known[letter]) for letter in wanted])
    finally:
        for one in reversed(held):
            one.end()


def _in_order(held: list[Held], pieces: list[tuple[str, Piece]]) -> Run:
    from kernelbox.lab.held import Held

    for count, (letter, piece) in enumerate(pieces):
        try:
            result = piece.action(held[-1])
        except KernelboxError as error:
            return Run(held[-1], count, f"{letter}, {piece.text}, was refused: {error}")
        if isinstance(result, Held):
            held.append(result)
    return Run(held[-1], len(pieces), "")

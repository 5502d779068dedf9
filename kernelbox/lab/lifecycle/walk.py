"""The states of a container as a picture: what was asked, and which state the runtime told then.

No line of it is drawn from a book. A verb that was refused leads nowhere, and is told below.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.lab.conversation import LabError

if TYPE_CHECKING:
    from kernelbox.lab.lifecycle.engine import Engine

NOWHERE = "no container"
_PLACES = {  # of each state: the middle of its box
    NOWHERE: (80, 150),
    "created": (270, 150),
    "running": (470, 150),
    "paused": (470, 40),
    "stopped": (670, 150),
}
_WIDE, _HIGH = 112, 34


class Step(NamedTuple):
    """What a verb has done.

    Attributes:
        verb: Its words.
        before: The state that it met.
        after: The state that it left; the same, if it was refused.
        refusal: What the runtime said; empty if it did as asked.
    """

    verb: str
    before: str
    after: str
    refusal: str


class Walk:
    """One container, walked from state to state.

    Args:
        engine: Whose runtime is asked.
        container: Its id, and the name of its bundle.

    Attributes:
        steps: So far.
    """

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container
        self.steps: list[Step] = []

    def __call__(self, verb: str) -> None:
        """Call a verb, such as `start` or `kill KILL`, and print where it led."""
        before = self.steps[-1].after if self.steps else self._status()
        refusal = ""
        try:
            self._call(*verb.split())
        except LabError as error:
            refusal = str(error).partition(". ")[0].partition(", See")[0]
        step = Step(verb, before, self._status(), refusal)
        self.steps.append(step)
        print(f"{before:12} -- {verb:13} {'--> ' + step.after if not refusal else refused(step)}")

    def _call(self, verb: str, *words: str) -> None:
        if verb == "create":
            if self._status() != NOWHERE:
                raise LabError("there is one of this id already")
            self._engine.create(self._container)
        elif verb == "kill":
            self._engine.kill(self._container, *words)
        else:
            self._engine(verb, *words, self._container)

    def _status(self) -> str:
        return self._engine.status(self._container) or NOWHERE

    def __repr__(self) -> str:
        paths = self._paths()
        return "\n".join(
            f"{before} -> {after}: {', '.join(verbs)}" for (before, after), verbs in paths.items()
        )

    def _paths(self) -> dict[tuple[str, str], list[str]]:
        """Return the verbs that led from one state to another, in the order of the first."""
        found: dict[tuple[str, str], list[str]] = {}
        for one in self.steps:
            if not one.refusal and one.before != one.after:
                verbs = found.setdefault((one.before, one.after), [])
                if one.verb not in verbs:
                    verbs.append(one.verb)
        return found

    def _repr_html_(self) -> str:
        from kernelbox.widgets.still import Cell, embedded, table

        rows = [
            [Cell(one.before), Cell(one.verb), Cell(one.refusal or one.after)] for one in self.steps
        ]
        return embedded(self.svg()) + table(
            "Verbs, and where they led", ("state", "verb", "then"), rows
        )

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """Return the states as boxes, and what led from one to another as arrows."""
        from kernelbox.widgets import still

        left, top = still.margins()
        seen = {one for step in self.steps for one in (step.before, step.after)}
        parts = [_HEAD]
        parts += [
            _arrow(before, after, verbs, left, top)
            for (before, after), verbs in self._paths().items()
        ]
        parts += [_state(name, left, top, met=name in seen) for name in _PLACES]
        refused_too = sum(bool(one.refusal) for one in self.steps)
        note = f"Refused, and so nowhere: {refused_too}." if refused_too else ""
        return still.document(
            "The states of a container", repr(self), "".join(parts), 760, top + 235, note
        )


def refused(step: Step) -> str:
    """Return a refusal as a line of text has it."""
    return f"refused: {step.refusal}"


# A marker has no colour of the page's, so the head is drawn as a mask of the line's own.
_HEAD = (
    '<defs><marker id="walk-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
    'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" style="fill: var(--kb-edge)"/>'
    "</marker></defs>"
)


def _state(name: str, left: int, top: int, *, met: bool) -> str:
    x, y = _PLACES[name]
    style = "band" if met else "rule"
    dashes = ' stroke-dasharray="5 4"' if name == NOWHERE else ""
    return (
        f'<rect class="{style}" x="{left + x - _WIDE / 2}" y="{top + y - _HIGH / 2}" '
        f'width="{_WIDE}" height="{_HIGH}" rx="8" style="stroke: var(--kb-edge)"{dashes}/>'
        f'<text class="head" text-anchor="middle" x="{left + x}" y="{top + y + 5}">{name}</text>'
    )


def _arrow(before: str, after: str, verbs: list[str], left: int, top: int) -> str:
    """Return an arrow with its verbs: neighbours by a line, others by an arc below."""
    x1, y1 = (float(one + margin) for one, margin in zip(_PLACES[before], (left, top), strict=True))
    x2, y2 = (float(one + margin) for one, margin in zip(_PLACES[after], (left, top), strict=True))
    label = html.escape(" or ".join(verbs))
    if y1 != y2 and x1 == x2:  # up to paused, and down again
        shift = -14 if y2 < y1 else 14
        edge = _HIGH / 2 if y2 > y1 else -_HIGH / 2
        path = f"M{x1 + shift} {y1 + edge}L{x2 + shift} {y2 - edge}"
        anchor = "end" if shift < 0 else "start"
        at = (x1 + shift + (-8 if shift < 0 else 8), (y1 + y2) / 2 + 4)
    elif y1 == y2 and 0 < x2 - x1 < 230:
        path, anchor = f"M{x1 + _WIDE / 2} {y1}L{x2 - _WIDE / 2} {y2}", "middle"
        at = ((x1 + x2) / 2, y1 - 8)
    else:
        deep = top + 180 + abs(x2 - x1) / 7
        side = 20 if x2 > x1 else -20
        start = y1 + _HIGH / 2
        path = f"M{x1 + side} {start}C{x1 + side} {deep} {x2 - side} {deep} {x2 - side} "
        path += f"{y2 + _HIGH / 2}"
        anchor, at = "middle", ((x1 + x2) / 2, (start + 3 * deep) / 4 - 6)
    return (
        f'<path class="edge" marker-end="url(#walk-head)" d="{path}"/>'
        f'<text class="code" text-anchor="{anchor}" x="{at[0]}" y="{at[1]}">{label}</text>'
    )

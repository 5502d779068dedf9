"""Timeline: the recorded birth of a container, one request to the kernel after the other.

Two lanes, the runtime's side and the container's; a slider and buttons to go to and fro; and panels
(other views) that show the world at the slider's moment, and what has changed in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from kernelbox.widgets import lanes
from kernelbox.widgets.base import View, bundle, figured
from kernelbox.widgets.families import family
from kernelbox.widgets.foreign import image
from kernelbox.widgets.patch import difference
from kernelbox.widgets.player import frame
from kernelbox.widgets.recordings import Recording
from kernelbox.widgets.still import Cell, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from kernelbox.kernel.door import Event
    from kernelbox.observe.model import Snapshot
    from kernelbox.widgets.patch import Document


_ONE_OF_THEM = "<style>iframe + style + figure { display: none }</style>"


class Timeline(View):
    """What was recorded, to be played and looked at from every side.

    Args:
        recording: What to play.
        panels: Views that show the world at the slider's moment; each keeps its own options.

    Attributes:
        moment: Where the slider stands: how many requests have been made.
        recording: What has been recorded.
    """

    script: ClassVar[str] = "timeline"
    _esm = bundle(script)
    title: ClassVar[str] = "The birth of a container"

    moment = traitlets.Int().tag(sync=True)

    def __init__(self, recording: Recording, panels: Sequence[View] = (), **options: Any) -> None:
        self.recording = recording
        self._panels = tuple(panels)
        self._linked: list[View] = []
        self._drawn: list[Document] = [{} for _ in self._panels]
        super().__init__(**options)
        self.observe(self._travel, "moment")

    def link(self, *views: View) -> None:
        """Let views that stand elsewhere on the page show the slider's moment as well."""
        self._linked += views
        self._travel(None)

    def back(self, requests: int = 1) -> None:
        """Go back by so many requests; a live container stays where it is."""
        self.moment = max(self.moment - requests, 0)

    def step(self, requests: int = 1) -> None:
        """Go on by so many requests."""
        self.moment = min(self.moment + requests, len(self.recording.events))

    @property
    def snapshot(self) -> Snapshot:
        """The world at the slider's moment."""
        return self.recording.snapshots[self._at]

    @property
    def event(self) -> Event | None:
        """The request that led to the slider's moment; None before the first."""
        return self.recording.events[self._at - 1] if self._at else None

    # -- the picture: all events, and for each panel all of its pictures -------------------------

    def _begin(self, _source: object) -> Document:
        """Return the picture of all that is recorded so far."""
        picture: Document = {
            "title": self.recording.title,
            "note": "",
            "live": False,
            "events": {},
            "changes": {},
            "panels": {
                str(number): {"view": panel.script, "title": panel.title, "frames": {}}
                for number, panel in enumerate(self._panels)
            },
        }
        for moment in range(len(self.recording.snapshots)):
            picture = self._extended(picture, moment)
        return picture

    def _extended(self, picture: Document, moment: int) -> Document:
        """Return the picture with one more moment in it."""
        from kernelbox.observe.codec import to_json
        from kernelbox.widgets.effects import effects

        now = self.recording.snapshots[moment]
        before = self.recording.snapshots[moment - 1] if moment else None
        panels = {}
        for number, panel in enumerate(self._panels):
            new = panel.draw(now, before)
            change = difference(self._drawn[number], new)
            self._drawn[number] = new
            one = picture["panels"][str(number)]
            # As a text: a difference within a difference would lose what it takes away.
            text = json.dumps(change, ensure_ascii=False, separators=(",", ":"))
            panels[str(number)] = {**one, "frames": {**one["frames"], str(moment): text}}
        picture = {**picture, "panels": panels}
        if before is not None:
            event = self.recording.events[moment - 1]
            picture["events"] = {**picture["events"], str(moment): described(event)}
            changed = to_json(effects(event, before, now))
            picture["changes"] = {**picture["changes"], str(moment): changed}
        return picture

    def _travel(self, _change: object) -> None:
        """Show linked views the slider's moment."""
        before = self.recording.snapshots[self._at - 1] if self._at else None
        for view in self._linked:
            view.show(self.snapshot, before)

    @property
    def _at(self) -> int:
        """The slider's moment; a page may claim one that there is not."""
        return max(0, min(int(self.moment), len(self.recording.events)))

    # -- on paper ------------------------------------------------------------------------------

    def text(self) -> str:
        """Return which kinds of requests each side made, what was refused, and where we stand."""
        events = self.recording.events
        lines = [self.recording.title]
        for side in ("runtime", "container"):
            asked = dict.fromkeys(family(one).name for one in events if one.side == side)
            lines.append(f"{side + ':':11}{', '.join(asked) or '-'}")
        lines += [f"refused:   {_name(one)}: {one.result}" for one in events if one.failed]
        here = self.event
        lines.append(f"now:       {f'after {_name(here)}' if here else 'before the first request'}")
        return "\n".join(lines)

    def figure(self) -> Figure:
        """Return the two lanes as a matplotlib figure."""
        return lanes.figure(self.recording.events, self.moment)

    def svg(self) -> str:
        """Return the two lanes as an image."""
        return image(
            self.recording.title,
            self.text(),
            self.figure(),
            lanes.legend(self.recording.events),
            moving=self.moving,
        )

    def table(self) -> str:
        """Return a row for each request, folded away: there may be hundreds."""
        rows = [
            [
                Cell(one.side),
                Cell(str(one.number), varies=True),
                Cell(one.request, varies=True),
                Cell(one.result, varies=True),
                Cell(f"{one.microseconds} µs", varies=True),
                Cell(one.shell, varies=True),
            ]
            for one in self.recording.events
        ]
        headings = ("side", "#", "request", "result", "took", "the same in a shell")
        requests = table("What the kernel was asked, in order", headings, rows)
        return f"<details><summary>All requests as a table</summary>{requests}</details>"

    def around(self, svg: str) -> str:
        """Return a player that works without a kernel, or the image where none may; and the table.

        A page that does not trust the notebook drops the player and the rule with it.
        """
        if not self.recording.events:
            return super().around(svg)
        player = frame(self._picture, self.moment)
        return self._enclosed(f"{player}{_ONE_OF_THEM}{figured(svg)}{self.table()}")


def described(one: Event) -> Document:
    """Return a request as it stands in a Timeline's picture."""
    kind = family(one)
    return {
        "side": one.side,
        "number": one.number,
        "request": one.request,
        "result": one.result,
        "took": one.microseconds,
        "shell": one.shell,
        "family": kind.letter,
    }


def _name(one: Event) -> str:
    """Return a request without its arguments, which change from run to run."""
    return f"{one.side}'s {one.request.partition('(')[0]}"

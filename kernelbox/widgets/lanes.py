"""A timeline on paper: two lanes of requests, drawn by matplotlib."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from kernelbox.widgets import palette
from kernelbox.widgets.families import FAMILIES, family
from kernelbox.widgets.foreign import leave_baseline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from kernelbox.kernel.door import Event

SIDES = ("runtime", "container")


def figure(events: Sequence[Event], moment: int) -> Figure:
    """Return the lanes; a request is as wide as any other, however long it took.

    Args:
        events: In the order in which they were made.
        moment: Where the slider stands: how many requests have been made.
    """
    from matplotlib.figure import Figure

    picture = Figure(figsize=(12.6, 2.1), layout="constrained")
    ax = picture.subplots()
    ink, muted = palette.light("ink"), palette.light("muted")
    for lane, side in enumerate(SIDES):
        for kind in FAMILIES:
            mine = [
                (at, 1) for at, one in enumerate(events) if one.side == side and family(one) == kind
            ]
            color = palette.light(f"chip-{kind.hue}")
            ax.broken_barh(mine, (-lane - 0.36, 0.72), facecolors=color, edgecolors="none")
    for at, one in enumerate(events):
        if one.failed:
            lane = SIDES.index(one.side) if one.side in SIDES else 0
            ax.plot(at + 0.5, -lane + 0.46, "x", color=ink, markersize=6, markeredgewidth=1.5)
    _letters(events, ax)
    ax.axvline(moment, color=ink, linewidth=1.6)
    ax.set_xlim(0, max(len(events), 1))
    ax.set_ylim(-1.5, 0.6)
    ax.set_yticks([0, -1], SIDES, color=ink, fontsize=12)
    ax.set_xlabel("requests to the kernel, in order", color=muted, fontsize=11)
    ax.tick_params(axis="x", colors=muted, labelsize=11)
    ax.tick_params(axis="y", length=0)
    leave_baseline(ax)
    return picture


def legend(events: Sequence[Event]) -> str:
    """Return what the letters mean, of those that occur."""
    seen = {family(one) for one in events}
    told = [f"{kind.letter} {kind.name}" for kind in FAMILIES if kind in seen]
    return " · ".join([*told, *(["✕ refused"] if any(one.failed for one in events) else [])])


def _letters(events: Sequence[Event], ax: Any) -> None:
    """Write a letter on each run of one kind that is wide enough for it."""
    room = max(len(events) / 55, 1)
    at = 0
    for (side, kind), run in groupby(events, key=lambda one: (one.side, family(one))):
        count = len(list(run))
        if count >= room and side in SIDES:
            color = palette.light(f"on-{kind.hue}")
            ax.text(
                at + count / 2, -SIDES.index(side), kind.letter,
                ha="center", va="center_baseline", color=color, weight="bold", fontsize=9,
            )  # fmt: skip
        at += count

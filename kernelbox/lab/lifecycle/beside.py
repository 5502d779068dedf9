"""Births beside each other: what each asked of the kernel, phase by phase.

A phase is what one part of `init` does, and is called as in chapter 04 and in the trace. In which
order they come is what two births have in common; how much there is of each is what they differ in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kernelbox.lab.traces import Trace

# What a request belongs to: the first whose pattern is found in it decides.
_PHASES = {
    "its control group": r"^(mkdir|write|unshare)\(.*(cgroup|CGROUP)",
    "the birth": r"^clone3\(",
    "names and network": r"^(sethostname|setdomainname|ioctl)\(",
    "its root": r"^(pivot_root|umount2|chdir|fchdir)\(",
    "devices": r"^(mknodat|fchownat|symlinkat)\(",
    "hidden paths": r'^(openat2\(\d+, "/(proc|sys)/|open_tree\(AT_FDCWD, "/(dev/null|proc))',
    "mounts": r"^(fs(open|config|mount)|(move_)?mount|mount_setattr|open_tree|openat2|mkdirat)\(",
    "the program": r"^execve\(",
}
_OTHER = "its standing"  # its user, session, limits, signals


def phases(trace: Trace) -> dict[str, int]:
    """Return how many requests there are of each phase, in the order in which phases begin."""
    found: dict[str, int] = {}
    for event in trace:
        name = phase(event.request)
        found[name] = found.get(name, 0) + 1
    return found


def phase(request: str) -> str:
    """Return which phase a request belongs to."""
    for name, pattern in _PHASES.items():
        if re.search(pattern, request):
            return name
    return _OTHER


class Births:
    """What several births asked of the kernel.

    Args:
        traces: By the name of who asked.
    """

    def __init__(self, traces: Mapping[str, Trace]) -> None:
        self.traces = dict(traces)
        self.counts = {name: phases(trace) for name, trace in traces.items()}
        self.lanes = _lanes(self.counts.values())

    def __repr__(self) -> str:
        return "\n".join(
            [
                "The requests of a birth, by phase",
                *(f"{name}: {', '.join(found)}" for name, found in self.counts.items()),
            ]
        )

    def _repr_html_(self) -> str:
        from kernelbox.widgets.still import embedded

        return embedded(self.svg()) + self.table()

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """Return the births as an image, marked as moving: a host has groups of its own."""
        from kernelbox.widgets import foreign

        note = "Each stroke is one request to the kernel, from the first to the last."
        return foreign.image(
            "One birth, driven by each of them", repr(self), self.figure(), note, moving=True
        )

    def table(self) -> str:
        """Return a row for each phase."""
        from kernelbox.widgets.still import Cell, table

        rows = [
            [
                Cell(name),
                *(Cell(str(one.get(name, 0)), varies=True) for one in self.counts.values()),
            ]
            for name in self.lanes
        ]
        return table("Requests of each phase", ("phase", *self.counts), rows)

    def figure(self) -> Figure:
        """Return the drawing, in the colours of light paper: a lane for each phase."""
        from matplotlib.figure import Figure

        from kernelbox.widgets.foreign import leave_baseline
        from kernelbox.widgets.palette import light

        figure = Figure(figsize=(9.6, 0.5 + 1.8 * len(self.traces)), layout="constrained")
        every = figure.subplots(len(self.traces), squeeze=False)[:, 0]
        for axes, (name, trace) in zip(every, self.traces.items(), strict=True):
            for lane, its in enumerate(self.lanes):
                at = [n for n, event in enumerate(trace) if phase(event.request) == its]
                axes.eventplot(
                    [at], lineoffsets=lane, linelengths=0.72, linewidths=1.6,
                    colors=light(f"line-{lane % 7}"),
                )  # fmt: skip
            axes.set_yticks(range(len(self.lanes)), self.lanes)
            axes.set_ylim(len(self.lanes) - 0.4, -0.6)
            axes.set_xlim(-1, max(len(one) for one in self.traces.values()) + 1)
            axes.set_title(
                f"{name}: {len(trace)} requests", loc="left", color=light("ink"), fontsize=11
            )
            axes.tick_params(colors=light("muted"), length=0, labelsize=9)
            leave_baseline(axes)
        return figure


def _lanes(births: Iterable[dict[str, int]]) -> list[str]:
    """Return every phase that one of them has, in the order in which they begin."""
    lanes: list[str] = []
    for found in births:
        place = 0
        for name in found:
            if name not in lanes:
                lanes.insert(place, name)
            place = lanes.index(name) + 1
    return lanes

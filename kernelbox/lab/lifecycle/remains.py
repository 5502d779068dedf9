"""What the kernel still has of a container, counted from outside: groups, processes, a directory.

Nobody who made it is asked: what somebody has forgotten, he does not tell.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.plumbing import paths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CGROUPS = Path("/sys/fs/cgroup")


class Remains(NamedTuple):
    """What is there of a container.

    Attributes:
        groups: The directories of its control group: one in each hierarchy.
        pids: The processes in them.
        directory: Whether the runtime has noted it down.
    """

    groups: list[str]
    pids: list[int]
    directory: bool

    @property
    def things(self) -> int:
        """How many things that is."""
        return len(self.groups) + len(self.pids) + self.directory

    def __repr__(self) -> str:
        there = {
            "its control group": bool(self.groups),
            "a process in it": bool(self.pids),
            "the runtime's directory": self.directory,
        }
        return ", ".join(name for name, one in there.items() if one) or "nothing"


def left_of(container: str, *, noted: bool) -> Remains:
    """Return what is there of a container of a bundle.

    Args:
        container: Its id.
        noted: Whether the runtime has a directory for it.
    """
    groups = sorted(_groups(container))
    pids = set[int]()
    for group in groups:
        with suppress(OSError):  # it goes meanwhile
            pids.update(map(int, Path(group, "cgroup.procs").read_text().split()))
    return Remains(groups, sorted(pids), noted)


def _groups(container: str) -> list[str]:
    name = f"oci-{paths.suffix()}-{container}"
    hierarchies = [_CGROUPS, *(one for one in _CGROUPS.iterdir() if one.is_dir())]
    places = [one / "kernelbox" / name for one in hierarchies]
    # What is mounted under two names (cpu and cpu,cpuacct) is one hierarchy.
    return list({os.stat(one).st_ino: str(one) for one in places if one.is_dir()}.values())


class Leaks:
    """What is left where a runtime was killed, before and after somebody has cleaned up.

    Args:
        found: By the number of the request before which it died, both counts.
    """

    def __init__(self, found: Mapping[int, tuple[int, int]]) -> None:
        self.found = dict(found)

    def __repr__(self) -> str:
        worst = max(before for before, _ in self.found.values())
        after = sum(after for _, after in self.found.values())
        return (
            f"killed at several requests of one birth\n"
            f"something was left: {worst > 0}\nleft after `delete --force`: {after}"
        )

    def _repr_html_(self) -> str:
        from kernelbox.widgets.still import embedded

        return embedded(self.svg()) + self.table()

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """Return the counts as an image, marked as moving: each hierarchy's group is one thing."""
        from kernelbox.widgets import foreign

        title = "What a runtime leaves that is killed before its request number ..."
        note = "Each hierarchy of control groups has a directory of its own: with v2 it is one."
        return foreign.image(title, repr(self), self.figure(), note, moving=True)

    def table(self) -> str:
        """Return a row for each request."""
        from kernelbox.widgets.still import Cell, table

        rows = [
            [Cell(str(number), varies=True), *(Cell(str(one), varies=True) for one in counts)]
            for number, counts in self.found.items()
        ]
        html = table("Things left", ("killed before request", "left", "after delete"), rows)
        # How many rows there are depends on the hierarchies of this host.
        return f'<div class="kb-moving">{html}</div>'

    def figure(self) -> Figure:
        """Return the drawing, in the colours of light paper."""
        from matplotlib.figure import Figure

        from kernelbox.widgets.foreign import leave_baseline
        from kernelbox.widgets.palette import light

        figure = Figure(figsize=(9.0, 2.6), layout="constrained")
        axes = figure.subplots()
        places = range(len(self.found))
        for shift, number, name in ((-0.2, 0, "left"), (0.2, 1, "after delete --force")):
            counts = [both[number] for both in self.found.values()]
            bars = axes.bar(
                [one + shift for one in places], counts, 0.38,
                color=light(f"line-{5 - 4 * number}"), label=name,
            )  # fmt: skip
            axes.bar_label(bars, color=light("ink"), fontsize=11)
        axes.set_xticks(places, [str(number) for number in self.found])
        axes.set_xlabel("the request before which it was killed", color=light("ink"))
        axes.set_yticks([])
        axes.tick_params(colors=light("muted"), length=0)
        figure.legend(loc="outside lower left", ncols=2, frameon=False, labelcolor=light("ink"))
        leave_baseline(axes)
        return figure

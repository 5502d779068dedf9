"""ResourceGraph: what containers use against what they may use, on one time axis.

CPU, memory, pids, I/O and pressure, each with its limit as a dashed line. There is a mark where a
container was kept from running by its CPU limit, and where the kernel killed a process for want of
memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kernelbox.widgets.base import View, bundle
from kernelbox.widgets.foreign import image, leave_baseline
from kernelbox.widgets.palette import light
from kernelbox.widgets.still import Cell, document, size, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from matplotlib.figure import Figure

    from kernelbox.observe.model import Snapshot, Usage
    from kernelbox.widgets.patch import Document

# A chart: its key in a sample, its heading, and what a value is divided by to be drawn.
CHARTS = (
    ("cpu", "CPU, processors", 1),
    ("memory", "memory, MiB", 2**20),
    ("pids", "processes", 1),
    ("io", "I/O, MiB/s", 2**20),
    ("pressure", "waiting, %", 1),
)
# Colours of lines that differ in both themes, in the order in which they are handed out.
HUES = (4, 5, 2, 6, 0, 1, 3)
_FONT = 11
# Seconds that a rate is taken over, at least. What is counted comes in lumps: where a person asks
# just when the view looks by itself, there would be a spike, or a gap.
_SHORTEST = 0.05
DASHES = ("solid", "dashed", "dashdot", "dotted")


class ResourceGraph(View):
    """What containers use, against their limits, over time.

    Args:
        source: As for every view.
        containers: Ids of the containers to show; without it, all.
        names: From a container's id to what to call it.
        window: Seconds that are kept.
        interval: Seconds between two looks.

    Source: cgroup-v2.rst; `Documentation/accounting/psi.rst`.
    """

    script: ClassVar[str] = "resource_graph"
    parts: ClassVar[tuple[str, ...]] = ("usage",)
    moving: ClassVar[bool] = True
    _esm = bundle(script)
    title: ClassVar[str] = "Resources"
    rows: ClassVar[tuple[str, ...]] = ("containers",)

    def __init__(
        self,
        source: Callable[[], Snapshot] | Snapshot | None = None,
        *,
        containers: tuple[str, ...] | list[str] = (),
        names: dict[str, str] | None = None,
        window: float = 60.0,
        **options: Any,
    ) -> None:
        self._wanted = tuple(containers)
        self._names = names or {}
        self._window = window
        self._last: dict[str, Usage] = {}
        self._past: dict[str, list[Usage]] = {}  # of each container, so much as rates need
        self._samples: dict[str, Document] = {}
        self._known: dict[str, Document] = {}
        self._count = 0
        super().__init__(source, **options)

    def picture(self, snapshot: Snapshot) -> Document:
        """Return the samples of the window; what the snapshot says is the last of them."""
        found = [one for one in snapshot.usage if not self._wanted or one.container in self._wanted]
        if found:
            self._add(snapshot.time, found)
        gone = self._known.keys() - {one.container for one in found}
        names = ", ".join(sorted(self._known[one]["name"] for one in gone))
        note = f"{names}: no control group any more" if names else ""
        return {
            "note": note if self._known else "no control group to be seen",
            "containers": dict(self._known),
            "samples": dict(self._samples),
        }

    def _add(self, time: float, found: list[Usage]) -> None:
        """Take one more sample, and drop what is too old (or, travelling in time, too new)."""
        kept = {
            key: one
            for key, one in self._samples.items()
            if time - self._window <= one["time"] < time
        }
        kept[str(self._count)] = {
            "time": time,
            "of": {one.container: self._used_by(one) for one in found},
        }
        self._count += 1
        self._samples = kept
        for one in found:
            self._known[one.container] = self._container(one)
            self._last[one.container] = one

    def _used_by(self, now: Usage) -> Document:
        """Return what a container uses, its rates taken over some time: see `_SHORTEST`."""
        past = self._past.setdefault(now.container, [])
        while len(past) > 1 and now.time - past[1].time >= _SHORTEST:
            del past[0]
        is_long = bool(past) and now.time - past[0].time >= _SHORTEST
        past.append(now)
        return _used(now, self._last.get(now.container), past[0] if is_long else None)

    def _container(self, one: Usage) -> Document:
        limits = {"cpu": one.cpu_limit, "memory": one.memory_limit, "pids": one.pids_limit}
        before = self._known.get(one.container, {"throttled": False, "kills": 0})
        last = self._last.get(one.container)
        return {
            "name": self._names.get(one.container, one.container[:12]),
            "letter": self._letters.of("container", one.container, one.container),
            "limits": {key: value for key, value in limits.items() if value is not None},
            "throttled": before["throttled"] or _rise(one, last, "throttled") > 0,
            "kills": before["kills"] + int(_rise(one, last, "oom_kills")),
        }

    # -- on paper ------------------------------------------------------------------------------

    def text(self) -> str:
        """Return the limits and whether they were met, but no numbers of the moment."""
        known = self._picture.get("containers", {})
        if not known:
            return f"{self.title}: {self._picture['note']}"
        lines = [f"{one['letter']} {_plain(key, one)}: {_told(one)}" for key, one in known.items()]
        charts = ", ".join(key for key, _, _ in self._charts()) or "nothing"
        return "\n".join([*lines, f"counted by this host: {charts}"])

    def figure(self) -> Figure:
        """Return the charts as a matplotlib figure, for the page of a report."""
        from matplotlib.figure import Figure

        charts = self._charts()
        figure = Figure(figsize=(12.6, 0.6 + 1.2 * max(len(charts), 1)), layout="constrained")
        axes = figure.subplots(max(len(charts), 1), 1, sharex=True, squeeze=False)[:, 0]
        for chart, ax in zip(charts, axes, strict=False):
            self._chart(chart, ax)
        axes[-1].set_xlabel("seconds", color=light("ink"), fontsize=_FONT)
        axes[-1].tick_params("x", pad=9)  # its first number is not to touch the lowest beside it
        return figure

    def svg(self) -> str:
        """Return the charts as an image."""
        if not self._charts():
            return document(self.title, self.text(), "", 420, 40, self._picture["note"])
        return image(
            self.title,
            self.text(),
            self.figure(),
            self._picture["note"] or "╌ limit   ▼ throttled   ✕ killed for want of memory",
            moving=True,
        )

    def table(self) -> str:
        """Return a row for each container and what it uses: the last, the highest, the limit."""
        rows = []
        for key, one in self._picture.get("containers", {}).items():
            who = Cell(f"{one['letter']} {one['name']}", varies=True)
            samples = self._of(key)
            for chart, _, _ in CHARTS:
                seen = [sample[chart] for _, sample in samples if chart in sample]
                limit = one["limits"].get(chart)
                told = "-" if limit is None else _amount(chart, limit)
                rows.append([who, Cell(chart), Cell(_range(chart, seen), varies=True), Cell(told)])
            met = "throttled" if one["throttled"] else "never throttled"
            rows.append([who, Cell("its limits"), Cell(met), Cell(f"OOM kills: {one['kills']}")])
        headings = ("container", "what", "last (highest)", "limit")
        return table("What the containers use, and what they may use", headings, rows)

    def _charts(self) -> list[tuple[str, str, int]]:
        """Return the charts of what this host counts at all."""
        samples = self._picture.get("samples", {}).values()
        seen = {key for sample in samples for one in sample["of"].values() for key in one}
        return [chart for chart in CHARTS if chart[0] in seen]

    def _of(self, container: str) -> list[tuple[float, Document]]:
        """Return a container's samples, each with its time in seconds since the first of all."""
        samples = list(self._picture.get("samples", {}).values())
        began = samples[0]["time"] if samples else 0.0
        return [
            (sample["time"] - began, sample["of"][container])
            for sample in samples
            if container in sample["of"]
        ]

    def _chart(self, chart: tuple[str, str, int], ax: Any) -> None:
        key, heading, unit = chart
        for number, (container, one) in enumerate(self._picture["containers"].items()):
            color = light(f"line-{HUES[number % len(HUES)]}")
            points = [(at, sample) for at, sample in self._of(container) if key in sample]
            x, y = [at for at, _ in points], [sample[key] / unit for _, sample in points]
            dash = DASHES[number % len(DASHES)]
            ax.plot(x, y, color=color, linestyle=dash, linewidth=1.8)
            if points:
                ax.annotate(
                    one["letter"], (x[-1], y[-1]), xytext=(5, -4), textcoords="offset points",
                    color=color, weight="bold", annotation_clip=False,
                )  # fmt: skip
            if key in one["limits"]:
                ax.axhline(
                    one["limits"][key] / unit, color=color, linewidth=1, linestyle=(0, (6, 4))
                )
            sign, name = {"cpu": ("v", "throttled"), "memory": ("x", "kills")}.get(key, ("", ""))
            marks = _begun([(at, sample[key] / unit) for at, sample in points if sample.get(name)])
            for at, high in marks:
                ax.plot(at, high, sign, color=color, markersize=7, markeredgewidth=2)
        _dress(ax, heading)
        if key == "pids":  # there is no half a process
            ax.yaxis.get_major_locator().set_params(integer=True)


def _used(now: Usage, last: Usage | None, before: Usage | None) -> Document:
    """Return what a container uses at this moment, as far as the host counts it.

    Args:
        now: What it has used by now.
        last: By the last look: what has happened since is marked.
        before: By one further back, for the rates; None if there is none yet.
    """
    sample: Document = {}
    seconds = now.time - before.time if before else 0.0
    if seconds > 0 and now.cpu_usec is not None:
        sample["cpu"] = round(_rise(now, before, "cpu_usec") / 1e6 / seconds, 4)
        if _rise(now, last, "throttled") > 0:
            sample["throttled"] = True
    if now.memory is not None:
        sample["memory"] = now.memory
        if kills := int(_rise(now, last, "oom_kills")):
            sample["kills"] = kills
    if now.pids is not None:
        sample["pids"] = now.pids
    if seconds > 0 and now.io_read is not None:
        moved = _rise(now, before, "io_read") + _rise(now, before, "io_write")
        sample["io"] = round(moved / seconds)
    if now.pressure:
        sample["pressure"] = max(now.pressure.values())
    return sample


def _rise(now: Usage, before: Usage | None, name: str) -> float:
    """Return by how much a counter has risen since the sample before."""
    last = None if before is None else getattr(before, name)
    here = getattr(now, name)
    return 0.0 if last is None or here is None else max(here - last, 0)


def _begun(marks: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the marks, without those that follow another within a second: they belong together."""
    kept: list[tuple[float, float]] = []
    for mark in marks:
        if not kept or mark[0] - kept[-1][0] >= 1:
            kept.append(mark)
    return kept


def _dress(ax: Any, heading: str) -> None:
    ax.set_ylabel(heading, rotation=0, ha="right", va="center", color=light("ink"), fontsize=_FONT)
    ax.set_ylim(0, ax.dataLim.ymax * 1.12 or 1)  # a line at the top is whole, too
    ax.margins(x=0.01)
    ax.grid(axis="y", color=light("rule"), linewidth=0.8)
    ax.tick_params(colors=light("muted"), length=0, labelsize=_FONT)
    leave_baseline(ax)


def _plain(key: str, one: Document) -> str:
    """Return a container's name; an id changes from run to run."""
    return "a container" if one["name"] == key[:12] else str(one["name"])


def _told(one: Document) -> str:
    limits = [f"{key} up to {_amount(key, value)}" for key, value in one["limits"].items()]
    met = ["throttled"] if one["throttled"] else []
    met += [f"OOM kills: {one['kills']}"] if one["kills"] else []
    return "; ".join([*(limits or ["no limit"]), *met])


def _amount(key: str, value: float) -> str:
    units = {"memory": size(value), "io": f"{size(value)}/s", "pressure": f"{value:.0f} %"}
    return units.get(key, f"{value:g}")


def _range(key: str, seen: list[float]) -> str:
    return f"{_amount(key, seen[-1])} ({_amount(key, max(seen))})" if seen else "not counted"

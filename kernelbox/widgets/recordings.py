"""Recording: the birth of a container as a file: every request, and the world after each.

A recording is read where there is neither root nor Linux. In the file, the first snapshot stands
whole and each of the others as its difference from the one before; lists in a snapshot become
objects with their order beside them, so that a difference names what it is about.

    {"kernelbox": "recording", "version": 1, "title": ..., "events": [...], "snapshots": [...]}
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.door import Event
from kernelbox.kernel.errors import KernelboxError
from kernelbox.observe.codec import from_json, to_json
from kernelbox.observe.model import Snapshot
from kernelbox.widgets.patch import difference, merge

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from kernelbox.widgets.patch import Document

VERSION = 1
_DAMAGED = "The file is damaged, or is no recording: take a good copy, or record the birth again"


@dataclass(frozen=True)
class Recording:
    """Requests to the kernel in the order in which they were made, and the world around them.

    Attributes:
        events: The requests.
        snapshots: One more than events: the world before the first, then after each.
        title: What was recorded.
    """

    events: tuple[Event, ...]
    snapshots: tuple[Snapshot, ...]
    title: str = "The birth of a container"

    def __post_init__(self) -> None:
        if len(self.snapshots) != len(self.events) + 1:
            raise ValueError("a recording has one snapshot more than events")

    def save(self, path: str | PathLike[str]) -> None:
        """Write the recording to a file, one event or snapshot a line."""
        Path(path).write_text(self.to_text(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Recording:
        """Read a recording from a file.

        Raises:
            KernelboxError: There is no such file, it is damaged, or from a newer kernelbox.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise KernelboxError(f"there is no recording {path}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise KernelboxError(f"cannot read the recording {path}: {error}", _DAMAGED) from error
        return cls.from_text(text, str(path))

    def to_text(self) -> str:
        """Return the recording as it stands in a file."""
        worlds = [_keyed(to_json(one)) for one in self.snapshots]
        changes = [difference(old, new) for old, new in itertools.pairwise(worlds)]
        return (
            f'{{"kernelbox": "recording", "version": {VERSION}, "title": {_line(self.title)},\n'
            f'"events": [\n{_lines([one._asdict() for one in self.events])}],\n'
            f'"snapshots": [\n{_lines([worlds[0], *changes])}]}}\n'
        )

    @classmethod
    def from_text(cls, text: str, name: str = "the recording") -> Recording:
        """Return the recording that `to_text` made this text of.

        Raises:
            KernelboxError: The text is damaged, or from a newer kernelbox.
        """
        try:
            plain = json.loads(text)
        except ValueError as error:
            raise KernelboxError(f"{name} is no JSON: {error}", _DAMAGED) from error
        _check(plain, name)
        try:
            events = tuple(_event(one) for one in plain["events"])
            return cls(events, _snapshots(plain["snapshots"]), str(plain["title"]))
        except KernelboxError as error:
            raise KernelboxError(f"{name} cannot be read: {error.message}", _DAMAGED) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KernelboxError(f"{name} cannot be read: {error!r}", _DAMAGED) from error


def _check(plain: Any, name: str) -> None:
    """Refuse what is no recording, or one that this kernelbox is too old for."""
    if not isinstance(plain, dict) or plain.get("kernelbox") != "recording":
        raise KernelboxError(f"{name} is no recording of kernelbox", _DAMAGED)
    version = plain.get("version")
    if not isinstance(version, int) or version < 1:
        raise KernelboxError(f"{name} has no version that there ever was: {version!r}", _DAMAGED)
    if version > VERSION:
        raise KernelboxError(
            f"{name} was made by a newer kernelbox: it has version {version} of recordings, "
            f"this one reads up to {VERSION}",
            "Update kernelbox",
        )


def _snapshots(changes: list[Document]) -> tuple[Snapshot, ...]:
    """Return the snapshots that the first of these documents and the changes to it make."""
    snapshots: list[Snapshot] = []
    world: Document = {}
    for change in changes:
        world = merge(world, change)
        snapshots.append(from_json(_listed(world)))
    return tuple(snapshots)


def _event(plain: dict[str, Any]) -> Event:
    """Return an event whose fields are of their kinds."""
    event = Event(**plain)
    numbers = (event.number, event.microseconds)
    texts = (event.side, event.request, event.result, event.shell)
    if not all(isinstance(one, int) for one in numbers) or not all(
        isinstance(one, str) for one in texts
    ):
        raise TypeError(f"{plain!r:.60} is no event")
    return event


# Which lists of a snapshot are sets of things, and what identifies a thing in each. None is left
# out, since in a difference it says that something is gone; these are the fields that may be None.
_PEER = ("peer",)
_COUNTS = (
    "cpu_usec", "throttled", "memory", "memory_limit", "pids", "pids_limit", "io_read", "io_write",
    "oom_kills", "pressure", "cpu_limit",
)  # fmt: skip


def _keyed(plain: Document) -> Document:
    """Return a snapshot's JSON with objects instead of lists of things."""
    return _things(plain, _by)


def _listed(world: Document) -> Document:
    """Return what `_keyed` made this of."""
    return _things(world, _back)


def _things(plain: Document, turn: Callable[..., Any]) -> Document:
    """Turn each collection of things in a snapshot, in either direction."""
    network = plain["network"]

    def stack(one: Document) -> Document:
        return {**one, "upper": turn(one["upper"], "path"), "merged": turn(one["merged"], "path")}

    def namespace(one: Document) -> Document:
        return {**one, "links": turn(one["links"], "index", optional=_PEER)}

    return {
        **plain,
        "processes": turn(plain["processes"], "pid"),
        "mounts": {pid: turn(one, "id") for pid, one in plain["mounts"].items()},
        "layers": turn(plain["layers"], "container", each=stack),
        "network": {**network, "namespaces": turn(network["namespaces"], "inode", each=namespace)},
        "usage": turn(plain["usage"], "container", optional=_COUNTS),
    }


def _same(thing: Document) -> Document:
    return thing


def _by(
    things: list[Document],
    key: str,
    each: Callable[[Document], Document] = _same,
    optional: tuple[str, ...] = (),
) -> Document:
    """Return a list of things as an object, and their order."""
    plain = [{k: v for k, v in one.items() if v is not None or k not in optional} for one in things]
    return {
        "order": [one[key] for one in plain],
        "by": {str(one[key]): each(one) for one in plain},
    }


def _back(
    keyed: Document,
    _key: str,
    each: Callable[[Document], Document] = _same,
    optional: tuple[str, ...] = (),
) -> list[Document]:
    """Return the list that `_by` made this of."""
    missing = dict.fromkeys(optional)
    return [each({**missing, **keyed["by"][str(name)]}) for name in keyed["order"]]


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _lines(values: list[Any]) -> str:
    return "".join(f"{_line(one)}{',' * (one is not values[-1])}\n" for one in values)

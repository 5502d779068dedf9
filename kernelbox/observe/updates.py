"""A snapshot sent to a listener that has the one before: only what is different is sent.

Ten snapshots of fifty containers in a row are nearly always the same; writing and reading all of
one as JSON takes longer than looking. So a snapshot is taken apart into pieces (a process, the
mounts of a namespace, the layers of a container, ...), and pieces that have not changed are left
out. At the other end, such a piece stays the very same object, so that `is` tells that there.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from kernelbox.observe.codec import from_json, to_json
from kernelbox.observe.model import (
    LayerStack,
    Mount,
    Network,
    NetworkNamespace,
    Process,
    Snapshot,
    Usage,
)

_KINDS: dict[str, Any] = {
    "processes": Process,
    "mounts": tuple[Mount, ...],
    "layers": LayerStack,
    "namespaces": NetworkNamespace,
    "network": Network,
    "usage": Usage,
}
_Pieces = dict[str, dict[str, Any]]


class Teller:
    """The end where the snapshots are taken."""

    def __init__(self) -> None:
        self._number = 0
        self._told: _Pieces = {}

    def tell(self, snapshot: Snapshot, known: int) -> dict[str, Any]:
        """Return what is new in a snapshot, as JSON.

        Args:
            snapshot: What to tell.
            known: The `number` of what the listener has heard last; 0 for nothing.
        """
        before = self._told if known == self._number else {}
        self._told = _apart(snapshot)
        self._number += 1
        news = {}
        for name, pieces in self._told.items():
            change = _news(before.get(name), pieces)
            if change:
                news[name] = change
        return {"number": self._number, "time": snapshot.time, "news": news}


class Listener:
    """The end where they are wanted.

    Attributes:
        number: Of what has been heard last; 0 for nothing.
    """

    def __init__(self) -> None:
        self.number = 0
        self._pieces: _Pieces = {name: {} for name in _KINDS}
        self._last = Snapshot(0.0)

    def hear(self, told: dict[str, Any]) -> Snapshot:
        """Return the snapshot that was told.

        Raises:
            KernelboxError: It is not from this version's teller.
        """
        news = told["news"]
        for name, change in news.items():
            pieces = self._pieces[name]
            pieces.update({k: from_json(one, _KINDS[name]) for k, one in change["new"].items()})
            if "order" in change:
                self._pieces[name] = {key: pieces[key] for key in change["order"]}
        self.number = told["number"]
        self._last = _together(told["time"], self._pieces, news.keys(), self._last)
        return self._last


def _news(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    """Return the pieces that are new or different, and the order if that is; empty for nothing."""
    known = before or {}
    new = {
        key: to_json(one)
        for key, one in after.items()
        if key not in known or (one is not known[key] and one != known[key])
    }
    if before is None or [*known] != [*after]:
        return {"new": new, "order": [*after]}
    return {"new": new} if new else {}


def _apart(snapshot: Snapshot) -> _Pieces:
    network = snapshot.network
    return {
        "processes": {str(one.pid): one for one in snapshot.processes},
        "mounts": {str(pid): mounts for pid, mounts in snapshot.mounts.items()},
        "layers": {one.container: one for one in snapshot.layers},
        "namespaces": {str(one.inode): one for one in network.namespaces},
        "network": {"": dataclasses.replace(network, namespaces=())},
        "usage": {one.container: one for one in snapshot.usage},
    }


def _together(time: float, pieces: _Pieces, new: Any, last: Snapshot) -> Snapshot:
    """Return the snapshot of these pieces; of those parts that are not new, the last one's."""

    def part(name: str, was: Any) -> Any:
        return tuple(pieces[name].values()) if name in new else was

    network = last.network
    if {"namespaces", "network"} & new:
        namespaces = part("namespaces", network.namespaces)
        network = dataclasses.replace(pieces["network"][""], namespaces=namespaces)
    mounts = last.mounts
    if "mounts" in new:
        mounts = {int(pid): one for pid, one in pieces["mounts"].items()}
    return Snapshot(
        time=time,
        processes=part("processes", last.processes),
        mounts=mounts,
        layers=part("layers", last.layers),
        network=network,
        usage=part("usage", last.usage),
    )

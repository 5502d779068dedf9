"""Read-only snapshots of the kernel: what there is, and what has changed. Nothing is drawn here.

    model.py        the dataclasses, to JSON and back
    looking.py      snapshot(): all of them at one moment
    telling.py      a snapshot for somebody who knows the one before
    difference.py   diff(): what is different between two of them
    processes.py    /proc: who matters, and which namespaces each is in
    mounts.py       mountinfo: propagation, and what lies under what
    layers.py       a container's lowerdirs and upperdir; union.py: directories over each other
    network.py      namespaces, links, cables, NAT; reach.py: whether a ping would arrive
    resources.py    the counters of control groups
    procfs.py, wire.py, rtnetlink.py, nftables.py, filtering.py   how that is read and understood

Looking changes nothing. The door to the kernel records no look either, but for the `setns` by
which the network namespaces are entered and left. Whoever and whatever vanishes in the meantime is
not in the snapshot.

The model and the difference need neither Linux nor privilege: recordings are read with them
anywhere. So the rest is imported when it is used.
"""

from __future__ import annotations

import importlib

from kernelbox.observe.difference import diff
from kernelbox.observe.model import (
    Change,
    Entry,
    Layer,
    LayerStack,
    Link,
    Mount,
    Network,
    NetworkNamespace,
    Process,
    Snapshot,
    Usage,
    from_json,
    to_json,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.observe.looking import PARTS, snapshot

__all__ = [
    "PARTS",
    "Change",
    "Entry",
    "Layer",
    "LayerStack",
    "Link",
    "Mount",
    "Network",
    "NetworkNamespace",
    "Process",
    "Snapshot",
    "Usage",
    "diff",
    "from_json",
    "snapshot",
    "to_json",
]


def __getattr__(name: str) -> object:
    if name in ("PARTS", "snapshot"):
        return getattr(importlib.import_module("kernelbox.observe.looking"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

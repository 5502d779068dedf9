"""Read-only snapshots of the kernel: what there is, and what has changed. Nothing is drawn here.

    model.py          the dataclasses
    procfs.py         small kernel files, read by the hundred
    union.py          directories that lie over each other: what hides what
    routes.py         routes in the words of `ip route`
    nftables.py       packet filter rules, nft's text taken apart
    headers.py        the headers of a frame: Ethernet, ARP, IPv4, ICMP, UDP, TCP
    codec.py          the dataclasses to JSON and back
    difference.py     diff(): what is different between two snapshots
    process_table.py  what /proc says of every process
    mountinfo.py      mounts: propagation, and what lies under what
    overlays.py       a container's lowerdirs and upperdir
    usage.py          the counters of control groups
    packet_filter.py  what those rules do to a ping
    updates.py        a snapshot sent to a listener that has the one before
    processes.py      which of them matter, and to which container each belongs
    topology.py       cables between network namespaces: which links hear a frame
    reach.py          whether a ping would arrive
    memory.py         networks as they were last seen, until the kernel announces a change
    network.py        namespaces, links, cables, NAT
    survey.py         snapshot(): all of them at one moment

Looking changes nothing. The door to the kernel does not record it either, except for the `setns`
by which network namespaces are entered and left. What vanishes in the meantime is not in the
snapshot.

The model, its codec and the difference need neither Linux nor privilege: they read recordings
anywhere. So everything else is imported only when it is used.
"""

from __future__ import annotations

import importlib

from kernelbox.observe.codec import from_json, to_json
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
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.observe.survey import PARTS, snapshot

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
        return getattr(importlib.import_module("kernelbox.observe.survey"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

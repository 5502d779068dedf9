"""Views of snapshots and traces: live on a notebook's page, and still twins of the same on paper.

    palette.py           colours and letters, from the style sheet that the pages use too
    patch.py             what is different between two JSON documents
    sampler.py           one thread that looks again and again
    silence.py           how long no page could have been heard
    families.py          kinds of requests, with a letter and a colour for each
    whose.py             which namespaces are the host's
    effects.py           what a request has changed, without what other programs have
    still.py             SVG images and HTML tables that need no script
    recordings.py        a birth as a file
    player.py            a page of its own that plays one
    base.py              what every view is: a picture, differences to the page, looking again
    foreign.py           pictures that others draw, made parts of ours
    form.py              questions that are answered on the page
    process_tree.py      processes, and who shares which namespace
    capability_table.py  who may do what, and in which user namespace
    mount_tree.py        mounts and how they spread; two namespaces side by side
    layer_stack.py       layers, upperdir, and what the container sees
    graph.py             network namespaces on paper
    journeys.py          a ping on its way over the network map
    lanes.py             a timeline on paper
    resource_graph.py    CPU, memory, pids, I/O and pressure against their limits
    wiring.py            what of a network is drawn on its map
    network_map.py       network namespaces, cables, who reaches whom
    timeline.py          a birth, request by request, as it was recorded
    stepper.py           a birth, request by request, as it happens

The page's side is in src/, in JavaScript; `make widgets` bundles it into static/. A view is given
snapshots, and never looks at the kernel itself.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.widgets.capability_table import CapabilityTable as CapabilityTable
    from kernelbox.widgets.layer_stack import LayerStack as LayerStack
    from kernelbox.widgets.mount_tree import MountTree as MountTree
    from kernelbox.widgets.network_map import NetworkMap as NetworkMap
    from kernelbox.widgets.process_tree import ProcessTree as ProcessTree
    from kernelbox.widgets.recordings import Recording as Recording
    from kernelbox.widgets.resource_graph import ResourceGraph as ResourceGraph
    from kernelbox.widgets.stepper import Step as Step
    from kernelbox.widgets.stepper import Stepper as Stepper
    from kernelbox.widgets.timeline import Timeline as Timeline

_ROOMS = {
    "CapabilityTable": "capability_table",
    "LayerStack": "layer_stack",
    "MountTree": "mount_tree",
    "NetworkMap": "network_map",
    "ProcessTree": "process_tree",
    "Recording": "recordings",
    "ResourceGraph": "resource_graph",
    "Step": "stepper",
    "Stepper": "stepper",
    "Timeline": "timeline",
}

__all__ = sorted(_ROOMS)


def __getattr__(name: str) -> object:
    # anywidget takes a third of a second to import, and a recording is read without it.
    if name not in _ROOMS:
        raise AttributeError(f"module 'kernelbox.widgets' has no attribute {name!r}")
    return getattr(importlib.import_module(f"kernelbox.widgets.{_ROOMS[name]}"), name)

"""Views of snapshots and traces: live on a notebook's page, and still twins of the same on paper.

    base.py            what every view is: a picture, differences to the page, looking again
    hearing.py         whether a page could have been heard
    process_tree.py    processes, and who shares which namespace
    mount_tree.py      mounts and how they spread; two namespaces side by side
    layer_stack.py     layers, upperdir, and what the container sees
    network_map.py     network namespaces, cables, who reaches whom
    resource_graph.py  CPU, memory, pids, I/O and pressure against their limits
    timeline.py        a birth, request by request, as it was recorded
    stepper.py         a birth, request by request, as it happens
    recording.py       a birth as a file
    src/               the page's side, in JavaScript; `make widgets` bundles it into static/

A view is given snapshots, and never looks at the kernel itself.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.widgets.layer_stack import LayerStack as LayerStack
    from kernelbox.widgets.mount_tree import MountTree as MountTree
    from kernelbox.widgets.network_map import NetworkMap as NetworkMap
    from kernelbox.widgets.process_tree import ProcessTree as ProcessTree
    from kernelbox.widgets.recording import Recording as Recording
    from kernelbox.widgets.resource_graph import ResourceGraph as ResourceGraph
    from kernelbox.widgets.stepper import Step as Step
    from kernelbox.widgets.stepper import Stepper as Stepper
    from kernelbox.widgets.timeline import Timeline as Timeline

_ROOMS = {
    "LayerStack": "layer_stack",
    "MountTree": "mount_tree",
    "NetworkMap": "network_map",
    "ProcessTree": "process_tree",
    "Recording": "recording",
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

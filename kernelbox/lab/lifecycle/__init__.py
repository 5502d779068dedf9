"""The life of a container, as an engine drives it and a notebook looks on: chapter 13.

    from kernelbox.lab import lifecycle

    engine = lifecycle.Engine(box)                # what Podman is to its runtime
    engine.bundle("greeter", "echo hello")        # a root file system, and a config.json
    engine.create("greeter")                      # one of the runtime's verbs, and its trace
    engine.start("greeter")

Its rooms:

    bundle.py   a directory that describes a container, for a runtime to make
    remains.py  what the kernel still has of a container, counted from outside
    beside.py   two births beside each other, phase by phase
    engine.py   the runtime's verbs, as an engine calls them
    walk.py     verbs and the states they lead to, drawn from what was answered
    wreck.py    what an engine leaves that was killed, drawn anew each time
    podman.py   Podman, with kernelbox as its runtime, in mounts of its own
"""

from __future__ import annotations

from kernelbox.lab.lifecycle import podman
from kernelbox.lab.lifecycle.beside import Births, phases
from kernelbox.lab.lifecycle.bundle import Bundle
from kernelbox.lab.lifecycle.engine import Engine
from kernelbox.lab.lifecycle.podman import Podman
from kernelbox.lab.lifecycle.remains import Leaks, Remains, left_of
from kernelbox.lab.lifecycle.walk import Walk
from kernelbox.lab.lifecycle.wreck import Wreck

__all__ = [
    "Births",
    "Bundle",
    "Engine",
    "Leaks",
    "Podman",
    "Remains",
    "Walk",
    "Wreck",
    "left_of",
    "phases",
    "podman",
]

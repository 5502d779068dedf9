"""What a notebook needs: the lab, processes held by hand, containers in one call, traces.

from kernelbox import lab

box = lab.start()                  the agent, and through it the kernel
p = box.hold()                     a process under remote control
p.unshare("uts")                   one request to the kernel, and its trace
box.run("busybox", "echo hello")   a whole container
box.kernelbox("images")            a command, as in a terminal
box.processes()                    who runs, and who shares what with whom: a live view
box.birth("busybox", "top")        a container that is made one request at a time

client.py   the lab: starting the agent, asking it
held.py     the notebook's end of a held process
running.py  containers that run, and what became of them
terminal.py commands of kernelbox's, as in a terminal
views.py    traces and looks, as text and as tables
watching.py live views of processes, mounts, layers, networks and use
birth.py    a container's birth, stepped through
magics.py   %%inside
exercises/  what the chapters ask: predictions, checks, quizzes
doctor/     what this host has, and what it lacks
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.client import Lab, current, refused, start
from kernelbox.lab.held import Held
from kernelbox.lab.magics import load_ipython_extension
from kernelbox.lab.running import Container, Result
from kernelbox.lab.views import Look, Trace
from kernelbox.lab.wire import LabError

if TYPE_CHECKING:
    from kernelbox.lab.exercises.chapter import Chapter

__all__ = [
    "Container",
    "Held",
    "Lab",
    "LabError",
    "Look",
    "Result",
    "Trace",
    "chapter",
    "current",
    "load_ipython_extension",
    "refused",
    "start",
]


def chapter(number: str) -> Chapter:
    """Return a chapter's predictions, exercises and quiz; they are loaded here, and not before.

    Raises:
        UsageError: There is no such chapter.
    """
    from kernelbox.lab.exercises.chapter import Chapter

    return Chapter(number)

"""What a notebook needs: the lab, processes held by hand, containers in one call, traces.

    from kernelbox import lab

    box = lab.start()                  # the agent, and through it the kernel
    p = box.hold()                     # a process under remote control
    p.unshare("uts")                   # one request to the kernel, and its trace
    box.run("busybox", "echo hello")   # a whole container
    box.cgroup("web")                  # a control group of one's own
    box.burn(2)                        # a load: two processes that use up CPU time
    box.kernelbox("images")            # a command, as in a terminal
    box.processes()                    # who runs, and who shares what with whom: a live view
    box.birth("busybox", "top")        # a container that is made one request at a time
    lab.course()                       # the course as a map: what is done, and what comes next
    lab.broken_host("04")              # five faults in one machine, to be repaired by any route

Its rooms:

    conversation.py  ask, and wait for the answer while output flows
    signatures.py    options by name, for who presses Tab
    traces.py        traces and looks, as text and as tables
    traffic.py       a ping, and what is heard of it on a link
    doctor/          what this host has, and what it lacks
    connect.py       how a notebook comes by an agent
    agent_link.py    the link to it: every question goes through there
    cabling.py       cables, addresses, routes and rules, one request a call
    held.py          the notebook's end of a held process
    started.py       containers that run, and what became of them
    groups.py        the notebook's end of a control group
    working.py       loads: what uses up CPU time, memory, processes or a disk
    measuring.py     processors used, percentiles, and what limits a process
    speed.py         how long a message takes, and how many bytes pass in a second
    command_line.py  commands of kernelbox's, as in a terminal
    live.py          live views of processes, mounts, layers, networks and use
    magics.py        %%inside
    reading.py       what a notebook reads in /proc
    birth_view.py    a container's birth, stepped through
    networked.py     the notebook's end of networks, the machine next door, who reaches whom
    notebook.py      the lab itself, as a notebook has it
    neighbours.py    network namespaces, cabled: two of them, or a street to the world
    surroundings.py  where it works, with nothing spreading to the host
    exercises/       what makes an exercise: predictions, checks, quizzes
    serving.py       the workbook in JupyterLab
    exporting.py     pages without it
    attacks/         what is tried against a container, and what got through: chapter 15
    experiments/     what is claimed of containers, measured: chapter 14
    lifecycle/       a container's life, as an engine drives it: chapter 13
    chapters/        what each chapter asks: content alone
    hosts/           broken hosts, to be repaired by any route
    inventory/       what a student believes, before the course and after it
    course/          the course as a folder for nbgrader; trying an exercise's answers
    workbook/        the student's own copy of the course, and how far it is
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import kernelbox.lab.course  # noqa: F401 (now: loaded later, it would take the place of `course()`)
from kernelbox.lab.conversation import LabError
from kernelbox.lab.groups import Group
from kernelbox.lab.held import Held
from kernelbox.lab.magics import load_ipython_extension
from kernelbox.lab.notebook import Lab, current, refused, start
from kernelbox.lab.started import Container, Result
from kernelbox.lab.traces import Look, Trace
from kernelbox.lab.working import Load

if TYPE_CHECKING:
    from kernelbox.lab.exercises.chapter import Chapter
    from kernelbox.lab.hosts.host import BrokenHost
    from kernelbox.lab.workbook.overview import Overview

__all__ = [
    "Container",
    "Group",
    "Held",
    "Lab",
    "LabError",
    "Load",
    "Look",
    "Result",
    "Trace",
    "broken_host",
    "chapter",
    "course",
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


def course() -> Overview:
    """Return the course as a map: what is done, points and time so far, and the next step."""
    from kernelbox.lab.workbook.overview import Overview

    return Overview()


def broken_host(number: str, seed: int | None = None) -> BrokenHost:
    """Break a machine in five places, in the lab that is open; the one before it goes.

    Args:
        number: Of the chapter that it comes after.
        seed: What it is drawn from; another each time, if not given.

    Raises:
        UsageError: No such chapter is followed by a broken host.
        LabError: The lab has not been started.
    """
    from kernelbox.lab.hosts.host import broken_host as opened

    return opened(number, seed)

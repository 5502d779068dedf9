"""How long answers take beside neighbours who want all of the CPU, with limits and without."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kernelbox.lab.measuring import percentile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kernelbox.lab.notebook import Lab

NEIGHBOURS = 4
SLOW = 90  # percent of the answers that are quicker

_WORK, _EVERY = 0.004, 0.04  # seconds of CPU time for a job, and from one to the next


def answers(
    box: Lab, neighbours: int, files: Mapping[str, str] | None = None, seconds: float = 0.8
) -> list[float]:
    """Return how long jobs took from their coming to their end, seconds.

    A small service and its neighbours, each in a control group of its own, share one CPU: the first
    that this process may use.

    Args:
        box: The lab.
        neighbours: How many want all of the CPU.
        files: What is written to the control group of each of them, by file: its limits.
        seconds: How long the service is watched.
    """
    cpu = (min(os.sched_getaffinity(0)),)
    with ExitStack() as ending:
        for number in range(neighbours):
            group = box.cgroup(f"neighbour-{number}")
            ending.callback(group.remove)
            for name, text in (files or {}).items():
                group.write(name, text)
            ending.callback(box.burn(group=group, cpus=cpu).end)
        service = box.cgroup("service")
        ending.callback(service.remove)
        small = box.serve(_WORK, _EVERY, open_loop=True, group=service, cpus=cpu)
        ending.callback(small.end)
        time.sleep(seconds)
        return small.measured


def quietest(
    box: Lab, ways: Mapping[str, tuple[int, Mapping[str, str]]], rounds: int = 3
) -> dict[str, list[float]]:
    """Return the answers of each way in its best round: what else the machine does, adds to them.

    Args:
        box: The lab.
        ways: By a name, how many neighbours there are, and their limits.
        rounds: How often each has its turn.
    """
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (neighbours, files) in ways.items():
            if measured := answers(box, neighbours, files):
                found[name].append(measured)
    return {name: min(several, key=slow) for name, several in found.items()}


def slow(measured: list[float]) -> float:
    """Return how long a slow answer takes: nine of ten are quicker."""
    return percentile(measured, SLOW)

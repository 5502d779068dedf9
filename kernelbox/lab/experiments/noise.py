"""How long answers take beside a neighbour who wants all of the CPU, with limits and without."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab

_WORK, _EVERY = 0.004, 0.04  # seconds of CPU time for a job, and from one to the next
_NOISY = 4  # processes of the neighbour's


def answers(
    box: Lab, *, noisy: bool, files: dict[str, str] | None = None, seconds: float = 1.5
) -> list[float]:
    """Return how long jobs took from their coming to their end, seconds.

    A small service and its neighbour, each in a control group of its own, share one CPU: the first
    that this process may use.

    Args:
        box: The lab.
        noisy: Whether the neighbour is at work.
        files: What is written to the neighbour's control group, by file: its limits.
        seconds: How long the service is watched.
    """
    cpu = (min(os.sched_getaffinity(0)),)
    with ExitStack() as ending:
        service, neighbour = box.cgroup("service"), box.cgroup("neighbour")
        ending.callback(service.remove)
        ending.callback(neighbour.remove)
        for name, text in (files or {}).items():
            neighbour.write(name, text)
        if noisy:
            ending.callback(box.burn(_NOISY, group=neighbour, cpus=cpu).end)
        small = box.serve(_WORK, _EVERY, open_loop=True, group=service, cpus=cpu)
        ending.callback(small.end)
        time.sleep(seconds)
        return small.measured

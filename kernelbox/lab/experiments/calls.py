"""What a system call costs, inside and outside; and a message there and back.

The program is the same on both sides: busybox's `dd` with a block of one byte, which makes two
system calls a byte (read(2) of /dev/zero, write(2) to /dev/null) and little else, without end. In a
container it has what any program has there: its system call filter, its capabilities, its control
groups. The kernel counts its calls and its CPU time; so it does not matter what else runs.
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Unpack

from kernelbox.container.option_types import ContainerOptions
from kernelbox.images.embedded import find_busybox
from kernelbox.lab.conversation import LabError
from kernelbox.lab.speed import round_trips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.started import Container

PROGRAM = ("dd", "if=/dev/zero", "of=/dev/null", "bs=1")

_WINDOW = 0.05  # seconds

# What a witness is asked to evaluate.
_TOOLS = """
import time

def counted(pid):
    with open(f"/proc/{pid}/io") as file:
        told = dict(line.split(": ") for line in file)
    with open(f"/proc/{pid}/schedstat") as file:
        return int(told["syscr"]) + int(told["syscw"]), int(file.read().split()[0])

def cost(pid, seconds):
    calls, spent = counted(pid)
    time.sleep(seconds)
    more, longer = counted(pid)
    return (longer - spent) / 1e9 / (more - calls) if more > calls else None
"""


def in_turns(
    box: Lab, runs: int = 20, **options: Unpack[ContainerOptions]
) -> tuple[list[float], list[float]]:
    """Return what a call costs in a container, and what on the host, seconds; measured in turns.

    Args:
        box: The lab.
        runs: Measurements on each side, each of some hundred thousand calls.
        **options: Of the container, as `box.start` has them; it has no network, if not told.

    Raises:
        LabError: The container could not be started; this host has no static busybox.
    """
    inside, outside = [], []
    options.setdefault("network", "none")
    container = box.start("busybox", [*PROGRAM], **options)
    witness = box.hold()
    try:
        witness.python(_TOOLS)
        with on_the_host() as pid:
            for _ in range(runs):
                inside.append(cost(witness, container.pid))
                outside.append(cost(witness, pid))
    finally:
        witness.end()
        container.remove()
    return inside, outside


def cost(witness: Held, pid: int) -> float:
    """Return what a read or write costs a process on average, seconds of CPU time.

    Source: proc_pid_io(5), syscr and syscw; `Documentation/scheduler/sched-stats.rst`,
    /proc/PID/schedstat: nanoseconds spent on the CPU.

    Raises:
        LabError: It has ended, or did not run for some windows.
    """
    for _ in range(40):
        if (found := witness.evaluate(f"cost({pid}, {_WINDOW})")) is not None:
            return float(found)
    raise LabError(f"process {pid} makes no system call: it waits, or has no CPU to run on")


@contextmanager
def on_the_host() -> Iterator[int]:
    """Run the program on the host as long as the block lasts; give its PID.

    Raises:
        LabError: There is no busybox.
    """
    program = find_busybox()
    if not program:
        raise LabError("this host has no static busybox", "apt-get install busybox-static")
    quiet = subprocess.DEVNULL
    with subprocess.Popen([program, *PROGRAM], stdin=quiet, stderr=quiet) as running:
        try:
            yield running.pid
        finally:
            running.kill()


def messages(box: Lab, container: Container, times: int = 400) -> tuple[list[float], list[float]]:
    """Return how long small messages take there and back, seconds: to a container, to oneself.

    Args:
        box: The lab.
        container: It is on the default bridge.
        times: Messages each way.

    Raises:
        OSError: ENETUNREACH; TimeoutError: there is no way to it.
    """
    networks = container.inspect()["NetworkSettings"]["Networks"]
    host, guest = box.hold(), box.hold()
    try:
        guest.setns(container.pid, "net")
        there = round_trips(host, guest, networks["bridge"]["IPAddress"], times)
        return there, round_trips(host, host, "127.0.0.1", times)
    finally:
        host.end()
        guest.end()

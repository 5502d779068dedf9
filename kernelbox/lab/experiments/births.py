"""How long something takes from its start to its end; and a crowd of containers."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kernelbox.lab.conversation import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.started import Container

_WARM = 2  # rounds that are not counted: files are read, caches filled


def in_turns(ways: Mapping[str, Callable[[], object]], runs: int = 20) -> dict[str, list[float]]:
    """Return how long each way takes, seconds; one after the other, round after round.

    What disturbs a machine for a while disturbs all of them alike.

    Args:
        ways: By a name, what is done.
        runs: Rounds that are counted.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(_WARM + runs):
        for name, do in ways.items():
            began = time.perf_counter()
            do()
            if number >= _WARM:
                found[name].append(time.perf_counter() - began)
    return found


def process() -> None:
    """Start a program that does nothing, and wait for its end. Source: posix_spawn(3), true(1).

    Raises:
        LabError: It failed.
    """
    program = shutil.which("true") or "/bin/true"
    _, status = os.waitpid(os.posix_spawn(program, ["true"], {}), 0)
    if status:
        raise LabError(f"true ended with {os.waitstatus_to_exitcode(status)}")


def container(box: Lab, network: str = "none") -> Callable[[], None]:
    """Return what runs the same in a container: made, run, and cleaned away.

    Args:
        box: The lab, which is warm: no program has to be loaded for it.
        network: As `kernelbox run --network` has it.
    """

    def run() -> None:
        if (code := box.run("busybox", "true", network=network, quiet=True).code) != 0:
            raise LabError(f"true ended with {code} in the container")

    return run


@contextmanager
def crowd(box: Lab, count: int, network: str = "none") -> Iterator[Crowd]:
    """Have an empty crowd that can grow to so many idle containers; they go with the block.

    Args:
        box: The lab.
        count: How many at most.
        network: As `kernelbox run --network` has it.
    """
    made = Crowd(box, count, network)
    try:
        yield made
    finally:
        made.end()


class Crowd:
    """Containers in which nothing happens.

    Attributes:
        containers: Those that are there, in order.
        took: How long each took until its program ran, seconds.
    """

    def __init__(self, box: Lab, most: int, network: str) -> None:
        self.containers: list[Container] = []
        self.took: list[float] = []
        self._box = box
        self._most = most
        self._network = network

    def grow(self, count: int) -> None:
        """Start more, until there are so many.

        Raises:
            LabError: One could not be started; or it would be more than the crowd may have.
        """
        if count > self._most:
            raise LabError(f"this crowd has {self._most} containers at most, and not {count}")
        while len(self.containers) < count:
            began = time.perf_counter()
            one = self._box.start("busybox", "sleep 100000", network=self._network)
            self.took.append(time.perf_counter() - began)
            self.containers.append(one)

    def end(self) -> None:
        """Remove them all. Twice is fine."""
        while self.containers:
            self.containers.pop().remove()

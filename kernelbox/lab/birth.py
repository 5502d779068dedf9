"""A container's birth in a notebook: the real one, going on by one request at a time.

The monitor, and through it the container's init, waits before each request to the kernel. Between
two requests the agent looks at what there is of the container by then.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kernelbox.kernel.errors import KernelboxError
from kernelbox.kernel.record import Event
from kernelbox.lab.running import Container, Front
from kernelbox.lab.wire import LabError
from kernelbox.widgets.layer_stack import LayerStack
from kernelbox.widgets.mount_tree import MountTree
from kernelbox.widgets.network_map import NetworkMap
from kernelbox.widgets.process_tree import ProcessTree
from kernelbox.widgets.stepper import Step, Stepper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.client import Lab
    from kernelbox.lab.watching import Scene
    from kernelbox.observe.model import Snapshot

PARTS = frozenset({"processes", "mounts", "layers", "network"})


def begin(lab: Lab, container_id: str, monitor: Front, scene: Scene, name: str) -> Birth:
    """Return the birth of a container whose monitor waits before its first request.

    Args:
        lab: Whose container it becomes.
        container_id: Of the container.
        monitor: The connection to its monitor.
        scene: The container, as the agent sees it.
        name: What is being born, for the title.

    Raises:
        LabError: The container cannot be made; nothing of it is left.
    """
    try:
        first = Event(*monitor.until("pause")["event"]), scene.look(PARTS)
        return Birth(lab, container_id, monitor, scene, first, name)
    except BaseException:
        monitor.close()
        raise


class Birth(Stepper):
    """A birth that goes on as one says; made by `Lab.birth`.

    Attributes:
        id: Of the container.
        container: The container itself, once its program runs; None before.
        recording: Every request so far, and the world after each: `recording.save(path)`.
    """

    def __init__(
        self,
        lab: Lab,
        container_id: str,
        monitor: Front,
        scene: Scene,
        first: tuple[Event, Snapshot],
        name: str,
    ) -> None:
        self.id = container_id
        self.container: Container | None = None
        self._lab = lab
        self._front = monitor
        self._scene = scene
        pending, world = first
        super().__init__(
            world,
            self._go_on,
            pending=pending,
            panels=(ProcessTree(), MountTree(), LayerStack(container=self.id), NetworkMap()),
            title=f"The birth of {name}",
        )

    def step(self, requests: int = 1) -> None:
        """Go on by so many requests; at the end, let the container make them.

        Raises:
            LabError: The container cannot be made.
        """
        with self._or_none():
            super().step(requests)

    def to(self, request: str) -> None:
        """Go to the moment after the first such request; if it is yet to come, until it is made.

        Args:
            request: Name of a system call: `clone3`, `pivot_root`, ...; `execve` is the last.

        Raises:
            LabError: The container cannot be made, or is born without this request.
        """
        with self._or_none():
            seen = 0
            while True:
                events = self.recording.events
                for moment in range(seen, len(events)):
                    if events[moment].request.partition("(")[0] == request:
                        self.moment = moment + 1
                        return
                seen = len(events)
                if not self._advance():
                    raise LabError(f"in this birth there is no {request}")

    def run(self) -> None:
        """Go on until the program runs, or until `pause`.

        Raises:
            LabError: The container cannot be made.
        """
        with self._or_none():
            super().run()

    def close(self) -> None:
        """Take the view off every page. A container that is not yet born ends without a trace."""
        super().close()
        self._give_up("the birth was closed")

    def remove(self) -> None:
        """End the birth, and remove the container if it is born. Twice is fine."""
        self.pause()
        self._give_up("the birth was ended")
        if self.container is not None:
            self.container.remove()

    @contextmanager
    def _or_none(self) -> Iterator[None]:
        """Whoever interrupts the cell in which a container is being born wants no container."""
        try:
            yield
        except KeyboardInterrupt:
            self.pause()
            self._give_up("the birth was interrupted")
            raise

    def _go_on(self) -> Step | None:
        """Let the container make one request, and look at what has become of it."""
        if self._front.monitor.fileno() < 0:
            return None
        try:
            self._front.monitor.send("go")
            message = self._front.until("pause", "started")
            pending = None
            if message["kind"] == "started":
                self.container = Container(self._lab, self.id, self._front)
            else:
                pending = Event(*message["event"])
            return Step(self._front.trace[-1], self._scene.look(PARTS), pending)
        except KernelboxError:
            if self.container is None:
                self._front.close()
            raise

    def _give_up(self, why: str) -> None:
        """End a birth that is not over: its monitor removes everything it has made so far."""
        with self._at_work:  # a request that is being made is waited for
            if self.container is None and self._front.monitor.fileno() >= 0:
                self._front.close()
                self._end(f"{why}: what there was of the container is removed")

"""A container's birth in a notebook: the real one, going on by one request at a time.

The monitor, and through it the container's init, waits before each request to the kernel. Between
two requests the agent looks at what there is of the container by then.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kernelbox.container.conversation.messages import Pending
from kernelbox.container.conversation.monitor_messages import Started
from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab.conversation import LabError
from kernelbox.lab.started import Container
from kernelbox.widgets.layer_stack import LayerStack
from kernelbox.widgets.mount_tree import MountTree
from kernelbox.widgets.network_map import NetworkMap
from kernelbox.widgets.process_tree import ProcessTree
from kernelbox.widgets.stepper import Step, Stepper

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kernelbox.kernel.door import Event
    from kernelbox.lab.agent_link import AgentLink
    from kernelbox.lab.live import Scene
    from kernelbox.lab.started import NotebookFront
    from kernelbox.observe.model import Snapshot

PARTS = frozenset({"processes", "mounts", "layers", "network"})


def begin(
    agent: AgentLink,
    container_id: str,
    front: NotebookFront,
    scene: Scene,
    name: str,
    letters: Mapping[str, str],
) -> Birth:
    """Return the birth of a container whose monitor waits before its first request.

    Args:
        agent: Whose container it becomes.
        container_id: Of the container.
        front: The conversation with its monitor.
        scene: The container, as the agent sees it.
        name: What is being born, for the title.
        letters: Of the containers there are, and of this one.

    Raises:
        LabError: The container cannot be made; nothing of it is left.
    """
    try:
        first = front.until(Pending).event, scene.look(PARTS)
        return Birth(agent, container_id, front, scene, first, name, letters)
    except BaseException:
        front.close()
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
        agent: AgentLink,
        container_id: str,
        front: NotebookFront,
        scene: Scene,
        first: tuple[Event, Snapshot],
        name: str,
        letters: Mapping[str, str],
    ) -> None:
        self.id = container_id
        self.container: Container | None = None
        self._agent = agent
        self._front = front
        self._scene = scene
        pending, world = first
        super().__init__(
            world,
            self._go_on,
            pending=pending,
            panels=(
                ProcessTree(letters=letters),
                MountTree(),
                LayerStack(container=self.id),
                NetworkMap(letters=letters),
            ),
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
            self._front.go()
            message = self._front.until(Pending, Started)
            pending = message.event if isinstance(message, Pending) else None
            if pending is None:
                self.container = Container(self._agent, self.id, self._front)
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

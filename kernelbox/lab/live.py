"""Live views of what the lab has made: who runs, what is mounted, what is connected and used.

The agent looks, since only it may; the views draw. Views that show the same containers look
together: however many they are, the agent is asked once for all of them. A view that nobody sees
does not look, and every view ends with the lab.
"""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kernelbox.lab.conversation import LabError
from kernelbox.lab.groups import Group
from kernelbox.lab.started import Container
from kernelbox.observe.updates import Listener
from kernelbox.plumbing.channel import disclose
from kernelbox.widgets.palette import letter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from kernelbox.lab.agent_link import AgentLink
    from kernelbox.observe.model import Snapshot
    from kernelbox.widgets import (
        CapabilityTable,
        LayerStack,
        MountTree,
        NetworkMap,
        ProcessTree,
        ResourceGraph,
    )
    from kernelbox.widgets.base import View

    Ask = Callable[..., dict[str, Any]]
    Kind = TypeVar("Kind", bound=View)

_numbers = itertools.count(1)
_RECENT = 1.0  # seconds that a view may be late, while it looks by itself: see `observe.snapshot`
_MEMORY = 2.0  # seconds after which a view that has not looked is taken to look no more


class Scene:
    """Some containers (or all, and whatever else is kernelbox's), as several views see them.

    Args:
        ask: Asks the agent for a snapshot; from any thread.
        containers: Their ids; None for everything.
    """

    def __init__(self, ask: Ask, containers: tuple[str, ...] | None) -> None:
        self._ask = ask
        self._containers = containers
        self._number = next(_numbers)
        self._listener = Listener()
        self._turn = threading.Lock()
        self._eyes: dict[Eye, float] = {}  # and when each has looked last
        self._last: Snapshot | None = None
        self._parts: frozenset[str] = frozenset()
        self._at = 0.0

    def look(self, parts: frozenset[str]) -> Snapshot:
        """Return a new snapshot with these parts.

        Raises:
            LabError: The agent is gone, or cannot look.
        """
        with self._turn:
            return self._look(parts)

    def see(self, eye: Eye) -> Snapshot:
        """Return a new snapshot, or one that another eye has just been shown, but this one not.

        What a cell asks for is new in any case: it follows on what the cells before have done.
        """
        with self._turn:
            now = time.monotonic()
            self._eyes[eye] = now
            last = self._last
            shared = last is not eye.seen and now - self._at <= eye.interval
            in_cell = threading.current_thread() is threading.main_thread()
            if last is None or in_cell or not shared or not eye.parts <= self._parts:
                self._eyes = {one: at for one, at in self._eyes.items() if now - at <= _MEMORY}
                wanted = frozenset().union(*(one.parts for one in self._eyes))
                last = self._look(wanted, 0.0 if in_cell else _RECENT)
            eye.seen = last
            return last

    def _look(self, parts: frozenset[str], recent: float = 0.0) -> Snapshot:
        at = time.monotonic()
        answer = self._ask(
            scene=self._number,
            known=self._listener.number,
            containers=self._containers,
            parts=sorted(parts - {"merged"}),
            recent=recent,
            merged=self._containers[0] if self._containers and "merged" in parts else "",
        )
        self._last = self._listener.hear(disclose(answer["fds"][0]))
        self._parts, self._at = parts, at
        return self._last


class Eye:
    """One view's way of looking at a scene.

    Args:
        scene: What it looks at.
        parts: Of a snapshot that it wants; `merged` is what a single container sees of its layers.
        interval: How old a snapshot may be that somebody else has asked for, seconds.
    """

    def __init__(self, scene: Scene, parts: frozenset[str], interval: float) -> None:
        self.parts = parts
        self.interval = interval
        self.seen: Snapshot | None = None
        self._scene = scene

    def __call__(self) -> Snapshot:
        """Look."""
        return self._scene.see(self)


class LiveViews:
    """What a lab shows of itself. The arguments of each view are those of its class.

    A view looks again and again, five times a second, as long as it is open on some page.
    """

    def __init__(self, agent: AgentLink) -> None:
        self._agent = agent
        self._scenes: dict[tuple[str, ...] | None, Scene] = {}
        self._views: list[View] = []
        self._letters: dict[str, str] = {}  # of each container, the same in every view

    def snapshot(self, *parts: str) -> Snapshot:
        """Return what there is now, as the views see it: `snapshot("network")`.

        Args:
            *parts: Of `kernelbox.observe.PARTS`.

        Raises:
            LabError: The lab is closed.
        """
        scene = self._scenes.setdefault(None, Scene(self._agent.snapshot, None))
        return scene.look(frozenset(parts))

    def processes(self, *containers: Container | str, **options: Any) -> ProcessTree:
        """Show who runs, as whose child, and who shares which namespace with whom.

        Args:
            *containers: Each a container, its name or its id: nothing but these, and who looks
                after them. Without any: all, and everything that is held.
            **options: Of `kernelbox.widgets.ProcessTree`.

        Raises:
            LabError: There is no such container, or the lab is closed.
        """
        from kernelbox.widgets import ProcessTree

        return self._view(ProcessTree, self._scope(containers), options)

    def capabilities(self, *containers: Container | str, **options: Any) -> CapabilityTable:
        """Show who may do what: effective capabilities, and the user namespace they count in.

        Arguments and errors are as for `processes`, options those of
        `kernelbox.widgets.CapabilityTable`.
        """
        from kernelbox.widgets import CapabilityTable

        return self._view(CapabilityTable, self._scope(containers), options)

    def mounts(self, *containers: Container | str, **options: Any) -> MountTree:
        """Show the mounts of a container; of two of them, the difference.

        Arguments and errors are as for `processes`, options those of `kernelbox.widgets.MountTree`.
        """
        from kernelbox.widgets import MountTree

        scope = self._scope(containers)
        if scope is not None and len(scope) == 2:
            pid, other = (
                self._agent.call("inspect", container=one)["State"]["Pid"] for one in scope
            )
            options = {"pid": pid, "other": other, **options}
        return self._view(MountTree, scope, options)

    def layers(self, container: Container | str, **options: Any) -> LayerStack:
        """Show a container's layers, what it has written on top, and what it sees of all that.

        Arguments and errors are as for `processes`, options those of
        `kernelbox.widgets.LayerStack`.
        """
        from kernelbox.widgets import LayerStack

        scope = self._scope((container,))
        return self._view(LayerStack, scope, options, {"layers", "merged"})

    def network(self, names: Mapping[str, Any] | None = None, **options: Any) -> NetworkMap:
        """Show the network namespaces, the cables between them, and who reaches whom.

        Args:
            names: Held processes or containers by name: their namespaces alone are shown, called
                like this.
            **options: Of `kernelbox.widgets.NetworkMap`, such as `journey`.

        Raises:
            LabError: As for `processes`.
        """
        from kernelbox.widgets import NetworkMap

        inodes = {
            self._agent.call("namespaces", pid=one.pid)["net"]: name
            for name, one in (names or {}).items()
        }
        return self._view(NetworkMap, self._scope(()), {"names": inodes, **options})

    def resources(self, *containers: Container | Group | str, **options: Any) -> ResourceGraph:
        """Show what containers use, against what they may use, over time.

        A control group of the notebook's own can be shown as well. Other arguments and errors are
        as for `processes`, options those of `kernelbox.widgets.ResourceGraph`.
        """
        from kernelbox.widgets import ResourceGraph

        scope = self._scope(containers)
        names = {one["Id"]: one["Name"] for one in self._agent.call("containers", every=True)}
        names |= {one.found.name: one.name for one in containers if isinstance(one, Group)}
        return self._view(ResourceGraph, scope, {"names": names, **options})

    def _scope(self, containers: tuple[Container | Group | str, ...]) -> tuple[str, ...] | None:
        """Return the ids of containers; None without any, which means everything."""
        return tuple(map(self._id, containers)) or None

    def _id(self, shown: Container | Group | str) -> str:
        if isinstance(shown, Group):
            return shown.found.name
        if isinstance(shown, Container):
            return shown.id
        return str(self._agent.call("inspect", container=shown)["Id"])

    def _view(
        self,
        kind: type[Kind],
        scope: tuple[str, ...] | None,
        options: dict[str, Any],
        parts: set[str] | None = None,
    ) -> Kind:
        self._views = [one for one in self._views if one.comm is not None]
        scene = self._scenes.setdefault(scope, Scene(self._agent.snapshot, scope))
        eye = Eye(scene, frozenset(parts or kind.parts), options.get("interval", 0.2))
        eye()  # here, so that a lab which is closed is an error, and no view of nothing
        view = kind(eye, **{"letters": self._named(), **options})
        self._views.append(view)
        return view

    def _named(self, *newborn: str) -> dict[str, str]:
        """Give each container a letter that has none yet: those there are, and these."""
        there = [str(one["Id"]) for one in self._agent.call("containers", every=True)]
        for container in (*reversed(there), *newborn):
            self._letters.setdefault(container, letter(len(self._letters)))
        return self._letters

    def _end_views(self) -> None:
        for view in self._views:
            view.stop()

    def _tell_views(self) -> None:
        """Let each view say that there is nothing to look at any more."""
        while self._views:
            with suppress(LabError):
                self._views.pop().refresh()

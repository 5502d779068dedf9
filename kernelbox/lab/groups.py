"""The notebook's end of a control group: v2's files by name, who is in it, freeze, kill."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kernelbox import cgroup
from kernelbox.kernel.door import Event
from kernelbox.lab.conversation import LabError
from kernelbox.lab.traces import Trace

if TYPE_CHECKING:
    from typing import Protocol

    from kernelbox.cgroup import Cgroup
    from kernelbox.cgroup.stats import Stats
    from kernelbox.lab.agent_link import AgentLink

    class Process(Protocol):
        """Whatever has a pid: a held process, a load, a container."""

        pid: int


class Group:
    """A control group of the notebook's own; it goes with `remove()`, or with the lab.

    It speaks cgroup v2. On a host that has v1 what is asked is translated, and the trace that every
    change returns shows the files that were really written.

    Attributes:
        name: Its path within the lab, such as `web` or `web/worker`.
        path: Its path below the root of its hierarchy.
        found: The group itself, for whoever reads it often: without asking the agent.
    """

    def __init__(self, agent: AgentLink, name: str) -> None:
        """Make the group. One of this name that is there already goes first, with all in it.

        Raises:
            LabError: Part of the name cannot name a group; what it lies in is missing.
        """
        self.name = name
        self._agent = agent
        self.remove()
        made = self._ask("create")["value"]
        self.path = f"/kernelbox/{made}"
        self.found = _found(made)
        agent.owned.append(self)

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.remove()

    def cgroup(self, name: str) -> Group:
        """Make a group in this one.

        It has the controllers that this one has passed down: see `pass_down`.
        """
        return Group(self._agent, f"{self.name}/{name}")

    # --- files ----------------------------------------------------------------------------------

    def write(self, file: str, value: str | int) -> Trace:
        """Write to a file of cgroup v2's: `write("cpu.max", "50000 100000")`.

        Raises:
            LabError: This host has no such file or controller, or the value is none that it takes.

        Source: cgroup-v2.rst, "Controllers".
        """
        return self._do("set", file=file, value=value)

    def read(self, file: str) -> str:
        """Return what a file of cgroup v2's says, without the last newline.

        Raises:
            LabError: This host has no such file or controller.
        """
        return str(self._ask("get", file=file)["value"])

    def numbers(self, file: str) -> dict[str, int]:
        """Return the lines `name number` of a file: `numbers("cpu.stat")["nr_throttled"]`."""
        lines = (line.split() for line in self.read(file).splitlines())
        return {name: int(number) for name, number in lines}

    def why_not(self, file: str) -> str:
        """Return in one line why cgroup v2's `file` cannot be written here; empty if it can."""
        return self.found.why_not(file)

    def directory(self, controller: str) -> str:
        """Return the real directory in which this host has the files of a controller.

        Raises:
            LabError: This host has no such controller.
        """
        there = self.found.host.mounts
        for name in (controller, {"io": "blkio"}.get(controller, "")):
            if name in there:
                return f"{there[name]}{self.path}"
        raise LabError(f"this host has no {controller} controller", "See: /proc/cgroups")

    @property
    def stats(self) -> Stats:
        """What it has used, as numbers; None for what this host does not count."""
        return self.found.stats()

    @property
    def events(self) -> dict[str, int]:
        """Whether it is `populated`, and `frozen`. Source: cgroup-v2.rst, cgroup.events."""
        return self.numbers("cgroup.events")

    # --- controllers ----------------------------------------------------------------------------

    @property
    def controllers(self) -> list[str]:
        """The controllers that it can use. Source: cgroup-v2.rst, cgroup.controllers."""
        return self.read("cgroup.controllers").split()

    def pass_down(self, *controllers: str) -> Trace:
        """Let groups in this one use these controllers; in v1, where all can, nothing is written.

        Raises:
            LabError: It has none of that name itself; EBUSY: there are processes in it.

        Source: cgroup-v2.rst, cgroup.subtree_control, "No Internal Process Constraint".
        """
        return self._do("pass_down", controllers=list(controllers))

    # --- processes ------------------------------------------------------------------------------

    def add(self, process: Process | int) -> Trace:
        """Move a process, with all its threads, into the group.

        Raises:
            LabError: It is none that the lab or a container has; it has ended.

        Source: cgroups(7), cgroup.procs.
        """
        return self._do("add", pid=process if isinstance(process, int) else process.pid)

    @property
    def processes(self) -> list[int]:
        """The pids in it and in the groups below."""
        return list(self._ask("processes")["value"])

    def freeze(self) -> Trace:
        """Stop every process in it, and wait until they stand still.

        Source: cgroup-v2.rst, cgroup.freeze.
        """
        return self._do("freeze")

    def thaw(self) -> Trace:
        """Let them run again."""
        return self._do("thaw")

    def kill(self) -> Trace:
        """End every process in it with SIGKILL, frozen or not, and wait until they are gone.

        Source: cgroup-v2.rst, cgroup.kill.
        """
        return self._do("kill")

    def remove(self) -> None:
        """Remove it and all below, with the processes in there. Twice is fine."""
        with suppress(ValueError):
            self._agent.owned.remove(self)
        self._ask("remove")

    def __repr__(self) -> str:
        return f"<the control group {self.name}>"

    def _do(self, request: str, **arguments: Any) -> Trace:
        return Trace(Event(*event) for event in self._ask(request, **arguments)["events"])

    def _ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._agent.call(
            "group", path=self.name, request=request, arguments=arguments
        )
        return found


def _found(path: str) -> Cgroup:
    """Return a group by its path below /kernelbox, to be read."""
    first, *rest = path.split("/")
    group = cgroup.of(first)
    for name in rest:
        group = group.below(name)
    return group

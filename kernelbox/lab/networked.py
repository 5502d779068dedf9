"""The notebook's end of networks: made, joined and left; the machine next door; who reaches whom.

    web = box.make_network("web")
    app = box.start("busybox", "sleep 1000", name="app", network="web")
    box.reach(app)

The same is `kernelbox network create web` and so on in a terminal, but what a notebook makes goes
with it.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.door import Event
from kernelbox.lab.conversation import LabError
from kernelbox.lab.held import Held
from kernelbox.lab.live import Scene
from kernelbox.lab.traces import Trace
from kernelbox.widgets.still import Cell, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kernelbox.lab.agent_link import AgentLink
    from kernelbox.lab.started import Container


class Network:
    """A network of the notebook's own, until `remove()`, or until the end of the lab.

    Attributes:
        name: As in `box.start(..., network="web")`.
        bridge: Its link on the host.
        table: Its nft table.
        subnet: Its addresses: `10.170.0.0/24`.
        gateway: The bridge's own address, at which its name server answers.
        trace: What the kernel was asked to make it.
    """

    def __init__(self, agent: AgentLink, name: str, wish: dict[str, Any]) -> None:
        made = agent.call("make_network", network=name, wish=wish)
        self.name = name
        self.bridge, self.table, self.subnet, self.gateway = (
            str(made["network"][one]) for one in ("bridge", "table", "subnet", "gateway")
        )
        self.trace = _trace(made["events"])
        self._agent = agent
        agent.owned.append(self)

    def connect(self, container: Container | str, *aliases: str, ip: str = "") -> Trace:
        """Connect a running container as well; return what the kernel was asked for it.

        Args:
            container: It, its name or its id.
            *aliases: What it is called here, besides its name and its id.
            ip: The address that it wants here; empty for the next.

        Raises:
            LabError: It is on this network already, or does not run; the address is taken.
        """
        return self._do("connect", container, aliases=list(aliases), ip=ip)

    def disconnect(self, container: Container | str) -> Trace:
        """Disconnect a container; return what the kernel was asked for it.

        Raises:
            LabError: It is not on this network, or does not run.
        """
        return self._do("disconnect", container)

    def remove(self) -> None:
        """Remove it, with the containers that came with it; who joined later leaves.

        Twice is fine.

        Raises:
            LabError: Somebody is on it who does not go.
        """
        with suppress(ValueError):
            self._agent.owned.remove(self)
        self._agent.call("remove_network", network=self.name)

    def __repr__(self) -> str:
        return f"<the network {self.name}>"

    def _do(self, what: str, container: Container | str, **more: Any) -> Trace:
        given = container if isinstance(container, str) else container.id
        return _trace(
            self._agent.call(f"{what}_network", network=self.name, container=given, **more)
        )


class NextDoor(Held):
    """Another machine, at the other end of a cable to this one; a held process lives in it.

    Attributes:
        address: Its own.
        host: That of this machine, at this end of the cable; its default route leads here.
    """

    address: str
    host: str


class Reach:
    """Who reaches whom by a ping, as the routes and rules say, and what stops the others.

    Args:
        ways: By `one -> other`, whether a ping arrives, and by which way; or what stops it.
    """

    def __init__(self, ways: Mapping[str, tuple[bool, str]]) -> None:
        self._ways = {tuple(way.split(" -> ")): found for way, found in ways.items()}
        self._names = list(dict.fromkeys(one for one, _ in self._ways))

    def __call__(self, one: str, other: str) -> bool:
        """Whether a ping from one arrives at the other, and its answer at the one.

        Raises:
            LabError: The grid has no such way.
        """
        return self._found(one, other)[0]

    def why(self, one: str, other: str) -> str:
        """Return the way of a ping from one to the other; or what stops it, a rule by its words.

        Raises:
            LabError: The grid has no such way.
        """
        return self._found(one, other)[1]

    def _found(self, one: str, other: str) -> tuple[bool, str]:
        if (one, other) not in self._ways:
            raise LabError(f"no way from {one!r} to {other!r}", f"Of: {', '.join(self._names)}")
        return self._ways[one, other]

    def __repr__(self) -> str:
        """Return the grid: `yes` where a ping from the row arrives in the column."""
        width = max([len("from \\ to"), *map(len, self._names)])
        rows = [["from \\ to", *self._names]]
        rows += [[one, *(self._word(one, other) for other in self._names)] for one in self._names]
        return "\n".join("  ".join(f"{word:{width}}" for word in row).rstrip() for row in rows)

    def _word(self, one: str, other: str) -> str:
        if (one, other) not in self._ways:
            return "-"
        return "yes" if self._ways[one, other][0] else "no"

    def _repr_html_(self) -> str:
        grid = [
            [Cell(one), *(Cell(self._word(one, other)) for other in self._names)]
            for one in self._names
        ]
        whys = [
            [Cell(f"{one} → {other}"), Cell(why, varies=True)]
            for (one, other), (arrives, why) in self._ways.items()
            if not arrives
        ]
        found = table("Who reaches whom", ("from \\ to", *self._names), grid)
        return found + (table("What stops the others", ("from → to", "why"), whys) if whys else "")


class Networking:
    """What a lab makes for chapters on networks.

    Attributes:
        bridges: The links of all networks it has made.
    """

    _agent: AgentLink
    bridges: set[str]

    def make_network(
        self,
        name: str,
        *,
        subnet: str = "",
        gateway: str = "",
        internal: bool = False,
        options: tuple[str, ...] = (),
    ) -> Network:
        """Make a network; one of this name that the notebook has made before goes first.

        Args:
            name: As `kernelbox network create` takes it.
            subnet: As `10.170.0.0/24`; empty to have one chosen.
            gateway: The bridge's own address; empty for the first of the subnet.
            internal: Whether nothing gets in or out.
            options: `mtu=1400`, `icc=false`.

        Raises:
            LabError: The name is taken, or cannot be one; the subnet is in use.
        """
        wish = {"subnet": subnet, "gateway": gateway, "internal": internal}
        made = Network(self._agent, name, {**wish, "options": list(options)})
        self.bridges.add(made.bridge)
        return made

    def next_door(self) -> NextDoor:
        """Return another machine: a held process in a network of its own, on a cable to this host.

        Raises:
            LabError: No subnet is free for the cable.
        """
        channel, pidfd = self._agent.ask("hold")["fds"]
        found = NextDoor(self._agent, socket.socket(fileno=channel), pidfd)
        self._agent.owned.append(found)
        found.unshare("net")
        ends = self._agent.call("move_next_door", pid=found.pid)
        found.address, found.host = str(ends["address"]), str(ends["host"])
        return found

    def reach(self, *containers: Container | str) -> Reach:
        """Look who reaches whom, and why not: the host, and these containers.

        Args:
            *containers: Each a container, its name or its id; without any, all, and held processes
                with a network of their own.

        Raises:
            LabError: There is no such container, or the lab is closed.
        """
        wanted = tuple(
            str(self._agent.call("inspect", container=one)["Id"])
            if isinstance(one, str)
            else one.id
            for one in containers
        )
        scene = Scene(self._agent.snapshot, wanted or None)
        ways = scene.look(frozenset({"network"})).network.reach
        next_door = [one for one in self._agent.owned if isinstance(one, NextDoor)]
        for number, one in enumerate(next_door, 1):
            called = "next door" if number == 1 else f"next door {number}"
            pattern = re.compile(rf"\bheld {one.pid}\b")
            ways = {
                pattern.sub(called, way): (arrives, pattern.sub(called, why))
                for way, (arrives, why) in ways.items()
            }
        return Reach(ways)


def _trace(events: list[list[Any]]) -> Trace:
    return Trace(Event(*event) for event in events)

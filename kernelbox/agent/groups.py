"""Control groups that a student makes by hand: each agent's in one group of its own.

    /kernelbox/lab-ROOT/AGENT/...

The group of the root is made when first needed, written into the host's ledger before, and removed
by `kernelbox reset`. That of the agent goes with the agent; where the agent was killed, the next
one takes it away. It has an end to its forks like the one for held processes: who is moved here
leaves that one.

Source: cgroup-v2.rst, "Organizing Processes and Threads", "Controlling Controllers".
"""

from __future__ import annotations

import os
from contextlib import suppress

from kernelbox import cgroup
from kernelbox.agent import whose
from kernelbox.agent.fork_limit import MOST
from kernelbox.cgroup.hierarchy import WANTED
from kernelbox.container import state
from kernelbox.container.ledger import Ledger
from kernelbox.kernel import door, process
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kernelbox.cgroup import Cgroup


def top() -> str:
    """Return the name of the group that all labs of this root have theirs in."""
    return f"lab-{paths.suffix()}"


def find(path: str) -> Cgroup:
    """Return a group of this agent's by its path, such as `web` or `web/worker`; makes nothing.

    Raises:
        UsageError: A part of the path cannot name a control group.
    """
    group = own(os.getpid())
    for name in path.split("/"):
        group = group.below(name)
    return group


def ask(path: str, request: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Do what a notebook asks of one of its groups: one of REQUESTS.

    Returns:
        `value`, and in `events` what the kernel was asked for it.

    Raises:
        KernelError: The kernel refuses.
        UsageError: There is no such request, or it would change what is the host's.
    """
    if request not in REQUESTS:
        raise UsageError(f"a group knows no request {request!r}", f"It knows {', '.join(REQUESTS)}")
    group = find(path)
    events: list[door.Event] = []
    before, door.sink = door.sink, events.append
    try:
        value = REQUESTS[request](group, **arguments)
    finally:
        door.sink = before
    return {"value": value, "events": events}


def end() -> None:
    """Remove this agent's groups, with every process in them."""
    with suppress(KernelboxError, OSError):  # no control groups: then there are none of these
        _end(own(os.getpid()))


def sweep() -> None:
    """Remove the groups of agents that were killed."""
    with suppress(KernelboxError, OSError):
        above = cgroup.of(top())
        names = {name for directory in above.directories for name in _names_in(directory)}
        for name in names:
            if not is_alive(name):
                _end(above.below(name))


def own(agent: int) -> Cgroup:
    """Return the group that all groups of an agent lie in; makes nothing.

    Args:
        agent: Its process id.

    Raises:
        KernelboxError: The host has no control groups.
        OSError: ENOENT, ESRCH: there is no such process.
    """
    return cgroup.of(top()).below(f"{agent}-{process.start_time(agent)}")


def is_alive(name: str) -> bool:
    """Whether an agent is there, by its process id and start time: `PID-TIME`."""
    pid, _, started = name.partition("-")
    try:
        return process.start_time(int(pid)) == int(started)
    except (OSError, ValueError):
        return False


def _names_in(directory: str) -> list[str]:
    if not os.path.isdir(directory):
        return []
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def _end(group: Cgroup) -> None:
    if group.exists():
        group.thaw_all()
        group.kill()
        group.remove()


def _create(group: Cgroup) -> str:
    """Make a group, and what it lies in; return its path below /kernelbox."""
    ours = own(os.getpid())
    if not ours.exists():
        with state.housekeeping():
            _make_top()
            ours.create_below()
        ours.pass_down([name for name in ours.controllers if name in WANTED])
        ours.limit_pids(MOST)
    group.create_below()
    return group.name


def _make_top() -> None:
    above = cgroup.of(top())
    if above.exists():
        return
    ledger = Ledger(paths.host())
    for parent in cgroup.parents():
        if not os.path.isdir(parent):
            ledger.record("cgroup-parent", parent)
    ledger.record("cgroup", above.name)
    above.create()
    above.pass_down([name for name in above.controllers if name in WANTED])


def _add(group: Cgroup, pid: int) -> None:
    if os.path.exists(f"/proc/{pid}") and not whose.is_the_labs(pid, {os.getpid()}):
        raise UsageError(
            f"process {pid} is the host's, and stays in its group",
            "Move what the lab has made: a held process, a load, a container's process",
        )
    group.add(pid)  # the kernel says that there is none


REQUESTS: dict[str, Callable[..., Any]] = {
    "create": _create,
    "set": lambda group, file, value: group.set(file, value),
    "get": lambda group, file: group.read(file),
    "add": _add,
    "pass_down": lambda group, controllers: group.pass_down(controllers),
    "processes": lambda group: group.processes(),
    "freeze": lambda group: group.freeze(),
    "thaw": lambda group: group.thaw(),
    "kill": lambda group: group.kill(),
    "remove": _end,
}

"""What an agent does in its own process when it is asked by name: a value for an answer.

Each takes plain data and returns plain data. What is forked instead, containers and held processes,
is in agent.py.
"""

from __future__ import annotations

from kernelbox import namespaces
from kernelbox.agent import disks, groups, networks, next_door
from kernelbox.container import inspection, names, state
from kernelbox.container.lifecycle import cleanup, stopping
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _containers(every: bool) -> list[dict[str, Any]]:
    damaged: list[state.Damaged] = []  # a list of the others is of use without
    return [inspection.told(*one) for one in inspection.containers(damaged.append, every=every)]


def _namespaces(pid: int | str) -> dict[str, int]:
    try:
        return namespaces.of(pid)
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise UsageError(f"there is no process {pid}", "See: ps -e") from gone
    except PermissionError as refusal:
        raise UsageError(
            f"process {pid} does not show its namespaces", "It has privileges that we have not"
        ) from refusal


def _inspect(container: str) -> dict[str, Any]:
    container_id = names.find(container)
    return inspection.of(container_id)


def _stop(container: str, seconds: float) -> None:
    stopping.stop(names.find(container), seconds)


def _remove(container: str, force: bool) -> None:
    stopping.remove(names.find(container), force=force)


CALLS: dict[str, Callable[..., Any]] = {
    "containers": _containers,
    "inspect": _inspect,
    "namespaces": _namespaces,
    "group": groups.ask,
    "make_disk": disks.make,
    "add_partition": disks.partition,
    "remove_disk": disks.remove,
    **networks.REQUESTS,
    "move_next_door": next_door.move_in,
    "stop": _stop,
    "remove": _remove,
    "sweep": cleanup.sweep,
    "reset": cleanup.reset,
}

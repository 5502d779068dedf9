"""A snapshot: every reader asked once, one after the other, about the same containers."""

from __future__ import annotations

import os
import time

from kernelbox.container import state
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.observe import mountinfo, network, overlays, processes, usage
from kernelbox.observe.model import Network, Snapshot
from kernelbox.observe.procfs import Kept
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

PARTS = ("processes", "mounts", "layers", "network", "usage")


def snapshot(
    containers: Collection[str] | None = None,
    parts: Collection[str] = PARTS,
    merged: str = "",
    recent: float = 0.0,
) -> Snapshot:
    """Look at the kernel. The caller should be privileged, and had best have a single thread.

    It takes some tens of milliseconds, in which processes live on: a snapshot is not the state at
    one instant. Whatever vanishes in the meantime is left out.

    Args:
        containers: Ids of those to look at, with nothing else but their monitors, ancestors and
            the host's network. None for all containers, and whatever else is kernelbox's. The path
            of a control group below /kernelbox is one, too: of that only the usage is told.
        parts: Which of PARTS to look at; the others are empty.
        merged: Id of the container whose layers are told with what it sees of them; that is much.
        recent: For how many seconds what costs much to read is taken to be as it was, as long as
            nobody is seen who could have changed it: for who looks again and again.

    Raises:
        UsageError: There is no such part.
        KernelError: EPERM without the privilege to enter network namespaces.
        KernelboxError: There is no privilege to look at all.

    Source: proc(5); cgroups(7); network_namespaces(7).
    """
    for part in parts:
        if part not in PARTS:
            raise UsageError(f"a snapshot has no part {part!r}", f"There are: {', '.join(PARTS)}")
    try:
        return _look(containers, parts, merged, recent)
    except PermissionError as refusal:
        raise KernelboxError(
            f"a snapshot may not look at {refusal.filename}", "Run it as root (sudo)"
        ) from refusal


def _look(
    containers: Collection[str] | None, parts: Collection[str], merged: str, recent: float
) -> Snapshot:
    now = time.time()
    Kept.stay = recent > 0
    configs = _configs(containers)
    found = processes.look(containers) if {"processes", "mounts", "network"} & set(parts) else ()
    return Snapshot(
        time=now,
        processes=found if "processes" in parts else (),
        mounts=mountinfo.look(found, recent) if "mounts" in parts else {},
        layers=overlays.look(configs, merged) if "layers" in parts else (),
        network=network.look(found, configs) if "network" in parts else Network(),
        usage=usage.look([*configs, *_groups(containers)]) if "usage" in parts else (),
    )


def _groups(containers: Collection[str] | None) -> list[str]:
    """Return what is asked for and is no container, but a control group by its path."""
    return [one for one in containers or () if "/" in one]


def _configs(containers: Collection[str] | None) -> dict[str, dict[str, Any]]:
    """Return the config of each container, in the order of making; a damaged one is no config."""
    found = {}
    for container in state.every() if containers is None else containers:
        config = _config(container)
        if config:
            found[container] = config
    for container in _known.keys() - found.keys():
        if containers is None:
            del _known[container]
    return dict(sorted(found.items(), key=lambda one: (one[1].get("created", 0), one[0])))


# A config is written once, under another name first: a file that is the same says the same.
_known: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}


def _config(container: str) -> dict[str, Any]:
    """Return a container's config; empty if it has none, or it is damaged."""
    try:
        status = os.stat(f"{paths.container(container)}/config.json")
        key = (status.st_ino, status.st_mtime_ns)
        if container not in _known or _known[container][0] != key:
            _known[container] = key, state.extra(container)
        return _known[container][1]
    except (FileNotFoundError, KernelboxError):
        return {}

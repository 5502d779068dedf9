"""A container that does not run: made to be started later, and taken up to be started again.

Its directory is what goes from one life to the next: config, log, upperdir and volumes. All that
the kernel had of it was released at its end, and is made anew by the next start (runtime.py), which
finds a state of `starting` until its program runs.

Source: Docker, "docker container create" and "docker container start".
"""

from __future__ import annotations

import os
import time

from kernelbox.container import deletion, events, monitor_lock, state
from kernelbox.container.lifecycle import cleanup
from kernelbox.container.monitor_lock import Life
from kernelbox.container.options import network_options
from kernelbox.container.spec import to_json
from kernelbox.container.volumes import volumes
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.spec import Spec

_STEP = 0.005  # seconds between two looks at a monitor that is about to finish
_PATIENCE = 30.0  # seconds that another's start or end may take


def create(spec: Spec) -> None:
    """Make a container that does not run yet.

    Raises:
        UsageError: Its name is in use.
        OSError: ENOSPC, EROFS.
    """
    try:
        lock = monitor_lock.reserve(spec.id, spec.kernelbox.name, to_json(spec))
    except FileExistsError:
        raise  # the id is another container's: leave that alone
    except OSError:
        cleanup.remove(spec.id)
        raise
    state.write(spec.id, state.State(status="created"))
    os.close(lock)
    events.record("create", spec.id)


def take(container_id: str) -> Life | None:
    """Be the one who starts a container; None if it runs, or somebody else has just started it.

    Raises:
        UsageError: There is no such container any more; or there is no network that it could join.
        Damaged: What is stored of it cannot be read.
        KernelboxError: Whoever looks after it does not finish.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with state.housekeeping():
            if not os.path.isdir(paths.container(container_id)):
                raise UsageError(
                    f"container {container_id} has just been removed", "See: kernelbox ps -a"
                )
            before = state.read(container_id)
            lock = monitor_lock.take(container_id)
            if lock is not None and before.status in state.AT_REST:
                before = before._replace(restarts=0)
                return Life(_prepare(container_id, before), lock, before)
        if lock is not None:  # whoever looked after it has been killed
            os.close(lock)
            cleanup.sweep()
        elif before.is_alive:
            return None
        else:
            time.sleep(_STEP)  # another begins its life, or undoes what is left of the last one
    raise KernelboxError(
        f"the monitor of container {container_id} does not finish", "Clean up: kernelbox reset"
    )


def following(life: Life) -> Life:
    """Return the life that follows one by itself."""
    with state.housekeeping():
        ended = state.read(life.spec.id)
        before = ended._replace(status="exited", restarts=ended.restarts + 1)
        return Life(_prepare(life.spec.id, before), life.lock, before)


def _prepare(container_id: str, before: state.State) -> Spec:
    """Make a container ready for its next life; return what it shall be."""
    spec = _joining(state.spec(container_id))
    state.write(container_id, before._replace(status="starting"))
    # The kernel mounts no volatile overlay twice: it marks the work directory. What the last life
    # wrote is in the page cache, or on the disk, as long as the host has not gone down meanwhile.
    # Source: overlayfs.rst, "Volatile mount".
    deletion.delete_tree(f"{paths.container(container_id)}/work")
    for work in volumes.works(container_id):
        deletion.delete_tree(work)
    return spec


def _joining(spec: Spec) -> Spec:
    """Look up anew the network namespace that it shares with another container."""
    path = network_options.namespace_path(spec.kernelbox.network)
    if not path:
        return spec
    namespaces = tuple(
        one._replace(path=path) if one.type == "network" else one for one in spec.linux.namespaces
    )
    spec = spec._replace(linux=spec.linux._replace(namespaces=namespaces))
    state.write_config(spec.id, to_json(spec))
    return spec

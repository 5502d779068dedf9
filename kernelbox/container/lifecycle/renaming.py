"""Another name for a container: in its config, among the names, and where others find it by it."""

from __future__ import annotations

from kernelbox import network
from kernelbox.container import events, names, state
from kernelbox.container.ledger import Ledger
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import paths


def rename(container_id: str, name: str) -> None:
    """Give a container another name; networks that people made answer to it from now on.

    Raises:
        UsageError: It has that name, or another container has.
        OSError: ENOSPC, EROFS.

    Source: Docker, "docker rename".
    """
    with state.housekeeping():
        config = state.config(container_id)
        before = str(config["kernelbox"]["name"])
        if name == before:
            raise UsageError(f"container {container_id} is called {name} already", "Choose another")
        names.take(names.free(name), container_id)
        config["kernelbox"]["name"] = name
        state.write_config(container_id, config)
        names.forget(container_id, before)
        own = Ledger(paths.container(container_id))
        for on, end in network.of_container(container_id).items():
            called = [name if one == before.lower() else one for one in end.names]
            network.add(on, end._replace(names=called), own.record)
    events.record("rename", container_id, oldName=before)

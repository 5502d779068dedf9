"""An image of a container: its layers, and what it has changed as one more on top."""

from __future__ import annotations

import contextlib
import os

from kernelbox.container import state
from kernelbox.container.lifecycle import pause
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernelbox.images.changeset import Change
    from kernelbox.images.image import Image
    from kernelbox.images.store import Store


def diff(container_id: str) -> list[Change]:
    """Return what a container has changed of its image.

    Raises:
        UsageError: A layer of its image is missing.
        OSError: Its files cannot be read.
    """
    from kernelbox.images import changeset

    return changeset.changes(f"{paths.container(container_id)}/upper", _lowerdirs(container_id))


def commit(
    store: Store,
    container_id: str,
    name: str | None,
    *,
    author: str = "",
    message: str = "",
    changes: Sequence[str] = (),
    still: bool = True,
) -> Image:
    """Make an image of a container; only what it changed is read and stored.

    Args:
        store: Where to.
        container_id: Which.
        name: The image's; None for one without.
        author: Who made it.
        message: Why.
        changes: Instructions such as `CMD sh`.
        still: Whether its processes are frozen meanwhile.

    Raises:
        UsageError: Its image is gone; not a name; a change is none.
        KernelError: The file system refused: ENOSPC, EACCES.

    Source: Docker documentation, "docker container commit".
    """
    from kernelbox.images import assembly, changeset
    from kernelbox.images import metadata as instructions

    container = state.spec(container_id)
    shift = container.shift
    lower = _lowerdirs(container_id)
    with store.lock():
        _, image = store.find(container.kernelbox.image_id)
        config = image.config
        config["config"] = dict(config.get("config") or {})
        for text in changes:
            instructions.apply(config["config"], text)
        if author:
            config["author"] = author
        with pause.paused(container_id) if still else contextlib.nullcontext():
            entries = changeset.entries(f"{paths.container(container_id)}/upper", lower, shift)
            layer, diff_id = assembly.new_layer(store, entries)
        assembly.add_step(config, diff_id, " ".join(container.process.args), message)
        return assembly.new_image(store, name, config, [*image.manifest["layers"], layer])


def _lowerdirs(container_id: str) -> list[str]:
    found: list[str] = state.extra(container_id).get("lowerdirs", [])
    if not found or not all(map(os.path.isdir, found)):
        raise UsageError(
            f"the image of container {container_id} is not in the store", "Pull it again"
        )
    return found

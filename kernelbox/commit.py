"""An image of a container: its layers, and what it has changed as one more on top."""

from __future__ import annotations

import contextlib
import os

from kernelbox import cgroup, paths, spec, state, users
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kernelbox.images.image import Image
    from kernelbox.images.store import Store
    from kernelbox.images.upper import Change


def diff(container_id: str) -> list[Change]:
    """Return what a container has changed of its image.

    Raises:
        UsageError: A layer of its image is missing.
        OSError: Its files cannot be read.
    """
    from kernelbox.images import upper

    return upper.changes(f"{paths.container(container_id)}/upper", _lowerdirs(container_id))


def commit(
    store: Store,
    container_id: str,
    name: str | None,
    *,
    author: str = "",
    message: str = "",
    changes: Sequence[str] = (),
    pause: bool = True,
) -> Image:
    """Make an image of a container; only what it changed is read and stored.

    Args:
        store: Where to.
        container_id: Which.
        name: The image's; None for one without.
        author: Who made it.
        message: Why.
        changes: Instructions such as `CMD sh`.
        pause: Whether its processes stand still meanwhile.

    Raises:
        UsageError: Its image is gone; not a name; a change is none.
        KernelError: The file system refused: ENOSPC, EACCES.

    Source: Docker documentation, "docker container commit".
    """
    from kernelbox.images import changes as instructions
    from kernelbox.images import making, upper

    container = spec.from_json(state.config(container_id))
    shift = 0 if container.userns == "host" else users.HOST_ID
    lower = _lowerdirs(container_id)
    with store.lock():
        _, image = store.find(container.image_id)
        config = image.config
        config["config"] = dict(config.get("config") or {})
        for text in changes:
            instructions.apply(config["config"], text)
        if author:
            config["author"] = author
        with _paused(container_id) if pause else contextlib.nullcontext():
            entries = upper.entries(f"{paths.container(container_id)}/upper", lower, shift)
            layer, diff_id = making.new_layer(store, entries)
        making.add_step(config, diff_id, " ".join(container.process.args), message)
        return making.new_image(store, name, config, [*image.manifest["layers"], layer])


@contextlib.contextmanager
def _paused(container_id: str) -> Iterator[None]:
    """Let a container's processes stand still, where it runs and the kernel can do that."""
    frozen = False
    group = cgroup.of(container_id)
    with contextlib.suppress(KernelboxError):
        if state.read(container_id).status == "running":
            frozen = True
            group.freeze()
    try:
        yield
    finally:
        if frozen:
            with contextlib.suppress(KernelboxError):
                group.thaw()


def _lowerdirs(container_id: str) -> list[str]:
    found: list[str] = state.config(container_id).get("lowerdirs", [])
    if not found or not all(map(os.path.isdir, found)):
        raise UsageError(
            f"the image of container {container_id} is not in the store", "Pull it again"
        )
    return found

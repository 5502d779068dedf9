"""A new image of layers and a config: what `commit`, `import` and `build` have in common."""

from __future__ import annotations

import datetime
import os

from kernelbox.images import layers, layout, manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from kernelbox.images.image import Image
    from kernelbox.images.layers import Entry
    from kernelbox.images.layout import Descriptor
    from kernelbox.images.store import Store


def now() -> str:
    """Return the time that an image made now says, RFC 3339; $SOURCE_DATE_EPOCH if that is set.

    Source: reproducible-builds.org, "SOURCE_DATE_EPOCH Specification".
    """
    said = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(said) if said.isascii() and said.isdecimal() else None
    utc = datetime.UTC
    when = (
        datetime.datetime.now(utc)
        if seconds is None
        else datetime.datetime.fromtimestamp(seconds, utc)
    )
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def new_layer(store: Store, entries: Iterable[Entry]) -> tuple[Descriptor, str]:
    """Pack entries into a compressed layer; return its descriptor and its DiffID.

    The caller holds the store's lock.

    Raises:
        KernelError: The file system refused: ENOSPC, EACCES.
    """
    with store.layout.new_blob(layout.LAYER_GZIP) as blob:
        diff_id = layers.pack(entries, blob, compress=True)
    return blob.descriptor, diff_id


def new_image(
    store: Store,
    name: str | None,
    config: dict[str, Any],
    stack: list[Descriptor],
) -> Image:
    """Store a config and a manifest over layers that are there, and unpack what is new.

    The caller holds the store's lock.

    Args:
        store: Where.
        name: The image's; None for one without.
        config: The whole document, with as many DiffIDs as there are layers.
        stack: The layers, the bottom one first.

    Raises:
        UsageError: Not a name; a layer is not what the config says.
        KernelError: The file system refused: ENOSPC, EACCES.
    """
    described = store.layout.write_blob(layout.CONFIG, layout.encode(config))
    manifest = layout.encode(layout.manifest(described, stack))
    return store.add(name, store.layout.write_blob(layout.MANIFEST, manifest))


def empty_config() -> dict[str, Any]:
    """Return the config of an image for this host without any layer."""
    _, architecture, *variant = manifests.host_platform().split("/")
    return {
        "created": now(),
        "architecture": architecture,
        **({"variant": variant[0]} if variant else {}),
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [],
    }


def add_step(config: dict[str, Any], diff_id: str, created_by: str, comment: str = "") -> None:
    """Write one more layer into a config: its DiffID, and how it came to be."""
    config["created"] = now()
    config["rootfs"]["diff_ids"].append(diff_id)
    step = {"created": config["created"], "created_by": created_by}
    config.setdefault("history", []).append(step | ({"comment": comment} if comment else {}))

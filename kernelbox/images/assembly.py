"""A new image of layers and a config: what `commit`, `import` and `build` have in common."""

from __future__ import annotations

import datetime
import os

from kernelbox.images import layers, layout, manifests
from kernelbox.plumbing.numbers import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from kernelbox.images.image import Image
    from kernelbox.images.layers import Entry
    from kernelbox.images.layout import Descriptor
    from kernelbox.images.store import Store


_LAST_SECOND = 253_402_300_799  # of the year 9999: none later has a name in RFC 3339


def epoch() -> int | None:
    """Return what $SOURCE_DATE_EPOCH says, seconds since 1970; None if it is not set."""
    return natural(os.environ.get("SOURCE_DATE_EPOCH", ""), _LAST_SECOND)


def now() -> str:
    """Return the time to give an image made now, RFC 3339; $SOURCE_DATE_EPOCH if that is set.

    Source: reproducible-builds.org, "SOURCE_DATE_EPOCH Specification".
    """
    utc = datetime.UTC
    seconds = epoch()
    when = (
        datetime.datetime.now(utc)
        if seconds is None
        else datetime.datetime.fromtimestamp(seconds, utc)
    )
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def clamped(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Let no entry be younger than $SOURCE_DATE_EPOCH, if that is set.

    Source: reproducible-builds.org, "SOURCE_DATE_EPOCH Specification", section Last-resort.
    """
    latest = epoch()
    for entry in entries:
        if latest is None or entry.mtime is None:
            yield entry
        else:
            yield entry._replace(mtime=min(int(entry.mtime), latest))


def new_layer(store: Store, entries: Iterable[Entry]) -> tuple[Descriptor, str]:
    """Pack entries into a compressed layer; return its descriptor and its DiffID.

    The caller holds the store's lock.

    Raises:
        KernelError: The file system refused: ENOSPC, EACCES.
    """
    with store.layout.new_blob(layout.LAYER_GZIP) as blob:
        diff_id = layers.pack(entries, blob, compress=True)
    return blob.descriptor, diff_id


def new_manifest(store: Store, config: dict[str, Any], stack: list[Descriptor]) -> Descriptor:
    """Store a config and a manifest over layers that are there; return the manifest's descriptor.

    The caller holds the store's lock.

    Raises:
        KernelError: The file system refused: ENOSPC, EACCES.
    """
    described = store.layout.write_blob(layout.CONFIG, layout.encode(config))
    manifest = layout.encode(layout.manifest(described, [_as_oci(one) for one in stack]))
    return store.layout.write_blob(layout.MANIFEST, manifest)


def new_image(
    store: Store,
    name: str | None,
    config: dict[str, Any],
    stack: list[Descriptor],
) -> Image:
    """Make such a manifest, give it a name, and unpack what is new.

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
    return store.add(name, new_manifest(store, config, stack))


def _as_oci(layer: Descriptor) -> Descriptor:
    """Return a layer's descriptor as an OCI manifest has it; the base may come in Docker's form."""
    return {**layer, "mediaType": manifests.oci_type(layer["mediaType"])}


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

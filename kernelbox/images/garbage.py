"""What is no longer needed: blobs and unpacked layers that no image leads to.

As in any collection of garbage there are roots, here the images in the index and the layers that
builds keep; whatever a manifest leads to from there is needed, and nothing else is. Leaves
deleting to lock.py, and what a container uses to whoever asks.
"""

from __future__ import annotations

import contextlib

from kernelbox.images import cache, manifests
from kernelbox.images.index import damaged
from kernelbox.images.lock import files
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.images.layout import Layout
    from kernelbox.images.manifests import Document
    from kernelbox.images.unpacked import UnpackedLayers


def unneeded(layout: Layout, layers: UnpackedLayers, listed: Document) -> tuple[set[str], set[str]]:
    """Return the blobs and the layer directories that no image in the index leads to.

    Args:
        layout: Of the store.
        layers: Of the store.
        listed: The index, as it is or as it is to become.

    Raises:
        UsageError: An image is damaged, so what it needs is unknown.
        KernelError: The store cannot be read: EACCES, EIO.
    """
    needed: set[str] = set()
    for entry in listed["manifests"]:
        needed.update(map(layout.blob_path, manifests.digests(layout, entry)))
        needed.update(layers.lowerdirs(manifests.find(layout, entry)))
    for entry in cache.entries(layout):
        with contextlib.suppress(UsageError), damaged(""):  # it is only a cache
            needed.update(map(layout.blob_path, manifests.digests(layout, entry)))
            needed.update(layers.lowerdirs(manifests.find(layout, entry)))
    return files(layout.blobs) - needed, files(layers.path) - needed

"""The image that a container is to be made of: found in this host's store, and remembered."""

from __future__ import annotations

import os

from kernelbox.container import state
from kernelbox.images import embedded
from kernelbox.images.index import NoSuchImage
from kernelbox.images.store import Store
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.images.image import Image

_MOST_KNOWN = 64  # images
_known: dict[str, tuple[tuple[int, ...], Image]] = {}  # by reference, with the store's version


def find(reference: str) -> Image:
    """Return an image; only when it is not here, look whether the store has all it should have.

    The agent asks for the same one again and again: as long as the store has changed nothing, the
    answer is the same.

    Raises:
        NoSuchImage: It is not here.
        UsageError: It is no name, or several images have it.
    """
    state.prepare()
    store = Store(paths.images())
    version = store.version()
    known = _known.get(reference)
    if known and known[0] == version and all(map(os.path.isdir, known[1].lowerdirs)):
        return known[1]
    try:
        image = store.resolve(reference)
    except NoSuchImage:
        image = image_store().resolve(reference)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[reference] = version, image
    return image


def image_store() -> Store:
    """Return this host's image store, with the embedded image in it."""
    state.prepare()
    store = Store(paths.images())
    embedded.ensure(store)
    return store

"""An image into the store: its manifest, then its blobs side by side, then all of it at once.

Nothing of it appears in the store before every blob is there and verified. A manifest in Docker's
words is stored in OCI's, with the same config and layers, so that any tool can read the layout.
"""

from __future__ import annotations

import concurrent.futures
import os
from typing import NamedTuple

from kernelbox.images import bounds, layout, manifests
from kernelbox.images.index import REPO_DIGEST, damaged
from kernelbox.images.reference import check, remote
from kernelbox.images.registry import fetch
from kernelbox.images.registry.client import Repository
from kernelbox.images.registry.failures import Refused
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kernelbox.images.layout import Descriptor
    from kernelbox.images.manifests import Document
    from kernelbox.images.store import Store

    # Takes the digest of a layer, the bytes that are there, and its size.
    Watch = Callable[[str, int, int], None]

PARALLEL = 3
"""Blobs that are fetched at the same time. Source: dockerd(8), --max-concurrent-downloads."""


class Pulled(NamedTuple):
    """What a pull has brought.

    Attributes:
        name: The image's name in the store.
        digest: What the registry calls it: of several platforms, that of their index.
        image_id: The digest of its config.
        new: Whether the store has changed.
    """

    name: str
    digest: str
    image_id: str
    new: bool


def pull(
    store: Store,
    reference: str,
    *,
    platform: str = "",
    plain_http: bool = False,
    watch: Watch = lambda digest, done, size: None,
) -> Pulled:
    """Fetch an image from its registry into the store, and unpack it.

    Args:
        store: Where to.
        reference: As Docker names images; a short name is one of Docker Hub.
        platform: `linux/arm64`; this host's if empty.
        plain_http: Whether to do without TLS though the registry is not on this machine.
        watch: Is told how far each layer is; called from several threads.

    Raises:
        UsageError: It is not a name, or not an image for this host; or it is damaged.
        KernelboxError: The registry refuses, does not answer, or sends something else.
        KernelError: The file system refuses: ENOSPC, EACCES.
    """
    name, where = check(reference), remote(reference)
    if platform and not 2 <= len(platform.split("/")) <= 3:
        raise UsageError(f"{platform!r} is no platform", "Such as linux/arm64 or linux/arm/v7")
    with Repository(where, plain_http=plain_http) as repository:
        with damaged(name):
            top, sent, manifest = _find(repository, where.tag, platform)
            text = _as_oci(sent, manifest)
        before = _known(store, name)
        blobs = {blob["digest"]: blob for blob in [manifest["config"], *manifest["layers"]]}
        for _ in range(3):
            _fetch(store, repository, list(blobs.values()), watch)
            with store.lock():
                if _adopt(store, list(blobs.values())):
                    stored = store.layout.write_blob(layout.MANIFEST, text)
                    if platform and layout.digest_of(sent) == top["digest"]:
                        _check_platform(store, stored, platform)
                    image = store.add(name, stored, top["digest"])
                    new = before != (stored["digest"], top["digest"])
                    return Pulled(image.reference, top["digest"], image.id, new)
            # An image that shared blobs with this one was removed in the meantime.
    raise UsageError(f"images are removed as fast as {name} is pulled", "Try again")


def _find(repository: Repository, tag: str, platform: str) -> tuple[Descriptor, bytes, Document]:
    """Return what the tag means, and the manifest of our platform: as it was sent, and read."""
    top, text, document = repository.manifest(tag)
    for _ in range(bounds.MAX_DEPTH_OF_INDEXES):
        if "manifests" not in document:
            if manifests.check_manifest(document)["config"]["size"] > bounds.MAX_JSON:
                raise Refused("the config is larger than any real one")
            return top, text, document
        _, text, document = repository.manifest(manifests.choose(document, platform)["digest"])
    raise Refused("an index leads to an index, and that on and on")


def _check_platform(store: Store, manifest: Descriptor, platform: str) -> None:
    """See to it that an image without an index is for the platform that was asked for."""
    with damaged(manifest["digest"]):
        config = manifests.find(store.layout, manifest).config
    made = "/".join(str(config.get(key, "")) for key in ("os", "architecture"))
    if platform.split("/")[:2] != made.split("/"):
        raise UsageError(f"the image is not made for {platform}", f"It is for {made}")


def _known(store: Store, name: str) -> tuple[str, str]:
    """Return the manifest that has the name now, and what its registry calls it."""
    try:
        entry, _ = store.find(name)
    except KernelboxError:
        return "", ""
    return entry["digest"], entry.get("annotations", {}).get(REPO_DIGEST, "")


def _fetch(store: Store, repository: Repository, blobs: Sequence[Descriptor], watch: Watch) -> None:
    def one(blob: Descriptor) -> None:
        watched = blob is not blobs[0]  # the config is no layer

        def progress(done: int) -> None:
            if stop:
                raise Refused("given up")
            if watched:
                watch(blob["digest"], done, blob["size"])

        fetch.fetch(store, repository, blob, progress)

    stop: list[bool] = []
    pool = concurrent.futures.ThreadPoolExecutor(PARALLEL)
    patient = True
    try:
        waiting = [pool.submit(one, blob) for blob in blobs]
        for done in concurrent.futures.as_completed(waiting):
            done.result()
    except KeyboardInterrupt:
        # A registry that has stalled is not waited for; what has come is kept for the next pull.
        patient = False
        raise
    finally:
        stop.append(True)
        pool.shutdown(wait=patient, cancel_futures=True)


def _adopt(store: Store, blobs: Sequence[Descriptor]) -> bool:
    """Make blobs of the downloads; False if one is neither here nor there any more."""
    with store.layout.prepared():
        for blob in blobs:
            path = store.layout.blob_path(blob["digest"])
            if not os.path.exists(path):
                try:
                    os.rename(fetch.place(store, blob), path)
                except FileNotFoundError:
                    return False
    return True


def _as_oci(text: bytes, manifest: Document) -> bytes:
    """Return a manifest in OCI's media types; one that has them already stays as it was sent."""
    if manifest.get("mediaType", layout.MANIFEST) == layout.MANIFEST:
        return text

    def translated(blob: Descriptor) -> Descriptor:
        kind = str(blob["mediaType"])
        return layout.descriptor(manifests.oci_type(kind), blob["digest"], blob["size"])

    layers = [translated(one) for one in manifest["layers"]]
    return layout.encode(layout.manifest(translated(manifest["config"]), layers))

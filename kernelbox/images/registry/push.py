"""An image out of the store, to the registry that its name says."""

from __future__ import annotations

from functools import partial

from kernelbox.images.reference import check, remote
from kernelbox.images.registry.client import Repository
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.images.layout import Descriptor
    from kernelbox.images.store import Store

    # Takes the digest of a layer, the bytes that were sent, and its size.
    Watch = Callable[[str, int, int], None]


def push(
    store: Store,
    reference: str,
    *,
    plain_http: bool = False,
    watch: Watch = lambda digest, done, size: None,
) -> Descriptor:
    """Send an image to its registry; what that has already is not sent again.

    Returns:
        The descriptor of its manifest.

    Raises:
        UsageError: There is no such image.
        KernelboxError: The registry refuses it, or does not answer.
    """
    image = store.find(reference)[1]
    where = remote(check(reference))
    if where.tag.startswith("sha256:"):
        raise UsageError("an image is pushed under a tag, not a digest", "kernelbox tag gives one")
    with Repository(where, push=True, plain_http=plain_http) as repository:
        config = image.manifest["config"]
        for blob in [*image.manifest["layers"], config]:
            told: Watch = (lambda *_: None) if blob is config else watch
            if not repository.has_blob(blob["digest"]):
                path = store.layout.blob_path(blob["digest"])
                repository.upload(blob, partial(_Watched, path, blob, told))
            told(blob["digest"], blob["size"], blob["size"])
        with open(store.layout.blob_path(image.descriptor["digest"]), "rb") as file:
            repository.upload_manifest(where.tag, image.descriptor, file.read())
    return image.descriptor


class _Watched:
    """A blob that is read to be sent, and tells how far that is."""

    def __init__(self, path: str, blob: Descriptor, watch: Watch) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - read to its end by urllib3
        self._blob, self._watch, self._sent = blob, watch, 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._sent += len(data)
        self._watch(self._blob["digest"], self._sent, self._blob["size"])
        if not data:
            self._file.close()
        return data

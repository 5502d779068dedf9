"""The build cache: which layer a step has made before.

    build-cache.json     an index like index.json; each entry has the step's key as an annotation

An entry leads to an ordinary image, that of the build after the step: its last layer is what the
step makes. It keeps its blobs and layers in the store until `prune` drops the cache, or newer
entries push it out. The file is a cache: one that is damaged is an empty one.
"""

from __future__ import annotations

from kernelbox.images import layout
from kernelbox.kernel.errors import KernelboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.images.layout import Descriptor, Layout

KEY = "dev.kernelbox.build-key"
_FILE = "build-cache.json"
_MOST = 1000  # entries


def entries(source: Layout) -> list[Descriptor]:
    """Return the entries, the oldest first."""
    try:
        return [one for one in source.read_index(_FILE)["manifests"] if KEY in _said(one)]
    except KernelboxError:
        return []


def find(source: Layout, key: str) -> Descriptor | None:
    """Return the entry of a step; None if there is none."""
    return next((one for one in reversed(entries(source)) if _said(one)[KEY] == key), None)


def add(source: Layout, key: str, manifest: Descriptor) -> None:
    """Remember what a step has made. The caller has taken the store's lock.

    Raises:
        KernelError: The file cannot be written: ENOSPC, EROFS.
    """
    kept = [one for one in entries(source) if _said(one)[KEY] != key][1 - _MOST :]
    new = {**manifest, "annotations": {KEY: key}}
    _write(source, [*kept, new])


def clear(source: Layout) -> None:
    """Forget everything. The caller has taken the store's lock; parameters and errors as of `add`.

    Leaves deleting what nothing else needs to the caller.
    """
    if entries(source):
        _write(source, [])


def _said(entry: Descriptor) -> dict[str, str]:
    found: dict[str, str] = entry.get("annotations", {})
    return found


def _write(source: Layout, listed: list[Descriptor]) -> None:
    index = {"schemaVersion": 2, "mediaType": layout.INDEX, "manifests": listed}
    source.write_index(index, _FILE)

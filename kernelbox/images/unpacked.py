"""The layers of the store as directories, unpacked once each and shared by all images.

A directory is named by the ChainID, which stands for the layer and all that is below it: the same
layer on other layers is unpacked differently, if it takes a directory's owner and mode from them.
Once it has its name it never changes, so that any number of containers may have it as a lowerdir.
Leaves one layer's tar to layers.py, and which directories are still needed to garbage.py.
"""

from __future__ import annotations

import os

from kernelbox.images import layout
from kernelbox.images.layout import PARTIAL
from kernelbox.kernel.explain import store_error
from kernelbox.plumbing.light import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.images.layout import Layout
    from kernelbox.images.lock import WriteLock
    from kernelbox.images.manifests import Found


class UnpackedLayers:
    """The directories of layers.

    Args:
        path: Where they are.
        layout: Where their blobs are.
        lock: Deletes what was unpacked in vain.
    """

    def __init__(self, path: str, layout: Layout, lock: WriteLock) -> None:
        self.path = path
        self._layout = layout
        self._lock = lock

    def directory(self, chain_id: str) -> str:
        """Return where a layer is unpacked, or would be."""
        return f"{self.path}/{layout.hex_of(chain_id)}"

    def lowerdirs(self, found: Found) -> list[str]:
        """Return where an image's layers are unpacked, or would be, the topmost first."""
        return [self.directory(one) for one in reversed(layout.chain_ids(found.diff_ids))]

    def unpack(self, found: Found) -> None:
        """Unpack the layers that are not unpacked yet: parameter and errors as of `drafted`."""
        with self.drafted(found) as (_, made):
            if made:
                self._layout.sync()

    @contextmanager
    def drafted(self, found: Found) -> Iterator[tuple[list[str], list[str]]]:
        """Unpack the layers that are not unpacked yet; when the block ends they get their names.

        The block sees to it that they are on the disk by then: whatever has the name of a layer is
        a whole one, also after a power cut. The caller has taken the store's lock. Layers that were
        made before one fails are deleted.

        Yields:
            The ChainIDs, bottom first; where the new layers are until then.

        Raises:
            UsageError: A layer is corrupt or not what the config says.
            KernelError: The file system refused: ENOSPC, EACCES, EROFS.
        """
        from kernelbox.images import layers  # tarfile and hashlib: not needed once unpacked

        diff_ids = found.diff_ids
        try:
            # The layers hold setuid programs and devices: no other user may reach them.
            os.makedirs(self.path, mode=0o700, exist_ok=True)
        except OSError as error:
            raise store_error(f"create {self.path}", error) from error
        chain = layout.chain_ids(diff_ids)
        lower: list[str] = []
        made: dict[str, str] = {}
        try:
            for blob, diff_id, chain_id in zip(
                found.manifest["layers"], diff_ids, chain, strict=True
            ):
                layout.hex_of(diff_id)
                directory = self.directory(chain_id)
                if not os.path.isdir(directory):
                    path = self._layout.blob_path(blob["digest"])
                    draft = f"{self.path}/{PARTIAL}{layout.hex_of(chain_id)}"
                    layers.unpack(path, draft, diff_id=diff_id, parents=lower)
                    made[draft] = directory
                    directory = draft
                lower.insert(0, directory)
            yield chain, list(made)
            self._publish(made)
        except BaseException:
            self._lock.delete(filter(os.path.isdir, made.values()))
            raise

    def _publish(self, made: dict[str, str]) -> None:
        try:
            for draft, directory in made.items():
                os.rename(draft, directory)
        except OSError as error:
            raise store_error(f"name a layer in {self.path}", error) from error

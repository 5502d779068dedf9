"""An image of one tar of files, with nothing said of how to run it: `import`."""

from __future__ import annotations

from kernelbox.images import assembly, layout, metadata
from kernelbox.images.streams import Tape
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernelbox.images.image import Image
    from kernelbox.images.store import Store


def import_tar(
    store: Store, path: str, name: str | None, instructions: Sequence[str] = (), message: str = ""
) -> Image:
    """Make an image with one layer.

    Args:
        store: Where to.
        path: The tar, plain or compressed with gzip, zstd, bzip2 or xz; it may be a pipe.
        name: The image's; None for one without.
        instructions: Such as `CMD sh`.
        message: Why.

    Raises:
        UsageError: It is no tar, or a hostile one; not a name; an instruction is none.
        KernelError: The file system refuses: ENOSPC, EACCES.

    Source: Docker documentation, "docker image import".
    """
    config = assembly.empty_config()
    for text in instructions:
        metadata.apply(config["config"], text)
    with store.lock():
        layer = _store(store, path)
        assembly.add_step(config, layer["digest"], f"import {path}", message)
        return assembly.new_image(store, name, config, [layer])


def _store(store: Store, path: str) -> layout.Descriptor:
    """Store a tar as a layer without compression: its digest is its DiffID, then."""
    try:
        with Tape(path, any_compression=True) as tape, store.layout.new_blob(layout.LAYER) as blob:
            while data := tape.read(1 << 18):
                blob.write(data)
    except (KernelboxError, OSError):
        raise
    except Exception as error:  # zlib and zstd have errors of their own
        raise UsageError(f"{path} is damaged: {' '.join(str(error).split())}") from error
    return blob.descriptor

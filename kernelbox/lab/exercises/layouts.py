"""Image layouts that a check makes, and damages: what a student says of them can be compared.

What is put into one is known to the byte. Leaves reading and writing blobs to kernelbox.images.
"""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.images import layout
from kernelbox.images.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelbox.images.layout import Descriptor


class Made:
    """A layout in a directory, and what was put into it.

    Attributes:
        path: Of the layout.
        kinds: What its blobs are, by their digests: `a layer`, `a config`, `a manifest`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kinds: dict[str, str] = {}
        self._layout = Layout(str(path))
        self._named: list[Descriptor] = []

    def layer(self, content: bytes, level: int = 6) -> Descriptor:
        """Put a layer of one file into the layout, compressed with gzip's `level`."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as out:
            entry = tarfile.TarInfo("file")
            entry.size = len(content)
            out.addfile(entry, io.BytesIO(content))
        packed = gzip.compress(tar.getvalue(), level, mtime=0)
        return self._put("a layer", layout.LAYER_GZIP, packed)

    def image(self, name: str, *stack: Descriptor) -> dict[str, int]:
        """Put an image of some layers into it; return the sizes of its blobs by their digests."""
        tars = [gzip.decompress(self.place(one["digest"]).read_bytes()) for one in stack]
        diff_ids = [layout.digest_of(tar) for tar in tars]
        about = {"os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        config = self._put("a config", layout.CONFIG, layout.encode(about))
        document = layout.encode(layout.manifest(config, stack))
        manifest = self._put("a manifest", layout.MANIFEST, document)
        self._named.append({**manifest, "annotations": {layout.REF_NAME: name}})
        top = {"schemaVersion": 2, "mediaType": layout.INDEX, "manifests": self._named}
        self._layout.write_index(top)
        return {one["digest"]: one["size"] for one in (manifest, config, *stack)}

    def place(self, digest: str) -> Path:
        """Return where a blob is."""
        return Path(self._layout.blob_path(digest))

    def flip(self, kind: str) -> str:
        """Flip one bit somewhere in a blob of a kind; return its digest."""
        return self._damage(kind, _flipped)

    def cut(self, kind: str, size: int) -> str:
        """Leave but the beginning of a blob of a kind; return its digest."""
        return self._damage(kind, lambda data: data[:size])

    def lengthen(self, kind: str) -> str:
        """Put a line behind the end of a blob of a kind; return its digest."""
        return self._damage(kind, lambda data: data + b"\n")

    def exchange(self, kind: str) -> set[str]:
        """Let two blobs of a kind have each other's bytes; return their digests."""
        one, other = random.sample([digest for digest, its in self.kinds.items() if its == kind], 2)
        bytes_of = {digest: self.place(digest).read_bytes() for digest in (one, other)}
        self.place(one).write_bytes(bytes_of[other])
        self.place(other).write_bytes(bytes_of[one])
        return {one, other}

    def _damage(self, kind: str, how: Callable[[bytes], bytes]) -> str:
        digest = random.choice([one for one, its in self.kinds.items() if its == kind])
        path = self.place(digest)
        path.write_bytes(how(path.read_bytes()))
        return digest

    def _put(self, kind: str, media_type: str, data: bytes) -> Descriptor:
        stored = self._layout.write_blob(media_type, data)
        self.kinds[stored["digest"]] = kind
        return stored


def _flipped(data: bytes) -> bytes:
    place, bit = random.randrange(len(data)), random.randrange(8)
    return bytes([*data[:place], data[place] ^ 1 << bit, *data[place + 1 :]])


@contextmanager
def made() -> Iterator[Made]:
    """Yield an empty layout, which goes with the block."""
    with tempfile.TemporaryDirectory(prefix="layout-") as place:
        yield Made(Path(place))

"""Images on a shelf: a layout as a dict from path to bytes, made whole, and read with suspicion.

What a student may have done to it is anything, so a reader here raises nothing: it says the first
thing that is wrong.

Source: OCI image specification, "Image Layout", "Image Manifest", "Image Configuration".
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from kernelbox.images import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kernelbox.images.layout import Descriptor

Files = dict[str, bytes]


def packed(name: str, content: str) -> bytes:
    """Return a layer of one file, compressed."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        out.addfile(entry, io.BytesIO(content.encode()))
    return gzip.compress(tar.getvalue(), mtime=0)


class Shelf:
    """An image layout that is being made.

    Attributes:
        files: Its files, by their paths below it.
    """

    def __init__(self) -> None:
        self.files: Files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        self._named: list[Descriptor] = []

    def add(
        self, tag: str, layers: list[bytes], diff_ids: list[str] | None = None, under: str = ""
    ) -> str:
        """Put an image on it; return its manifest's digest.

        Args:
            tag: Its version, in its configuration.
            layers: As `packed` returns them.
            diff_ids: What the configuration says of these; the truth, if not given.
            under: The name that it has in the index; its version, if not given.
        """
        stack = [self._blob(layout.LAYER_GZIP, one) for one in layers]
        about = {
            "os": "linux",
            "config": {"Cmd": ["/bin/sh"], "Labels": {"org.opencontainers.image.version": tag}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids or truth(layers)},
        }
        config = self._blob(layout.CONFIG, layout.encode(about))
        document = layout.encode(layout.manifest(config, stack))
        manifest = self._blob(layout.MANIFEST, document)
        self._named.append({**manifest, "annotations": {layout.REF_NAME: under or tag}})
        top = {"schemaVersion": 2, "mediaType": layout.INDEX, "manifests": self._named}
        self.files["index.json"] = json.dumps(top, indent=1).encode()
        return str(manifest["digest"])

    def _blob(self, media_type: str, data: bytes) -> Descriptor:
        digest = layout.digest_of(data)
        self.files[place(digest)] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}


def truth(layers: list[bytes]) -> list[str]:
    """Return the DiffIDs of layers: the digest of each tar, before it was compressed."""
    return [layout.digest_of(gzip.decompress(one)) for one in layers]


def place(digest: str) -> str:
    """Return where a blob is, below the layout."""
    return f"blobs/{digest.replace(':', '/', 1)}"


class Walk(NamedTuple):
    """What was found on the way from a tag to its layers.

    Attributes:
        problem: The first thing that is wrong, in words; empty if nothing is.
        manifest: Its digest, as far as it was found.
        config: The image's configuration.
        layers: The digests of its layers, the lowest first.
    """

    problem: str
    manifest: str = ""
    config: Mapping[str, Any] = {}
    layers: tuple[str, ...] = ()


class _Wrong(Exception):
    """Something on the way is not as it should be."""


def walk(files: Files, tag: str) -> Walk:
    """Follow a tag to the end, and recompute each digest on the way."""
    try:
        return _walk(files, tag)
    except _Wrong as wrong:
        return Walk(str(wrong))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Walk("a document on the way is not what the specification asks for")


def _walk(files: Files, tag: str) -> Walk:
    if json.loads(files.get("oci-layout", b"{}")).get("imageLayoutVersion") != "1.0.0":
        raise _Wrong("no oci-layout says that this is a layout of version 1.0.0")
    index = json.loads(files.get("index.json", b""))
    _check_kind(index, layout.INDEX, "the index")
    named = [
        one for one in index["manifests"] if one.get("annotations", {}).get(layout.REF_NAME) == tag
    ]
    if len(named) != 1:
        raise _Wrong(f"images that are called {tag}: {len(named)}")
    manifest = json.loads(_blob(files, named[0], "the manifest"))
    _check_kind(manifest, layout.MANIFEST, "the manifest")
    config = json.loads(_blob(files, manifest["config"], "the configuration"))
    tars = []
    for one in manifest["layers"]:
        try:
            tars.append(gzip.decompress(_blob(files, one, "a layer")))
        except (OSError, EOFError, zlib.error):
            raise _Wrong("a layer cannot be decompressed") from None
    if [layout.digest_of(tar) for tar in tars] != config["rootfs"]["diff_ids"]:
        raise _Wrong("a layer, unpacked, is not what the configuration says")
    layers = tuple(one["digest"] for one in manifest["layers"])
    return Walk("", named[0]["digest"], config, layers)


def _check_kind(document: Mapping[str, Any], media_type: str, what: str) -> None:
    """See that a document is of its kind; it need not say which, but must not say another."""
    if document.get("schemaVersion") != 2 or document.get("mediaType", media_type) != media_type:
        raise _Wrong(f"{what} has not the schemaVersion or the mediaType of its kind")


def _blob(files: Files, descriptor: Mapping[str, Any], what: str) -> bytes:
    data = files.get(place(descriptor["digest"]))
    if data is None:
        raise _Wrong(f"{what} is missing")
    if layout.digest_of(data) != descriptor["digest"]:
        raise _Wrong(f"the digest of {what} is not the one it is called by")
    if len(data) != descriptor["size"]:
        raise _Wrong(f"{what} has not the size that its descriptor says")
    return data

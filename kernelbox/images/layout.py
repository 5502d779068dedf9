"""The OCI image-layout on disk: blobs named by their digest, and an index that names some of them.

    oci-layout            {"imageLayoutVersion": "1.0.0"}
    index.json            a name -> the descriptor of a manifest
    blobs/sha256/<hex>    manifests, configs and layers; the name is the SHA-256 of the bytes

A manifest points at one config and its layers by descriptor (media type, digest, size). The
config lists the DiffIDs: the digests of the same layers before compression.
Leaves tar files to layers.py, hashing what is written to writers.py, and unpacked layers, locking
and lookup to store.py.
"""

from __future__ import annotations

import os

from kernelbox.images import bounds
from kernelbox.kernel import files
from kernelbox.kernel.errors import UsageError
from kernelbox.kernel.explain import store_error
from kernelbox.plumbing import documents, paths
from kernelbox.plumbing.light import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from kernelbox.images.writers import BlobWriter

    Descriptor = dict[str, Any]

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"

REF_NAME = "org.opencontainers.image.ref.name"
PARTIAL = ".partial-"
"""How the name of a file or directory begins until it is complete; after a crash, it stays."""

_HEX = frozenset("0123456789abcdef")


def descriptor(media_type: str, digest: str, size: int) -> Descriptor:
    """Return a descriptor: how one blob points at another.

    Args:
        media_type: What the blob is.
        digest: `sha256:` and 64 hexadecimal digits.
        size: Bytes.

    Source: OCI image-spec v1.1, descriptor.md, section Properties.
    """
    return {"mediaType": media_type, "digest": digest, "size": size}


def manifest(config: Descriptor, layers: Sequence[Descriptor]) -> dict[str, Any]:
    """Return an image manifest: one config, and its layers with the bottom one first.

    Source: OCI image-spec v1.1, manifest.md, section Image Manifest.
    """
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": list(layers)}


def encode(document: dict[str, Any]) -> bytes:
    """Return a document as JSON, the same bytes each time: its digest depends on every one."""
    import json  # reading an image takes less

    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def digest_of(data: bytes) -> str:
    """Return the digest of some bytes.

    Source: OCI image-spec v1.1, descriptor.md, section Digests.
    """
    import hashlib  # costs as much as the rest of a start; reading an image needs no hash

    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """Return the ChainID of each layer: its DiffID together with all the layers below it.

    ChainID(L0) = DiffID(L0); ChainID(L0|...|Ln) = SHA-256(ChainID(L0|...|Ln-1) + " " + DiffID(Ln)).

    Args:
        diff_ids: The DiffIDs, bottom layer first.

    Source: OCI image-spec v1.1, config.md, section Layer ChainID.
    """
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(digest_of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return chain


def hex_of(digest: str) -> str:
    """Return the 64 hexadecimal digits of a digest; they are safe as a file name.

    Raises:
        UsageError: It is not a SHA-256 digest; a hostile manifest may hold `sha256:../../x`.
    """
    algorithm, _, digits = digest.partition(":")
    if algorithm != "sha256" or len(digits) != 64 or not _HEX.issuperset(digits):
        raise UsageError(f"{documents.dumps(digest)} is not a SHA-256 digest")
    return digits


class Layout:
    """An OCI image-layout in a directory. It appears with the first blob that is written.

    Anyone may read at any time; whoever writes has taken the store's lock.

    Args:
        path: The layout's directory.

    Source: OCI image-spec v1.1, image-layout.md.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.blobs = f"{path}/blobs/sha256"

    def blob_path(self, digest: str) -> str:
        """Return where the blob of a digest is, or would be."""
        return f"{self.blobs}/{hex_of(digest)}"

    def read_json(self, digest: str) -> dict[str, Any]:
        """Return a manifest or config. It was verified when written and is not hashed again.

        Raises:
            UsageError: The blob is missing or no JSON object.
            KernelError: It cannot be read: EACCES, EIO.
        """
        return _load(self.blob_path(digest))

    def read_index(self, name: str = "index.json") -> dict[str, Any]:
        """Return an index of the layout's own; that of an empty layout if there is none yet.

        Raises:
            UsageError: It is damaged.
            KernelError: It cannot be read: EACCES, EIO.
        """
        try:
            os.stat(f"{self.path}/{name}")
        except FileNotFoundError:
            return {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
        except OSError as error:
            raise store_error(f"read {self.path}/{name}", error) from error
        index = _load(f"{self.path}/{name}")
        entries = index.get("manifests")
        if not isinstance(entries, list) or not all(map(_is_descriptor, entries)):
            raise UsageError(f"{self.path}/{name} is damaged: it has no list of manifests")
        return index

    def write_index(self, index: dict[str, Any], name: str = "index.json") -> None:
        """Replace an index by a complete new one; a reader sees the old or the new."""
        self._replace(name, _index_text(index))

    @contextmanager
    def replacing_index(self, index: dict[str, Any]) -> Iterator[None]:
        """Put a new index on the disk, with all that was written before; name it after the block.

        The block gives the rest its names. A power cut at any moment leaves the old index, or the
        new one with all that it names.

        Raises:
            KernelError: It cannot be stored: ENOSPC, EIO, EROFS.
        """
        partial = self._write_partial("index.json", _index_text(index))
        self.sync()
        yield
        self._publish(partial, "index.json")

    def sync(self) -> None:
        """See to it that all that was written is on the disk, before something names it.

        Raises:
            KernelError: ENOSPC, EIO.
        """
        try:
            files.sync(self.path)
        except OSError as error:
            raise store_error(f"write the image store {self.path} to the disk", error) from error

    @contextmanager
    def new_blob(self, media_type: str, expected: str = "") -> Iterator[BlobWriter]:
        """Write a blob; when the block ends it is verified and gets its name, the digest.

        Args:
            media_type: For the descriptor.
            expected: The digest that the bytes must have; none if the blob is made here.

        Raises:
            UsageError: The bytes have another digest.
            KernelError: They cannot be stored: ENOSPC, EACCES, EROFS.
        """
        from kernelbox.images.writers import BlobWriter  # hashlib: reading an image needs no hash

        self._prepare()
        partial = f"{self.blobs}/{PARTIAL}{os.getpid()}-{os.urandom(4).hex()}"
        try:
            with open(partial, "xb") as file:
                blob = BlobWriter(file)
                yield blob
            if expected not in ("", blob.digest):
                raise UsageError(f"a blob should be {expected} but is {blob.digest}")
            blob.descriptor = descriptor(media_type, blob.digest, blob.size)
            os.rename(partial, self.blob_path(blob.digest))
        except OSError as error:
            raise store_error(f"write a blob in {self.blobs}", error) from error
        finally:
            with suppress(FileNotFoundError):
                os.unlink(partial)

    def write_blob(self, media_type: str, data: bytes, expected: str = "") -> Descriptor:
        """Store bytes as a blob and return its descriptor; parameters and errors as `new_blob`."""
        with self.new_blob(media_type, expected) as blob:
            blob.write(data)
        return blob.descriptor

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Make the layout's directories, for the block to put files into them.

        Raises:
            KernelError: The block met an OSError: ENOSPC, EACCES, EROFS.
        """
        self._prepare()
        try:
            yield
        except OSError as error:
            raise store_error(f"write a blob in {self.blobs}", error) from error

    def _prepare(self) -> None:
        try:
            paths.private(self.path)
            os.makedirs(self.blobs, exist_ok=True)
            if not os.path.exists(f"{self.path}/oci-layout"):
                self._replace("oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
            if not os.path.exists(f"{self.path}/index.json"):
                self.write_index(self.read_index())
        except OSError as error:
            raise store_error(f"create the image store {self.path}", error) from error

    def _replace(self, name: str, data: bytes) -> None:
        self._publish(self._write_partial(name, data), name)

    def _write_partial(self, name: str, data: bytes) -> str:
        partial = f"{self.path}/{PARTIAL}{os.getpid()}-{name}"
        try:
            with open(partial, "wb") as file:
                file.write(data)
        except OSError as error:
            raise store_error(f"write {self.path}/{name}", error) from error
        return partial

    def _publish(self, partial: str, name: str) -> None:
        try:
            os.rename(partial, f"{self.path}/{name}")
        except OSError as error:
            raise store_error(f"write {self.path}/{name}", error) from error


def _index_text(index: dict[str, Any]) -> bytes:
    import json  # as above

    return json.dumps(index, indent=2, ensure_ascii=False).encode()


def _is_descriptor(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("digest"), str)
        and isinstance(entry.get("annotations", {}), dict)
    )


def _of_characters(value: Any) -> Any:
    """Replace halves of characters, which JSON can spell and no file or program takes, as Go does.

    Source: Go, encoding/json, Unmarshal.
    """
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_of_characters(one) for one in value]
    if isinstance(value, dict):
        return {_of_characters(key): _of_characters(one) for key, one in value.items()}
    return value


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            text = file.read(bounds.MAX_JSON + 1)
        if len(text) > bounds.MAX_JSON:
            raise UsageError(
                f"{path} is larger than {bounds.MAX_JSON >> 20} MiB, as no JSON may be"
            )
        document = documents.loads(text)
        if b"\\ud" in text.lower():
            document = _of_characters(document)
    except FileNotFoundError:
        raise UsageError(f"{path} is missing", "Remove the image and get it anew") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is damaged: it is not JSON") from None
    except OSError as error:
        raise store_error(f"read {path}", error) from error
    if not isinstance(document, dict):
        raise UsageError(f"{path} is damaged: it is not a JSON object")
    return document

"""The OCI image-layout on disk: blobs named by their digest, and an index that names some of them.

    oci-layout            {"imageLayoutVersion": "1.0.0"}
    index.json            a name -> the descriptor of a manifest
    blobs/sha256/<hex>    manifests, configs and layers; the name is the SHA-256 of the bytes

A manifest points at one config and its layers by descriptor (media type, digest, size). The
config lists the DiffIDs: the digests of the same layers before compression.
Leaves tar files to layers.py, and unpacked layers, locking and lookup to store.py.
"""

from __future__ import annotations

import contextlib
import io
import json
import os

from kernelbox.images import limits
from kernelbox.kernel.errors import KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO, Any

    Descriptor = dict[str, Any]
    Writable = IO[bytes] | io.RawIOBase | io.BufferedIOBase

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"

REF_NAME = "org.opencontainers.image.ref.name"
PARTIAL = ".partial-"
"""How a file or directory is called until it is complete. A left-over is from a crash."""

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
        raise UsageError(f"{json.dumps(digest)} is not a SHA-256 digest")
    return digits


class CountingWriter(io.RawIOBase):
    """Pass bytes on to a file, which may be a pipe, and know how many passed."""

    def __init__(self, out: Writable) -> None:
        self._out = out
        self.size = 0

    def writable(self) -> bool:
        """Return True: see io.IOBase."""
        return True

    def tell(self) -> int:
        """Return the number of bytes so far."""
        return self.size

    def write(self, data: Any) -> int:
        """Pass bytes on."""
        self._out.write(data)
        self.size += len(data)
        return len(data)


class HashingWriter(CountingWriter):
    """Know the digest of what passed, too."""

    def __init__(self, out: Writable) -> None:
        import hashlib  # only who writes needs it

        super().__init__(out)
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The digest of all bytes so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: Any) -> int:
        """Pass bytes on."""
        self._hash.update(data)
        return super().write(data)


class BlobWriter(HashingWriter):
    """The blob that is being written; `descriptor` is set once it is stored."""

    descriptor: Descriptor


class Layout:
    """An OCI image-layout in a directory. It appears with the first blob that is written.

    Anyone may read at any time; who writes holds the store's lock.

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
        if not os.path.exists(f"{self.path}/{name}"):
            return {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
        index = _load(f"{self.path}/{name}")
        entries = index.get("manifests")
        if not isinstance(entries, list) or not all(map(_is_descriptor, entries)):
            raise UsageError(f"{self.path}/{name} is damaged: it has no list of manifests")
        return index

    def write_index(self, index: dict[str, Any], name: str = "index.json") -> None:
        """Replace an index by a complete new one; a reader sees the old or the new."""
        self._replace(name, json.dumps(index, indent=2, ensure_ascii=False).encode())

    @contextlib.contextmanager
    def new_blob(self, media_type: str, expected: str = "") -> Iterator[BlobWriter]:
        """Write a blob; when the block ends it is verified and gets its name, the digest.

        Args:
            media_type: For the descriptor.
            expected: The digest that the bytes must have; none if the blob is made here.

        Raises:
            UsageError: The bytes have another digest.
            KernelError: They cannot be stored: ENOSPC, EACCES, EROFS.
        """
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
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)

    def write_blob(self, media_type: str, data: bytes, expected: str = "") -> Descriptor:
        """Store bytes as a blob and return its descriptor; parameters and errors as `new_blob`."""
        with self.new_blob(media_type, expected) as blob:
            blob.write(data)
        return blob.descriptor

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """Have the layout's directories there while the block puts files into them.

        Raises:
            KernelError: The block's OSError, for people: ENOSPC, EACCES, EROFS.
        """
        self._prepare()
        try:
            yield
        except OSError as error:
            raise store_error(f"write a blob in {self.blobs}", error) from error

    def _prepare(self) -> None:
        try:
            os.makedirs(self.blobs, exist_ok=True)
            if not os.path.exists(f"{self.path}/oci-layout"):
                self._replace("oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
            if not os.path.exists(f"{self.path}/index.json"):
                self.write_index(self.read_index())
        except OSError as error:
            raise store_error(f"create the image store {self.path}", error) from error

    def _replace(self, name: str, data: bytes) -> None:
        partial = f"{self.path}/{PARTIAL}{os.getpid()}-{name}"
        try:
            with open(partial, "wb") as file:
                file.write(data)
            os.rename(partial, f"{self.path}/{name}")
        except OSError as error:
            raise store_error(f"write {self.path}/{name}", error) from error


def store_error(request: str, error: OSError) -> KernelError:
    """Return the error for people of a request that the file system under the store refused."""
    import errno

    hints = {
        errno.ENOSPC: "Free some space, or set KERNELBOX_ROOT to a larger file system",
        errno.EDQUOT: "Free some space, or set KERNELBOX_ROOT to another file system",
        errno.EROFS: "Set KERNELBOX_ROOT to a directory that can be written",
        errno.EACCES: "Run it as root (sudo)",
        errno.EPERM: "Run it as root (sudo)",
    }
    number = error.errno or errno.EIO
    return KernelError(request, number, hints.get(number, ""))


def _is_descriptor(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("digest"), str)
        and isinstance(entry.get("annotations", {}), dict)
    )


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            text = file.read(limits.MAX_JSON + 1)
        if len(text) > limits.MAX_JSON:
            raise UsageError(
                f"{path} is larger than {limits.MAX_JSON >> 20} MiB, as no JSON may be"
            )
        document = json.loads(text)
    except FileNotFoundError:
        raise UsageError(f"{path} is missing", "Remove the image and get it anew") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is damaged: it is not JSON") from None
    except OSError as error:
        raise store_error(f"read {path}", error) from error
    if not isinstance(document, dict):
        raise UsageError(f"{path} is damaged: it is not a JSON object")
    return document

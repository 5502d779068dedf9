"""The image store: an OCI image-layout, and beside it each layer unpacked once.

    oci-layout  index.json  blobs/sha256/<hex>     see layout.py
    layers/<hex of the ChainID>/                   one immutable lowerdir for overlay
    .lock                                          see lock.py

Reading takes no lock: every file and directory appears under its name when it is complete.
The descriptor of an image in index.json carries the ChainIDs of its layers as an annotation, so
that starting a container computes no hash. Leaves making images to others (embedded.py).
"""

from __future__ import annotations

import contextlib
import os

from kernelbox import paths
from kernelbox.images import layout
from kernelbox.images.image import Image, Summary
from kernelbox.images.layout import REF_NAME, Layout
from kernelbox.images.lock import WriteLock, files
from kernelbox.images.reference import check, normalise, quoted
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

    from kernelbox.images.layout import Descriptor

    Document = dict[str, Any]

CHAIN_IDS = "dev.kernelbox.chain-ids"


class Store:
    """The images on this host.

    Args:
        path: The store's directory; `kernelbox.paths.images()` if empty. It is made when the
            first image is added.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path or paths.images()
        self.layout = Layout(self.path)
        self._layers = f"{self.path}/layers"
        self._lock = WriteLock((self.path, self.layout.blobs, self._layers))

    def has(self, reference: str) -> bool:
        """Return whether an image has this name."""
        name = normalise(reference)
        return any(_name(entry) == name for entry in self.layout.read_index()["manifests"])

    def resolve(self, reference: str) -> Image:
        """Find an image by its name, its digest, or the start of its id.

        Args:
            reference: `busybox`, `busybox:latest`, `busybox@sha256:...`, `sha256:...` or some
                first digits of an id.

        Raises:
            UsageError: There is no such image, more than one, or it is damaged.
            KernelError: The store cannot be read: EACCES, EIO.
        """
        entry = self._find(self.layout.read_index(), reference)
        with _damaged(reference):
            manifest, document = self._documents(entry)
            recorded = entry.get("annotations", {}).get(CHAIN_IDS)
            diff_ids = document["rootfs"]["diff_ids"]
            chain = recorded.split(",") if recorded else layout.chain_ids(diff_ids)
            lowerdirs = [self._layer(chain_id) for chain_id in reversed(chain)]
            if not all(map(os.path.isdir, lowerdirs)):
                with self.lock():
                    self._unpack(manifest, document)
            image_id = manifest["config"]["digest"]
            return Image(
                _name(entry) or entry["digest"], image_id, document.get("config") or {}, lowerdirs
            )

    def add(self, reference: str, manifest: Descriptor) -> Image:
        """Give a name to a manifest whose blobs are all in the layout, and unpack its layers.

        Whoever writes the blobs holds `lock()` from the first blob until this returns. An image
        that had the name before stays in the store without one.

        Args:
            reference: The name.
            manifest: The manifest's descriptor, as `layout.write_blob` returns it.

        Raises:
            UsageError: Not a name; a blob is missing; a layer is corrupt or not what the config
                says.
            KernelError: The file system refused: ENOSPC, EACCES, EROFS.

        Source: OCI image-spec v1.1, image-layout.md, section index.json file (ref.name).
        """
        name = check(reference)
        with self.lock():
            with _damaged(name):
                chain = self._unpack(*self._documents(manifest))
            annotations = {REF_NAME: name, CHAIN_IDS: ",".join(chain)}
            index = self.layout.read_index()
            kept = _without_name(index["manifests"], name, manifest["digest"])
            index["manifests"] = [*kept, {**manifest, "annotations": annotations}]
            self.layout.write_index(index)
        return self.resolve(name)

    def remove(self, reference: str, in_use: Collection[str] = ()) -> None:
        """Remove an image's name, and with its last name what no other image needs.

        Args:
            reference: As for `resolve`.
            in_use: The lowerdirs of all containers.

        Raises:
            UsageError: There is no such image, it has several names but was not named by one, or
                a container uses it.
            KernelError: The file system refused: EACCES, EROFS.
        """
        with self.lock():
            index = self.layout.read_index()
            entry = self._find(index, reference)
            names = [_name(e) for e in index["manifests"] if e["digest"] == entry["digest"]]
            if len(names) > 1 and normalise(reference) not in names:
                raise UsageError(
                    f"image {quoted(reference)} has several names",
                    f"Remove it by name: {', '.join(sorted(names))}",
                )
            index["manifests"].remove(entry)
            with _damaged(reference):
                blobs, directories = self._unneeded(index)
            if not directories.isdisjoint(in_use):
                raise UsageError(
                    f"image {quoted(reference)} is in use by a container",
                    "Remove the container first: kernelbox rm",
                )
            self.layout.write_index(index)
            self._lock.delete(blobs | directories)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from writing to the store while the block runs; it may be nested.

        Blobs that no image leads to are removed: at the start those of a crash, and if the block
        fails those that it wrote.

        Raises:
            KernelError: The store cannot be written: EACCES, EROFS.
        """
        with self._lock.hold() as outermost:
            if not outermost:
                yield
                return
            self._collect_blobs()
            try:
                yield
            except BaseException:
                self._collect_blobs()
                raise

    def _find(self, index: Document, reference: str) -> Descriptor:
        entries: list[Descriptor] = index["manifests"]
        wanted = normalise(reference)
        for entry in entries:
            if _name(entry) == wanted:
                return entry
        found = {e["digest"]: e for e in entries if self._has_digest(e, reference)}
        if len(found) > 1:
            raise UsageError(f"{quoted(reference)} begins several image ids", "Give more digits")
        if not found:
            here = ", ".join(sorted(_name(entry) for entry in entries if _name(entry)))
            raise UsageError(
                f"no image {quoted(wanted)} in the store",
                f"Images here: {here}" if here else "The store is empty: `make setup` fills it",
            )
        return found.popitem()[1]

    def _has_digest(self, entry: Descriptor, reference: str) -> bool:
        repository, _, digest = reference.partition("@")
        if digest:
            named = _name(entry).startswith(f"{repository}:")
            return named and bool(digest == entry["digest"])
        digits = reference.removeprefix("sha256:")
        if not digits or not set(digits) <= set("0123456789abcdef"):
            return False
        with _damaged(_name(entry) or entry["digest"]):
            image_id: str = self.layout.read_json(entry["digest"])["config"]["digest"]
        return reference == entry["digest"] or image_id.startswith(f"sha256:{digits}")

    def _documents(self, entry: Descriptor) -> tuple[Document, Document]:
        manifest = self.layout.read_json(entry["digest"])
        return manifest, self.layout.read_json(manifest["config"]["digest"])

    def _layer(self, chain_id: str) -> str:
        return f"{self._layers}/{layout.hex_of(chain_id)}"

    def _unpack(self, manifest: Document, document: Document) -> list[str]:
        """Unpack the layers that are not unpacked yet; return the ChainIDs, bottom first."""
        from kernelbox.images import layers  # tarfile and hashlib: not needed once unpacked

        diff_ids = document["rootfs"]["diff_ids"]
        if not diff_ids or len(diff_ids) != len(manifest["layers"]):
            raise UsageError("a manifest and its config disagree on the number of layers")
        try:
            # The layers hold setuid programs and devices: no other user may reach them.
            os.makedirs(self._layers, mode=0o700, exist_ok=True)
        except OSError as error:
            raise layout.store_error(f"create {self._layers}", error) from error
        chain = layout.chain_ids(diff_ids)
        lower: list[str] = []
        made: list[str] = []
        try:
            for blob, diff_id, chain_id in zip(manifest["layers"], diff_ids, chain, strict=True):
                layout.hex_of(diff_id)
                directory = self._layer(chain_id)
                if not os.path.isdir(directory):
                    path = self.layout.blob_path(blob["digest"])
                    layers.unpack(path, directory, diff_id=diff_id, parents=lower)
                    made.append(directory)
                lower.insert(0, directory)
        except BaseException:
            self._lock.delete(made)
            raise
        return chain

    def _unneeded(self, index: Document) -> tuple[set[str], set[str]]:
        """Return the blobs and the layer directories that no image in the index leads to."""
        needed: set[str] = set()
        for entry in index["manifests"]:
            manifest, document = self._documents(entry)
            digests = [entry["digest"], manifest["config"]["digest"]]
            digests += [layer["digest"] for layer in manifest["layers"]]
            needed.update(map(self.layout.blob_path, digests))
            needed.update(map(self._layer, layout.chain_ids(document["rootfs"]["diff_ids"])))
        return files(self.layout.blobs) - needed, files(self._layers) - needed

    def _collect_blobs(self) -> None:
        # Not the layers: a container may use one that the index has lost.
        with contextlib.suppress(UsageError), _damaged("index.json"):
            # A damaged image does not tell what it needs; then nothing is removed.
            self._lock.delete(self._unneeded(self.layout.read_index())[0])

    # Last in the class: below this line `list` would mean the method.
    def list(self) -> tuple[Summary, ...]:
        """Return the images of the store, by name.

        Raises:
            UsageError: An image is damaged.
            KernelError: The store cannot be read: EACCES, EIO.
        """
        found = []
        for entry in self.layout.read_index()["manifests"]:
            with _damaged(_name(entry) or entry["digest"]):
                manifest, document = self._documents(entry)
                size = sum(blob["size"] for blob in [manifest["config"], *manifest["layers"]])
                created = document.get("created") or ""
                image_id = manifest["config"]["digest"]
                found.append(Summary(_name(entry), image_id, created, size))
        return tuple(sorted(found))


def _name(entry: Descriptor) -> str:
    name: str = entry.get("annotations", {}).get(REF_NAME, "")
    return name


def _without_name(entries: list[Descriptor], name: str, digest: str) -> list[Descriptor]:
    """Take a name from the image that has it; keep that image unless it is `digest` itself."""
    kept = [entry for entry in entries if _name(entry) != name]
    known = {digest, *(entry["digest"] for entry in kept)}
    kept = [entry for entry in kept if _name(entry) or entry["digest"] != digest]
    for entry in entries:
        if _name(entry) == name and entry["digest"] not in known:
            del entry["annotations"][REF_NAME]
            kept.append(entry)
    return kept


@contextlib.contextmanager
def _damaged(reference: str) -> Iterator[None]:
    """Turn what a manifest or config of the wrong shape causes into one line for people."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"image {quoted(reference)} is damaged: its manifest or config lacks a field",
            "Remove it and get it anew",
        ) from error

"""The image store: an OCI image-layout, and beside it each layer unpacked once.

    oci-layout  index.json  blobs/sha256/<hex>     see layout.py
    build-cache.json                               see cache.py
    layers/<hex of the ChainID>/                   one immutable lowerdir each; see unpacked.py
    downloads/<hex>                                what a pull has so far; see registry/fetch.py
    .lock                                          see lock.py

Reading takes no lock: every file and directory appears under its name when it is complete.
The descriptor of an image in index.json carries the ChainIDs of its layers as an annotation, so
that starting a container computes no hash. Other tools may write the layout as well: what they
added is unpacked when it is used. Leaves what may be removed to garbage.py, and making images to
others (embedded.py, registry/pull.py, ...).
"""

from __future__ import annotations

import os

from kernelbox.images import index, layout, manifests
from kernelbox.images.image import Image, Summary
from kernelbox.images.index import REPO_DIGEST, damaged, name_of
from kernelbox.images.layout import REF_NAME, Layout
from kernelbox.images.lock import WriteLock
from kernelbox.images.reference import check, normalise, quoted
from kernelbox.images.unpacked import UnpackedLayers
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import paths
from kernelbox.plumbing.light import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from kernelbox.images.layout import Descriptor
    from kernelbox.images.manifests import Document, Found

CHAIN_IDS = "dev.kernelbox.chain-ids"


class Store:
    """The images on this host.

    Attributes:
        layout: The blobs, and the index that names some of them.
        layers: The layers as directories.
        downloads: Where pulls keep what they have so far.

    Args:
        path: The store's directory; `paths.images()` if empty. It is made when the first image is
            added.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path or paths.images()
        self.layout = Layout(self.path)
        self.downloads = f"{self.path}/downloads"
        layers = f"{self.path}/layers"
        self._lock = WriteLock((self.path, self.layout.blobs, layers))
        self.layers = UnpackedLayers(layers, self.layout, self._lock)

    def version(self) -> tuple[int, ...]:
        """Return a value that is another one after each change to the images or their names."""
        try:
            index = os.stat(f"{self.path}/index.json")
        except FileNotFoundError:
            return ()
        return index.st_dev, index.st_ino, index.st_mtime_ns, index.st_size

    def has(self, reference: str) -> bool:
        """Return whether an image has this name."""
        name = normalise(reference)
        return any(name_of(entry) == name for entry in self.layout.read_index()["manifests"])

    def resolve(self, reference: str) -> Image:
        """Find an image by its name, its digest, or the start of its id.

        Args:
            reference: `busybox`, `busybox:latest`, `busybox@sha256:...`, `sha256:...` or some
                first digits of an id.

        Raises:
            UsageError: There is no such image, more than one, or it is damaged.
            KernelError: The store cannot be read: EACCES, EIO.
        """
        entry = index.look_up(self.layout, reference)
        with damaged(reference):
            found = manifests.find(self.layout, entry)
            recorded = entry.get("annotations", {}).get(CHAIN_IDS)
            chain = recorded.split(",") if recorded else layout.chain_ids(found.diff_ids)
            lowerdirs = [self.layers.directory(chain_id) for chain_id in reversed(chain)]
            if not all(map(os.path.isdir, lowerdirs)):
                with self.lock():
                    self.layers.unpack(found)
            config = found.config.get("config") or {}
            return Image(name_of(entry) or entry["digest"], found.id, config, lowerdirs)

    def find(self, reference: str) -> tuple[Descriptor, Found]:
        """Return an image's entry in the index, and its documents; parameter and errors as above.

        Unlike `resolve` it does not need the layers to be unpacked.
        """
        entry = index.look_up(self.layout, reference)
        with damaged(reference):
            return entry, manifests.find(self.layout, entry)

    def inspection(self, reference: str) -> Document:
        """Return all that is known about an image; parameter and errors as above.

        Source: Docker Engine API, "Inspect an image".
        """
        entry, found = self.find(reference)
        image = self.resolve(reference)
        with damaged(reference):
            return index.inspection(self.layout, entry, found, image.lowerdirs)

    def add(self, reference: str | None, manifest: Descriptor, repo_digest: str = "") -> Image:
        """Give a name to a manifest whose blobs are all in the layout, and unpack its layers.

        Whoever writes the blobs keeps the store locked from the first blob until this returns. An
        image that had the name before stays in the store without one.

        Args:
            reference: The name; None for an image without one.
            manifest: The manifest's descriptor, as `layout.write_blob` returns it.
            repo_digest: What the registry that it came from calls it.

        Raises:
            UsageError: Not a name; a blob is missing; a layer is corrupt or not what the config
                says.
            KernelError: The file system refused: ENOSPC, EACCES, EROFS.

        Source: OCI image-spec v1.1, image-layout.md, section index.json file (ref.name).
        """
        name = "" if reference is None else check(reference)
        from contextlib import ExitStack  # only who makes an image has several of its names

        with self.lock(), ExitStack() as naming, damaged(name):
            found = manifests.find(self.layout, manifest)
            manifests.check_sizes(self.layout, found)
            with self.layers.drafted(found) as (chain, _):
                annotations = {REF_NAME: name} if name else {}
                annotations[CHAIN_IDS] = ",".join(chain)
                if repo_digest:
                    annotations[REPO_DIGEST] = repo_digest
                listed = self._with({**manifest, "annotations": annotations}, name)
                naming.enter_context(self.layout.replacing_index(listed))
        return self.resolve(name or manifest["digest"])

    def _with(self, entry: Descriptor, name: str) -> Document:
        """Return the index with one more entry; a name is taken from the image that had it."""
        listed = self.layout.read_index()
        if name or all(one["digest"] != entry["digest"] for one in listed["manifests"]):
            kept = index.without_name(self.layout, listed["manifests"], name, entry)
            listed["manifests"] = [*kept, entry]
        return listed

    def tag(self, reference: str, name: str) -> None:
        """Give an image one more name; an image that had it loses it.

        Raises:
            UsageError: There is no such image, or it is not a name.
            KernelError: The file system refused: EACCES, EROFS.
        """
        with self.lock():
            entry, _ = self.find(reference)
            plain = {key: value for key, value in entry.items() if key != "annotations"}
            self.add(name, plain, entry.get("annotations", {}).get(REPO_DIGEST, ""))

    def remove(
        self, reference: str, in_use: Collection[str] = (), *, force: bool = False
    ) -> list[str]:
        """Remove an image's name, and with its last name what no other image needs.

        Args:
            reference: As for `resolve`.
            in_use: The lowerdirs of all containers.
            force: Whether an image that was not named by one of its several names loses them all.

        Returns:
            What was done, as Docker says it: `Untagged: NAME`, `Deleted: DIGEST`.

        Raises:
            UsageError: There is no such image, it has several names but was not named by one, or
                a container uses it.
            KernelError: The file system refused: EACCES, EROFS.
        """
        with self.lock():
            listed = self.layout.read_index()
            entry = index.look_up(self.layout, reference)
            same = [one for one in listed["manifests"] if one["digest"] == entry["digest"]]
            names = [name_of(one) for one in same]
            gone = [entry]
            if len(names) > 1 and normalise(reference) not in names:
                if not force:
                    raise UsageError(
                        f"image {quoted(reference)} has several names",
                        f"Remove it by name: {', '.join(sorted(names))}",
                    )
                gone = same
            listed["manifests"] = [one for one in listed["manifests"] if one not in gone]
            done = [f"Untagged: {name_of(one)}" for one in gone if name_of(one)]
            return done + self._drop(listed, quoted(reference), in_use)

    def prune(self, in_use: Collection[str] = (), *, everything: bool = False) -> list[str]:
        """Remove images without a name that no container uses, and what else nobody needs.

        That is what pulls left unfinished, and what builds keep for later builds.

        Args:
            in_use: The lowerdirs of all containers.
            everything: Whether images with a name are removed as well.

        Returns:
            What was done, as `remove` does.

        Raises:
            KernelError: The file system refused: EACCES, EROFS.
        """
        from kernelbox.images import cache, downloads  # only here

        done = []
        with self.lock():
            downloads.remove_unfinished(self.downloads)  # first: the rest needs room on a full disk
            cache.clear(self.layout)
            for entry in self.layout.read_index()["manifests"]:
                if name_of(entry) and not everything:
                    continue
                with suppress(UsageError):
                    done += self.remove(name_of(entry) or entry["digest"], in_use)
            listed = self.layout.read_index()
            left = self._unneeded(listed)[1] - set(in_use)
            self._lock.delete(left)
        return done

    def _drop(self, listed: Document, shown: str, in_use: Collection[str]) -> list[str]:
        """Write an index with fewer entries, and delete what none of them needs."""
        blobs: set[str] = set()
        directories: set[str] = set()
        with suppress(UsageError), damaged(shown):
            # Another one that is damaged does not tell what it needs; then nothing is deleted.
            blobs, directories = self._unneeded(listed)
        if not directories.isdisjoint(in_use):
            raise UsageError(
                f"image {shown} is in use by a container",
                "Remove the container first: kernelbox rm",
            )
        with self.layout.replacing_index(listed):
            pass
        self._lock.delete(blobs | directories)
        return [f"Deleted: sha256:{os.path.basename(path)}" for path in sorted(directories)]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from writing to the store while the block runs; it may be nested.

        Blobs that no image leads to are removed: at the start those of a crash, and if the block
        fails those that it wrote.

        Raises:
            KernelError: The store cannot be written: EACCES, EROFS.
        """
        with self._lock.taken() as outermost:
            if not outermost:
                yield
                return
            self.collect()
            try:
                yield
            except BaseException:
                self.collect()
                raise

    def collect(self) -> None:
        """Remove blobs that no image leads to; the caller has taken the lock."""
        # Not the layers: a container may use one that the index has lost.
        with suppress(UsageError), damaged("index.json"):
            # A damaged image does not tell what it needs; then nothing is removed.
            self._lock.delete(self._unneeded(self.layout.read_index())[0])

    def _unneeded(self, listed: Document) -> tuple[set[str], set[str]]:
        from kernelbox.images import garbage  # running an image leaves none

        return garbage.unneeded(self.layout, self.layers, listed)

    # Last in the class: below this line `list` would mean the method.
    def list(self, report: Callable[[UsageError], object] | None = None) -> tuple[Summary, ...]:
        """Return the images of the store, by name.

        Args:
            report: Told of each image that is damaged, and then left out.

        Raises:
            UsageError: The index is damaged; without `report`, an image is.
            KernelError: The store cannot be read: EACCES, EIO.
        """
        found = []
        for entry in self.layout.read_index()["manifests"]:
            name = name_of(entry) or entry["digest"]
            try:
                with damaged(name):
                    found.append(self._summary(entry))
            except UsageError as error:
                broken = UsageError(
                    f"image {quoted(name)} is damaged: {error.message}",
                    f"Get it anew: kernelbox pull, load or build; or kernelbox rmi {quoted(name)}",
                )
                if report is None:
                    raise broken from error
                report(broken)
        return tuple(sorted(found))

    def _summary(self, entry: Descriptor) -> Summary:
        image = manifests.find(self.layout, entry)
        parts = [image.manifest["config"], *image.manifest["layers"]]
        created = str(image.config.get("created") or "")
        said = entry.get("annotations", {}).get(REPO_DIGEST, "")
        return Summary(name_of(entry), image.id, created, sum(blob["size"] for blob in parts), said)

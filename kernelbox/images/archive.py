"""Images in one file: what `save` writes and `load` reads.

    oci-layout  index.json  blobs/sha256/<hex>    an OCI image-layout, as the store has it
    manifest.json                                 what Docker reads first: names, config, layers

`save` writes both, so that skopeo reads the file as docker-archive and as oci-archive. `load` reads
either, and Docker's older form, in which each layer is called `<id>/layer.tar`. The file comes from
a stranger: its entries become blobs, named by their digest, and nothing is named by the archive.

Source: OCI image-spec v1.1, image-layout.md; moby/docker-image-spec v1.2, section Combined Image
JSON + Filesystem Changeset Format.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import posixpath
import tarfile

from kernelbox.images import bounds, layout, manifests
from kernelbox.images.index import damaged, name_of
from kernelbox.images.layout import REF_NAME
from kernelbox.images.reference import check, normalise
from kernelbox.images.streams import Tape
from kernelbox.images.writers import CountingWriter
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, BinaryIO

    from kernelbox.images.image import Image
    from kernelbox.images.layout import Descriptor
    from kernelbox.images.manifests import Found
    from kernelbox.images.store import Store

_MAX_FILES = (
    10_000  # of an archive: five hundred layers, each with two files of Docker's older form
)
_CONTAINERD_NAME = "io.containerd.image.name"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def save(store: Store, references: Sequence[str], out: BinaryIO) -> None:
    """Write images with all they need into a tar.

    Args:
        store: Where from.
        references: Which; one that is a name keeps it.
        out: Receives the tar.

    Raises:
        UsageError: There is no such image.
        OSError: It cannot be written.
    """
    index: list[Descriptor] = []
    docker: dict[str, dict[str, Any]] = {}
    blobs: dict[str, int] = {}
    for reference in references:
        entry, image = store.find(reference)
        name = name_of(entry) if name_of(entry) == normalise(reference) else ""
        plain = {key: image.descriptor[key] for key in ("mediaType", "digest", "size")}
        index.append({**plain, **({"annotations": {REF_NAME: name}} if name else {})})
        parts = [plain, image.manifest["config"], *image.manifest["layers"]]
        blobs.update({part["digest"]: part["size"] for part in parts})
        listed = docker.setdefault(image.id, _docker_entry(image))
        if name and "@" not in name:
            listed["RepoTags"].append(name)
    counted = CountingWriter(out)  # a tarfile's own stream is loud when a pipe breaks
    with tarfile.open(fileobj=counted, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for digest in blobs:
            with open(store.layout.blob_path(digest), "rb") as file:
                member = _member(_place(digest), os.fstat(file.fileno()).st_size)
                tar.addfile(member, file)
        layout_file = {"imageLayoutVersion": "1.0.0"}
        top = {"schemaVersion": 2, "mediaType": layout.INDEX, "manifests": index}
        for path, document in (
            ("index.json", top),
            ("manifest.json", list(docker.values())),
            ("oci-layout", layout_file),
        ):
            text = json.dumps(document, ensure_ascii=False).encode()
            tar.addfile(_member(path, len(text)), io.BytesIO(text))


def load(store: Store, path: str) -> list[Image]:
    """Read every image of an archive into the store.

    Args:
        store: Where to.
        path: The file; plain, or compressed with gzip, zstd, bzip2 or xz.

    Returns:
        The images, one for each name.

    Raises:
        UsageError: It is no archive of images, or a damaged or hostile one.
        KernelError: The file system refuses: ENOSPC, EACCES.
    """
    with store.lock(), damaged(os.path.basename(path)):
        try:
            with Tape(path, any_compression=True) as tape:
                files = _Files(store, tape)
        except (KernelboxError, OSError):
            raise
        except Exception as error:
            # On hostile headers tarfile raises nearly anything, and zlib has an error of its own.
            cause = " ".join(str(error).split())
            raise UsageError(
                f"{path} is no archive of images, or a damaged one: {cause}"
            ) from error
        if not ("manifest.json" in files or "index.json" in files):
            raise UsageError(
                f"{path} holds no image: neither manifest.json nor index.json is in it",
                "Of a tar of files an image is made by: kernelbox import FILE NAME",
            )
        found = [
            store.add(name, descriptor)
            for name, descriptor in (files.docker() if "manifest.json" in files else files.oci())
        ]
        store.collect()
    return found


class _Files:
    """What an archive holds: each file is a blob already, and known by its name here only."""

    def __init__(self, store: Store, tape: Tape) -> None:
        self._layout = store.layout
        self._blobs: dict[str, Descriptor] = {}
        self._links: dict[str, str] = {}
        with tarfile.open(fileobj=tape, mode="r:", encoding="utf-8") as members:
            count = 0
            while member := members.next():
                count += 1
                if count > _MAX_FILES:
                    raise UsageError(f"the archive has more than {_MAX_FILES} files")
                self._take(member, tape)
                members.members.clear()  # type: ignore[attr-defined]
        tape.check_end()

    def _take(self, member: tarfile.TarInfo, tape: Tape) -> None:
        name = posixpath.normpath(member.name)
        if member.issym():
            self._links[name] = posixpath.normpath(f"{posixpath.dirname(name)}/{member.linkname}")
        elif member.islnk():
            self._links[name] = posixpath.normpath(member.linkname)
        elif member.isreg():
            # In blobs/ the name says what the digest must be.
            said = name.rpartition("/")[2] if name.startswith("blobs/sha256/") else ""
            with self._layout.new_blob("", f"sha256:{said}" if said else "") as blob:
                for chunk in tape.chunks(member.size):
                    blob.write(chunk)
            self._blobs[name] = blob.descriptor

    def __contains__(self, name: str) -> bool:
        return name in self._blobs

    def _blob(self, name: Any) -> Descriptor:
        name = posixpath.normpath(str(name))
        for _ in range(bounds.MAX_DEPTH):
            if name in self._blobs:
                return self._blobs[name]
            name = self._links.get(name, "")
        raise UsageError("the archive lacks a file that it names", "Save the image again")

    def _json(self, name: str) -> Any:
        path = self._layout.blob_path(self._blob(name)["digest"])
        with open(path, "rb") as file:
            return json.loads(file.read(bounds.MAX_JSON))

    def oci(self) -> Iterable[tuple[str | None, Descriptor]]:
        """Yield name and manifest of each image that index.json lists."""
        for entry in self._json("index.json")["manifests"]:
            plain = {key: entry[key] for key in ("mediaType", "digest", "size")}
            found = manifests.find(self._layout, plain)
            yield _name_of(entry.get("annotations") or {}), found.descriptor

    def docker(self) -> Iterable[tuple[str | None, Descriptor]]:
        """Yield name and manifest of each image that manifest.json lists."""
        for entry in self._json("manifest.json"):
            descriptor = self._manifest(entry)
            for name in entry.get("RepoTags") or [None]:
                yield _name(name), descriptor

    def _manifest(self, entry: Any) -> Descriptor:
        """Return the manifest of one entry: the archive's own, or one made of what it lists."""
        config = {**self._blob(entry["Config"]), "mediaType": layout.CONFIG}
        if "index.json" in self:
            for one in self._json("index.json")["manifests"]:
                # Docker lists images there of which the file holds a part only.
                with contextlib.suppress(
                    UsageError, LookupError, TypeError, AttributeError, ValueError
                ):
                    found = manifests.find(self._layout, one)
                    if found.id == config["digest"]:
                        keys = ("mediaType", "digest", "size")
                        return {key: found.descriptor[key] for key in keys}
        stack = [self._layer(name) for name in entry["Layers"]]
        text = layout.encode(layout.manifest(config, stack))
        return self._layout.write_blob(layout.MANIFEST, text)

    def _layer(self, name: Any) -> Descriptor:
        blob = self._blob(name)
        with open(self._layout.blob_path(blob["digest"]), "rb") as file:
            magic = file.read(4)
        kind = layout.LAYER_ZSTD if magic == _ZSTD else layout.LAYER
        return {**blob, "mediaType": layout.LAYER_GZIP if magic.startswith(_GZIP) else kind}


def _name(said: Any) -> str | None:
    """Return a name that an archive says, if it may be one."""
    try:
        return check(said) if isinstance(said, str) else None
    except UsageError:
        return None


def _name_of(annotations: dict[str, Any]) -> str | None:
    """Return the name that an entry of an index has. A ref.name may be a tag alone.

    Source: containerd, `io.containerd.image.name`; OCI image-spec v1.1, annotations.md.
    """
    said = annotations.get(REF_NAME)
    is_name = isinstance(said, str) and ("/" in said or ":" in said)
    return _name(annotations.get(_CONTAINERD_NAME)) or (_name(said) if is_name else None)


def _docker_entry(image: Found) -> dict[str, Any]:
    layers = [_place(one["digest"]) for one in image.manifest["layers"]]
    return {"Config": _place(image.id), "RepoTags": [], "Layers": layers}


def _place(digest: str) -> str:
    return f"blobs/sha256/{layout.hex_of(digest)}"


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member

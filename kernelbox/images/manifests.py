"""From a descriptor to an image: through an index of platforms to one manifest and its config.

A manifest comes from a stranger, too. Whatever is read here has the shape that the others rely on:
digests are digests, there are as many DiffIDs as layers, and a circle of indexes has an end.
"""

from __future__ import annotations

import os

from kernelbox.images import bounds, layout
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from kernelbox.images.layout import Descriptor, Layout

    Document = dict[str, Any]

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFESTS = (layout.MANIFEST, DOCKER_MANIFEST)
INDEXES = (layout.INDEX, DOCKER_LIST)

# Docker's own media types, from before OCI's: the same bytes under another name.
# Source: distribution/distribution, "Image Manifest Version 2, Schema 2".
_DOCKERS = {
    DOCKER_MANIFEST: layout.MANIFEST,
    "application/vnd.docker.container.image.v1+json": layout.CONFIG,
    "application/vnd.docker.image.rootfs.diff.tar": layout.LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": layout.LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": layout.LAYER_ZSTD,
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": layout.LAYER_GZIP,
}

# What a config says of how it is run, by kind; each may be missing or null.
# Source: OCI image-spec v1.1, config.md, section Properties; moby, strslice, for a single word.
_WORDS = ("Env", "Cmd", "Entrypoint", "Shell", "OnBuild")
_OR_ONE_WORD = ("Cmd", "Entrypoint", "Shell")
_MAPPINGS = ("Labels", "Volumes", "ExposedPorts", "Healthcheck")
_TEXTS = ("User", "WorkingDir", "StopSignal")

_MACHINES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "i686": ("386", ""),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
}
"""uname(2)'s name -> Go's and its variant; other machines have one name in both."""


def oci_type(media_type: str) -> str:
    """Return OCI's media type for one of Docker's; any other as it is."""
    return _DOCKERS.get(media_type, media_type)


class Found(NamedTuple):
    """One image of a layout.

    Attributes:
        descriptor: Of the manifest.
        manifest: Config and layers by descriptor, the bottom layer first.
        config: What to run, the DiffIDs and the history.
    """

    descriptor: Descriptor
    manifest: Document
    config: Document

    @property
    def id(self) -> str:
        """The digest of its config."""
        digest: str = self.manifest["config"]["digest"]
        return digest

    @property
    def diff_ids(self) -> list[str]:
        """The digests of its layers before compression, the bottom one first."""
        ids: list[str] = self.config["rootfs"]["diff_ids"]
        return ids


def host_platform() -> str:
    """Return this host's platform in the words of an index: `linux/amd64`."""
    machine = os.uname().machine
    name, variant = _MACHINES.get(machine, (machine, ""))
    return f"linux/{name}/{variant}" if variant else f"linux/{name}"


def find(source: Layout, entry: Descriptor, platform: str = "") -> Found:
    """Return the image that a descriptor leads to, on this host's platform or the one named.

    Raises:
        UsageError: A blob is missing or has another shape; there is none for the platform.
    """
    for _ in range(bounds.MAX_DEPTH_OF_INDEXES):
        document = source.read_json(entry["digest"])
        if "manifests" not in document:
            manifest = check_manifest(document)
            config = check_config(source.read_json(manifest["config"]["digest"]), manifest)
            return Found(entry, manifest, config)
        entry = choose(document, platform)
    raise UsageError("an index leads to an index, and that on and on")


def choose(index: Document, platform: str = "") -> Descriptor:
    """Return the descriptor in an index that is for a platform.

    Args:
        index: The document.
        platform: `linux/arm64`, `linux/arm/v7`; this host's if empty.

    Raises:
        UsageError: There is none; the hint names what there is.

    Source: OCI image-spec v1.1, image-index.md, property platform.
    """
    wanted = (platform or host_platform()).split("/")
    entries = [_descriptor(one) for one in _list(index["manifests"])]
    named = [(_platform(one), one) for one in entries]
    for length in (3, 2):  # the variant decides only where it is said
        for parts, entry in named:
            if parts[:length] == wanted[:length] or (len(parts) == 0 and len(entries) == 1):
                return entry
    there = sorted({"/".join(parts) for parts, _ in named if parts and parts[0] != "unknown"})
    raise UsageError(
        f"the image is not made for {'/'.join(wanted)}",
        f"It is for {', '.join(there)}" if there else "",
    )


def check_manifest(document: Document) -> Document:
    """Return a manifest, if it is one.

    Raises:
        UsageError: It is of another kind, or a property is missing or of another shape.

    Source: OCI image-spec v1.1, manifest.md.
    """
    kind = document.get("mediaType", layout.MANIFEST)
    if kind not in MANIFESTS or "layers" not in document or "config" not in document:
        raise UsageError(f"a manifest is of the unknown kind {kind!r:.80}")
    layers = _list(document["layers"])
    if len(layers) > bounds.MAX_LAYERS:
        raise UsageError(f"it has {len(layers)} layers, and overlay stacks {bounds.MAX_LAYERS}")
    for one in (document["config"], *layers):
        layout.hex_of(_descriptor(one)["digest"])
        if "tar" not in str(one["mediaType"]) and one is not document["config"]:
            raise UsageError(f"a layer is of the unknown kind {one['mediaType']!r:.80}")
    return document


def check_config(document: Document, manifest: Document) -> Document:
    """Return a config, if it is one and belongs to the manifest.

    Raises:
        UsageError: A property is missing or of another shape.

    Source: OCI image-spec v1.1, config.md.
    """
    rootfs, run = document.get("rootfs"), document.get("config") or {}
    if not isinstance(rootfs, dict) or not isinstance(run, dict):
        raise _lacks("rootfs")
    diff_ids = _list(rootfs.get("diff_ids"))
    if len(diff_ids) != len(manifest["layers"]):
        raise UsageError("a manifest and its config disagree on the number of layers")
    for one in diff_ids:
        layout.hex_of(str(one))
    history = document.get("history") or []
    if not isinstance(history, list) or not all(isinstance(one, dict) for one in history):
        raise _lacks("list of steps for history")
    for name in _WORDS:
        if isinstance(run.get(name), str) and name in _OR_ONE_WORD:
            run[name] = [run[name]]
        words = run.get(name) or []
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise _lacks(f"list of texts for {name}")
    for name in _MAPPINGS:
        if not isinstance(run.get(name) or {}, dict):
            raise _lacks(f"mapping for {name}")
    for name in _TEXTS:
        if not isinstance(run.get(name) or "", str):
            raise _lacks(f"text for {name}")
    return document


def check_sizes(source: Layout, image: Found) -> None:
    """Check that each blob has the size that its descriptor gives: its receiver relies on that.

    Raises:
        UsageError: One is not.
    """
    for part in (image.manifest["config"], *image.manifest["layers"]):
        path = source.blob_path(part["digest"])
        if os.path.exists(path) and os.path.getsize(path) != part["size"]:
            raise UsageError(
                f"blob {part['digest']} has {os.path.getsize(path)} bytes, "
                f"and its manifest says {part['size']}",
                "Get the image anew",
            )


def digests(source: Layout, entry: Descriptor, depth: int = 0) -> Iterator[str]:
    """Yield the digest of every blob that a descriptor leads to; of an index, of what is here.

    Raises:
        UsageError: A blob is missing or damaged.
    """
    yield entry["digest"]
    document = source.read_json(entry["digest"])
    if "manifests" not in document:
        yield document["config"]["digest"]
        yield from (one["digest"] for one in document["layers"])
    elif depth < bounds.MAX_DEPTH_OF_INDEXES:
        for one in _list(document["manifests"]):
            if os.path.exists(source.blob_path(_descriptor(one)["digest"])):
                yield from digests(source, one, depth + 1)


def _platform(entry: Descriptor) -> list[str]:
    said = entry.get("platform")
    if not isinstance(said, dict):
        return []
    parts = [said.get("os"), said.get("architecture"), said.get("variant")]
    return [str(part) for part in parts if part]


def _descriptor(one: Any) -> Descriptor:
    if not isinstance(one, dict) or not isinstance(one.get("digest"), str):
        raise _lacks("digest")
    if not isinstance(one.get("size"), int) or not 0 <= one["size"] <= bounds.MAX_BYTES:
        raise _lacks("size")
    if not isinstance(one.get("mediaType"), str):
        raise _lacks("mediaType")
    return one


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _lacks("list of layers")
    return value


def _lacks(what: str) -> UsageError:
    return UsageError(f"a manifest or config lacks a {what}", "Remove the image and get it anew")

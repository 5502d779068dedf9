"""The names in a layout's index.json: finding an image's entry, and giving names away.

Leaves what an entry leads to to manifests.py, and layers and locking to store.py.
"""

from __future__ import annotations

from kernelbox.images import manifests
from kernelbox.images.layout import REF_NAME, Layout
from kernelbox.images.reference import normalise, quoted, split
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing.light import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from kernelbox.images.layout import Descriptor
    from kernelbox.images.manifests import Found

REPO_DIGEST = "dev.kernelbox.repo-digest"
"""The digest that a registry has an image under: of several platforms, that of their index."""


class NoSuchImage(UsageError):
    """No image of the store has this name."""


def look_up(source: Layout, reference: str) -> Descriptor:
    """Return the entry of an image that is named by its name, its digest or the start of its id.

    Raises:
        NoSuchImage: There is none.
        UsageError: There is more than one.
    """
    entries: list[Descriptor] = source.read_index()["manifests"]
    wanted = normalise(reference)
    for entry in entries:
        if name_of(entry) == wanted:
            return entry
    found = {e["digest"]: e for e in entries if _has_digest(source, e, reference)}
    if len(found) > 1:
        raise UsageError(f"{quoted(reference)} begins several image ids", "Give more digits")
    if not found:
        here = ", ".join(sorted(name_of(entry) for entry in entries if name_of(entry)))
        raise NoSuchImage(
            f"no image {quoted(wanted)} in the store",
            f"Images here: {here or 'none'}; others: kernelbox pull, or load",
        )
    return found.popitem()[1]


def _has_digest(source: Layout, entry: Descriptor, reference: str) -> bool:
    repository, _, digest = reference.partition("@")
    if digest:
        named = name_of(entry).startswith(f"{repository}:")
        return named and bool(digest == entry["digest"])
    digits = reference.removeprefix("sha256:")
    if not digits or not set(digits) <= set("0123456789abcdef"):
        return False
    if reference == entry["digest"]:
        return True
    try:
        with damaged(name_of(entry) or entry["digest"]):
            return manifests.find(source, entry).id.startswith(f"sha256:{digits}")
    except KernelboxError:
        return False  # a damaged one is no reason not to find another


def name_of(entry: Descriptor) -> str:
    """Return the name of an entry, normalised; "" if it has none."""
    name: str = entry.get("annotations", {}).get(REF_NAME, "")
    return normalise(name) if name else ""


def without_name(
    source: Layout, entries: list[Descriptor], name: str, new: Descriptor
) -> list[Descriptor]:
    """Take a name from the image that has it, for `new`; keep that image if it is another one."""
    image_id = manifests.find(source, new).id
    kept = [entry for entry in entries if name_of(entry) != name]
    known = {entry["digest"] for entry in kept}
    for entry in entries:
        if name_of(entry) == name and entry["digest"] not in known:
            entry.get("annotations", {}).pop(REF_NAME, None)
            kept.append(entry)
    return [one for one in kept if name_of(one) or not _is_image(source, one, image_id)]


def _is_image(source: Layout, entry: Descriptor, image_id: str) -> bool:
    try:
        return manifests.find(source, entry).id == image_id
    except KernelboxError:
        return False  # it is damaged, and stays for its owner to see


def inspection(
    source: Layout, entry: Descriptor, found: Found, lowerdirs: list[str]
) -> dict[str, Any]:
    """Return all that is known about an image, in Docker's words."""
    entries = source.read_index()["manifests"]
    same = [one for one in entries if one["digest"] == entry["digest"] and name_of(one)]
    names = sorted(name_of(one) for one in same)
    digests = {
        f"{split(name_of(one))[0]}@{one['annotations'][REPO_DIGEST]}"
        for one in same
        if REPO_DIGEST in one.get("annotations", {})
    }
    parts = [found.manifest["config"], *found.manifest["layers"]]
    return {
        "Id": found.id,
        "RepoTags": [name for name in names if "@" not in name],
        "RepoDigests": sorted(digests),
        "Comment": str(((found.config.get("history") or [{}])[-1]).get("comment", "")),
        "Created": found.config.get("created", ""),
        "Author": found.config.get("author", ""),
        "Config": found.config.get("config") or {},
        "Architecture": found.config.get("architecture", ""),
        "Os": found.config.get("os", ""),
        "Size": sum(part["size"] for part in parts),
        "GraphDriver": {
            "Name": "overlay",
            "Data": {"LowerDir": ":".join(lowerdirs)},
        },
        "RootFS": {"Type": "layers", "Layers": found.diff_ids},
        "Descriptor": found.descriptor,
        "Manifest": found.manifest,
    }


@contextmanager
def damaged(reference: str) -> Iterator[None]:
    """Turn the exceptions that a misshapen manifest or config causes into one line for people."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(
            f"image {quoted(reference)} is damaged: its manifest or config lacks a field",
            "Remove it and get it anew",
        ) from error

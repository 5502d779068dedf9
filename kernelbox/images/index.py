"""The names in a layout's index.json: finding an image's entry, and giving names away.

Leaves what an entry leads to to manifests.py, and layers and locking to store.py.
"""

from __future__ import annotations

import contextlib

from kernelbox.images import manifests
from kernelbox.images.layout import REF_NAME, Descriptor, Layout
from kernelbox.images.reference import normalise, quoted
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def look_up(source: Layout, reference: str) -> Descriptor:
    """Return the entry of an image that is named by its name, its digest or the start of its id.

    Raises:
        UsageError: There is no such image, or more than one.
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
        raise UsageError(
            f"no image {quoted(wanted)} in the store",
            f"Images here: {here}" if here else "The store is empty: `make setup` fills it",
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
    with damaged(name_of(entry) or entry["digest"]):
        image_id = manifests.find(source, entry).id
    return reference == entry["digest"] or image_id.startswith(f"sha256:{digits}")


def name_of(entry: Descriptor) -> str:
    """Return the name of an entry, normalised; "" if it has none."""
    name: str = entry.get("annotations", {}).get(REF_NAME, "")
    return normalise(name) if name else ""


def without_name(entries: list[Descriptor], name: str, digest: str) -> list[Descriptor]:
    """Take a name from the image that has it; keep that image unless it is `digest` itself."""
    kept = [entry for entry in entries if name_of(entry) != name]
    known = {digest, *(entry["digest"] for entry in kept)}
    kept = [entry for entry in kept if name_of(entry) or entry["digest"] != digest]
    for entry in entries:
        if name_of(entry) == name and entry["digest"] not in known:
            del entry["annotations"][REF_NAME]
            kept.append(entry)
    return kept


@contextlib.contextmanager
def damaged(reference: str) -> Iterator[None]:
    """Turn what a manifest or config of the wrong shape causes into one line for people."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(
            f"image {quoted(reference)} is damaged: its manifest or config lacks a field",
            "Remove it and get it anew",
        ) from error

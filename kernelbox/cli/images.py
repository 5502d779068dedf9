"""Commands on the images of this host: images, tag, rmi, history, prune.

Leaves what a registry is asked for to registries.py, and files of images to archives.py.
"""

from __future__ import annotations

import datetime
import json
import time

from kernelbox.cli.actions import confirmed
from kernelbox.cli.each import Complaints, for_each
from kernelbox.cli.parser import parser_for
from kernelbox.cli.progress_bars import short
from kernelbox.cli.table import ago, columns, size
from kernelbox.container import state
from kernelbox.container.lifecycle import cleanup
from kernelbox.container.options.image_lookup import image_store
from kernelbox.images.reference import split
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.images.image import Summary
    from kernelbox.images.store import Store


def command_images(argv: list[str]) -> int:
    """List the images of this host."""
    parser = parser_for("images", "List the images of this host.")
    parser.add_argument("-q", "--quiet", action="store_true", help="ids only")
    parser.add_argument("--digests", action="store_true", help="what registries call them, too")
    parser.add_argument("--no-trunc", action="store_true", help="whole ids")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    parser.add_argument("repository", nargs="?", default="", metavar="REPOSITORY[:TAG]")
    given = parser.parse_args(argv)
    complaints = Complaints()
    found = [one for one in image_store().list(complaints) if _is_wanted(one, given.repository)]
    if given.quiet:
        for one in dict.fromkeys(image.id for image in found):
            print(one)
        return complaints.tell()
    if given.format == "json":
        for image in found:
            print(json.dumps(image._asdict()))
        return complaints.tell()
    titles = ["REPOSITORY", "TAG", *["DIGEST"] * given.digests, "IMAGE ID", "CREATED", "SIZE"]
    rows = [titles]
    for image in found:
        shown = image.id if given.no_trunc else short(image.id)
        digest = [image.repo_digest or "<none>"] * given.digests
        rows.append(
            [*split(image.reference), *digest, shown, since(image.created), size(image.size)]
        )
    print(columns(rows))
    return complaints.tell()


def _is_wanted(image: Summary, repository: str) -> bool:
    if not repository:
        return True
    return repository in (image.reference, split(image.reference)[0])


def since(created: str) -> str:
    """Return how long ago an image was made, by the time that it gives; N/A if it gives none."""
    try:
        seconds = datetime.datetime.fromisoformat(created).timestamp()
    except ValueError:
        return "N/A"
    return f"{ago(max(time.time() - seconds, 0))} ago"


def command_tag(argv: list[str]) -> int:
    """Give an image one more name."""
    parser = parser_for("tag", "Give an image one more name.")
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("name", metavar="NAME[:TAG]")
    given = parser.parse_args(argv)
    if "@" in given.name:
        raise UsageError(f"{given.name!r} has a digest, and nobody can give one", "Use a tag")
    image_store().tag(given.image, given.name)
    return 0


def command_rmi(argv: list[str]) -> int:
    """Remove images, or one of their names."""
    parser = parser_for("rmi", "Remove images, or one of their names.")
    parser.add_argument("-f", "--force", action="store_true", help="with all of its names")
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    given = parser.parse_args(argv)
    cleanup.sweep()
    store = image_store()
    return for_each(
        given.images,
        lambda one: "\n".join(store.remove(one, in_use(), force=given.force)),
    )


def command_prune(argv: list[str]) -> int:
    """Remove images without a name that are not used, unfinished pulls, and the build cache."""
    parser = parser_for(
        "prune", "Remove images without a name, unfinished pulls and the build cache."
    )
    parser.add_argument("-a", "--all", action="store_true", help="all that no container uses")
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    given = parser.parse_args(argv)
    from kernelbox.build import scratch  # for no other of these commands

    what = "all images that no container uses" if given.all else "all images without a name"
    what += ", and the build cache"
    if not given.force and not confirmed(f"This removes {what}"):
        return 0
    cleanup.sweep()
    store = image_store()
    before = _used(store)
    scratch.forget_caches()
    for line in store.prune(in_use(), everything=given.all):
        print(line)
    print(f"Total reclaimed space: {size(max(before - _used(store), 0))}")
    return 0


def in_use() -> set[str]:
    """Return the lowerdirs of all containers.

    Raises:
        KernelboxError: A container's config is damaged, so what it uses is unknown.
    """
    return {path for one in state.every() for path in state.extra(one).get("lowerdirs", ())}


def _used(store: Store) -> int:
    """Return how many bytes the store's file system uses."""
    import os

    seen = os.statvfs(store.path)
    return (seen.f_blocks - seen.f_bfree) * seen.f_frsize


def command_history(argv: list[str]) -> int:
    """Show how an image was made, the last step first."""
    parser = parser_for("history", "Show how an image was made, the last step first.")
    parser.add_argument("--no-trunc", action="store_true", help="whole commands")
    parser.add_argument("-q", "--quiet", action="store_true", help="ids only")
    parser.add_argument("image", metavar="IMAGE")
    given = parser.parse_args(argv)
    _, image = image_store().find(given.image)
    said = image.config.get("history")
    steps = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    sizes = iter([blob["size"] for blob in image.manifest["layers"]])
    rows = []
    for step in steps or [{}] * len(image.manifest["layers"]):
        rows.append(_step(step, 0 if step.get("empty_layer") else next(sizes, 0), given.no_trunc))
    shown = image.id if given.no_trunc else short(image.id)
    ids = [shown, *["<missing>"] * len(rows)]
    if given.quiet:
        print("\n".join(ids[: len(rows)]))
        return 0
    titles = ("IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT")
    print(columns([titles, *([one, *row] for one, row in zip(ids, rows[::-1], strict=False))]))
    return 0


def _step(step: dict[str, Any], stored: int, whole: bool) -> list[str]:
    by = " ".join(str(step.get("created_by") or "").split())
    if not whole and len(by) > 45:
        by = by[:44] + "…"
    comment = " ".join(str(step.get("comment") or "").split())
    return [since(str(step.get("created") or "")), by, size(stored), comment]

"""Commands on images: pull, push, images, tag, rmi, history, prune, login, logout."""

from __future__ import annotations

import datetime
import json
import sys
import time

from kernelbox import cleanup, state
from kernelbox.cli.each import for_each
from kernelbox.cli.parser import parser_for
from kernelbox.cli.progress import bars, short
from kernelbox.cli.pulling import pull
from kernelbox.cli.table import ago, columns, size
from kernelbox.compose import image_store
from kernelbox.images.reference import DOCKER_HUB, remote, split
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from kernelbox.images.image import Summary
    from kernelbox.images.store import Store


def command_pull(argv: list[str]) -> int:
    """Fetch an image from its registry."""
    parser = parser_for("pull", "Fetch an image from its registry.")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the name only")
    parser.add_argument("--platform", default="", help="such as linux/arm64; this host's if left")
    _add_plain_http(parser)
    parser.add_argument("image", metavar="NAME[:TAG|@DIGEST]")
    given = parser.parse_args(argv)
    where = remote(given.image)
    if not given.quiet:
        print(f"{where.tag}: Pulling from {where.repository}", flush=True)
    pull(
        given.image, sys.stdout, platform=given.platform,
        plain_http=given.plain_http, quiet=given.quiet,
    )  # fmt: skip
    joint = "@" if where.tag.startswith("sha256:") else ":"
    print(f"{where.registry}/{where.repository}{joint}{where.tag}")
    return 0


def command_push(argv: list[str]) -> int:
    """Send an image to the registry that its name says."""
    parser = parser_for("push", "Send an image to the registry that its name says.")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the name only")
    _add_plain_http(parser)
    parser.add_argument("image", metavar="NAME[:TAG]")
    given = parser.parse_args(argv)
    store = image_store()
    from kernelbox.images.registry.push import push  # urllib3: only who asks a registry needs it

    where = remote(given.image)
    full = f"{where.registry}/{where.repository}"
    if not given.quiet:
        print(f"The push refers to repository [{full}]", flush=True)
    with bars("Push", sys.stdout, quiet=given.quiet) as watch:
        done = push(store, given.image, plain_http=given.plain_http, watch=watch)
    if given.quiet:
        print(f"{full}:{where.tag}")
    else:
        print(f"{where.tag}: digest: {done['digest']} size: {done['size']}")
    return 0


def _add_plain_http(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plain-http",
        action="store_true",
        help="speak http without TLS (a registry on this machine needs no such option)",
    )


def command_images(argv: list[str]) -> int:
    """List the images of this host."""
    parser = parser_for("images", "List the images of this host.")
    parser.add_argument("-q", "--quiet", action="store_true", help="ids only")
    parser.add_argument("--digests", action="store_true", help="what registries call them, too")
    parser.add_argument("--no-trunc", action="store_true", help="whole ids")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    parser.add_argument("repository", nargs="?", default="", metavar="REPOSITORY[:TAG]")
    given = parser.parse_args(argv)
    found = [one for one in image_store().list() if _is_wanted(one, given.repository)]
    if given.quiet:
        for one in dict.fromkeys(image.id for image in found):
            print(one)
        return 0
    if given.format == "json":
        for image in found:
            print(json.dumps(image._asdict()))
        return 0
    titles = ["REPOSITORY", "TAG", *["DIGEST"] * given.digests, "IMAGE ID", "CREATED", "SIZE"]
    rows = [titles]
    for image in found:
        shown = image.id if given.no_trunc else short(image.id)
        digest = [image.repo_digest or "<none>"] * given.digests
        rows.append(
            [*split(image.reference), *digest, shown, since(image.created), size(image.size)]
        )
    print(columns(rows))
    return 0


def _is_wanted(image: Summary, repository: str) -> bool:
    if not repository:
        return True
    return repository in (image.reference, split(image.reference)[0])


def since(created: str) -> str:
    """Return how long ago a time was that an image says; what is none is shown as it is."""
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
    what = "all images that no container uses" if given.all else "all images without a name"
    what += ", and the build cache"
    if not given.force:
        if not sys.stdin.isatty():
            raise UsageError(f"this removes {what}, and nobody is there to ask", "Use --force")
        if input(f"This removes {what}. Are you sure? [y/N] ").lower() not in ("y", "yes"):
            return 0
    cleanup.sweep()
    store = image_store()
    before = _used(store)
    for line in store.prune(in_use(), everything=given.all):
        print(line)
    print(f"Total reclaimed space: {size(max(before - _used(store), 0))}")
    return 0


def in_use() -> set[str]:
    """Return the lowerdirs of all containers.

    Raises:
        KernelboxError: A container's config is damaged: nobody can say what it uses.
    """
    return {path for one in state.every() for path in state.config(one).get("lowerdirs", ())}


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


def command_login(argv: list[str]) -> int:
    """Remember user and password for a registry, if it takes them."""
    import getpass

    parser = parser_for("login", "Remember user and password for a registry.")
    parser.add_argument("-u", "--username", default="", help="asked for, if left out")
    parser.add_argument("-p", "--password", default="", help="better: --password-stdin")
    parser.add_argument("--password-stdin", action="store_true", help="read it from there")
    _add_plain_http(parser)
    parser.add_argument("registry", nargs="?", default=DOCKER_HUB, metavar="REGISTRY")
    given = parser.parse_args(argv)
    if (given.password_stdin or not sys.stdin.isatty()) and not given.username:
        raise UsageError("nobody is there to ask for the user", "Use --username")
    user = given.username or input("Username: ")
    if given.password_stdin:
        password = sys.stdin.read().rstrip("\r\n")
    elif not given.password and not sys.stdin.isatty():
        raise UsageError("nobody is there to ask for the password", "Use --password-stdin")
    else:
        password = given.password or getpass.getpass("Password: ")
    from kernelbox.images.registry import client, credentials  # urllib3

    client.check_login(given.registry, user, password, plain_http=given.plain_http)
    credentials.write(given.registry, user, password)
    print("Login Succeeded")
    return 0


def command_logout(argv: list[str]) -> int:
    """Forget user and password for a registry."""
    parser = parser_for("logout", "Forget user and password for a registry.")
    parser.add_argument("registry", nargs="?", default=DOCKER_HUB, metavar="REGISTRY")
    given = parser.parse_args(argv)
    from kernelbox.images.registry import credentials

    known = credentials.forget(given.registry)
    what = "Removing login credentials for" if known else "Not logged in to"
    print(f"{what} {given.registry}")
    return 0

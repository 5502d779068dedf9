"""Commands on images as files and of containers: save, load, import, commit, diff, cp."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

from kernelbox.cli.parser import parser_for
from kernelbox.container import names
from kernelbox.container.lifecycle import cleanup
from kernelbox.container.options.image_lookup import image_store
from kernelbox.kernel.errors import UsageError
from kernelbox.transfer import commit

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def command_save(argv: list[str]) -> int:
    """Write images into a tar that docker, podman, skopeo and kernelbox load."""
    parser = parser_for("save", "Write images into a tar.")
    parser.add_argument("-o", "--output", default="", metavar="FILE", help="not to standard output")
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    given = parser.parse_args(argv)
    from kernelbox.images import archive
    from kernelbox.plumbing import whole

    store = image_store()
    if not given.output and sys.stdout.isatty():
        raise UsageError("a tar is nothing for a terminal", "Use -o FILE, or redirect the output")
    for reference in given.images:
        store.find(reference)
    if not given.output:
        archive.save(store, given.images, sys.stdout.buffer)
        return 0
    try:
        with whole.replacing(given.output) as out:
            archive.save(store, given.images, out)
    except OSError as error:
        raise UsageError(
            f"cannot write {given.output}: {os.strerror(error.errno or 0)}", "Choose another place"
        ) from error
    return 0


def command_load(argv: list[str]) -> int:
    """Read images from a tar that docker, podman, skopeo or kernelbox saved."""
    parser = parser_for("load", "Read images from a tar.")
    parser.add_argument("-i", "--input", default="-", metavar="FILE", help="not standard input")
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing but what was loaded"
    )
    given = parser.parse_args(argv)
    from kernelbox.images import archive

    for image in archive.load(image_store(), _input(given.input)):
        named = not image.reference.startswith("sha256:")
        print(f"Loaded image: {image.reference}" if named else f"Loaded image ID: {image.id}")
    return 0


def command_import(argv: list[str]) -> int:
    """Make an image with one layer of a tar of files."""
    parser = parser_for("import", "Make an image with one layer of a tar of files.")
    _add_making(parser)
    parser.add_argument("file", metavar="FILE|-")
    parser.add_argument("name", nargs="?", metavar="NAME[:TAG]")
    given = parser.parse_args(argv)
    from kernelbox.images.import_tar import import_tar

    store = image_store()
    image = import_tar(store, _input(given.file), given.name, given.change, given.message)
    print(image.id)
    return 0


def command_commit(argv: list[str]) -> int:
    """Make an image of a container and what it has changed."""
    parser = parser_for("commit", "Make an image of a container and what it has changed.")
    _add_making(parser)
    parser.add_argument("-a", "--author", default="", help="who made it")
    parser.add_argument(
        "-p", "--pause", nargs="?", const="true", default="true", choices=["true", "false"],
        help="let the container stand still meanwhile (true)",
    )  # fmt: skip
    parser.add_argument("container", metavar="CONTAINER")
    parser.add_argument("name", nargs="?", metavar="NAME[:TAG]")
    given = parser.parse_args(argv)
    cleanup.sweep()
    image = commit.commit(
        image_store(),
        names.find(given.container),
        given.name,
        author=given.author,
        message=given.message,
        changes=given.change,
        still=given.pause == "true",
    )
    print(image.id)
    return 0


def _add_making(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", "--message", default="", help="kept in the image's history")
    parser.add_argument(
        "-c", "--change", action="append", default=[], metavar="INSTRUCTION",
        help="such as CMD sh; may be given several times",
    )  # fmt: skip


def command_diff(argv: list[str]) -> int:
    """Show what a container has changed: A added, C changed, D deleted."""
    parser = parser_for("diff", "Show what a container has changed of its image.")
    parser.add_argument("container", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()
    for change in commit.diff(names.find(given.container)):
        # A name may be any bytes: a line is one change, whatever is in it.
        path = change.path.encode("utf-8", "surrogateescape").decode(errors="backslashreplace")
        print(change.kind, path if path.isprintable() else ascii(path)[1:-1])
    return 0


def command_cp(argv: list[str]) -> int:
    """Copy files into or out of a container."""
    parser = parser_for("cp", "Copy files into or out of a container.")
    parser.add_argument("-a", "--archive", action="store_true", help="keep who owns them")
    parser.add_argument("-L", "--follow-link", action="store_true", help="of a symlink, its target")
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing of what is left out"
    )
    parser.add_argument("source", metavar="[CONTAINER:]PATH|-", help="-: a tar, extracted there")
    parser.add_argument("target", metavar="[CONTAINER:]PATH|-", help="-: as a tar, printed")
    given = parser.parse_args(argv)
    source, target = _split(given.source), _split(given.target)
    if bool(source[0]) == bool(target[0]):
        raise UsageError("one of the two must be in a container, and only one", "NAME:PATH")
    cleanup.sweep()
    left_out = _copy(source, target, given)
    if left_out and not given.quiet:
        print(
            f"kernelbox: left out, as no files: {', '.join(map(repr, left_out))}", file=sys.stderr
        )
    return 0


def _copy(source: tuple[str, str], target: tuple[str, str], given: argparse.Namespace) -> list[str]:
    """Copy what `cp` is given; return what was left out."""
    from kernelbox.transfer import copy, endpoints, tar_in, tar_out

    with ExitStack() as stack:

        def place(name: str, path: str) -> endpoints.Place:
            at = endpoints.there(names.find(name), path) if name else endpoints.here(path)
            return stack.enter_context(at)

        if given.target == "-":
            if sys.stdout.isatty():
                raise UsageError("a tar is nothing for a terminal", "Redirect the output")
            return tar_out.pack(place(*source), sys.stdout.buffer, follow=given.follow_link)
        if given.source == "-":
            tar = _input("-", "Redirect the input")
            return tar_in.unpack(tar, place(*target), archive=given.archive)
        return copy.copy(
            place(*source), place(*target), archive=given.archive, follow=given.follow_link
        )


def _split(text: str) -> tuple[str, str]:
    """Return container and path; a path of the host that has a colon begins with / or a dot."""
    name, colon, path = text.partition(":")
    return (name, path or "/") if colon and not text.startswith(("/", ".")) else ("", text)


def _input(path: str, cure: str = "Use -i FILE, or redirect the input") -> str:
    """Return a path to read from; what `-` stands for is standard input."""
    if path == "-":
        if sys.stdin.isatty():
            raise UsageError("a tar is nothing to be typed", cure)
        return "/dev/stdin"
    if not os.path.exists(path):
        raise UsageError(f"there is no file {path}", "Look at its name")
    if os.path.isdir(path):
        raise UsageError(
            f"{path} is a directory, no tar", "Pack it: tar -C DIR -c . | kernelbox ..."
        )
    return path

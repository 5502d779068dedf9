"""`kernelbox build`."""

from __future__ import annotations

import os
import sys
import tempfile

from kernelbox import cleanup, trace
from kernelbox.cli.parser import parser_for
from kernelbox.compose import image_store
from kernelbox.images.reference import normalise
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from kernelbox.kernel.record import Event


def command_build(argv: list[str]) -> int:
    """Build an image of a Containerfile."""
    given = _parser().parse_args(argv)
    # Only who builds needs what talks to the kernel, the packer of layers and the rest.
    from kernelbox.build import building

    order = building.Order(
        context=given.directory,
        file="" if given.file == "-" else given.file,
        content=sys.stdin.buffer.read() if given.file == "-" else None,
        names=given.tag,
        build_args=_arguments(given.build_arg),
        target=given.target,
        cached=not given.no_cache,
        network={"default": "bridge"}.get(given.network, given.network),
    )
    cleanup.sweep()
    watch = building.Watch(_heading, _cached, _warn, _fetch, _show if given.trace else None)
    if given.quiet:
        watch = watch._replace(begin=lambda *_: None, hit=lambda: None)
    with tempfile.TemporaryFile() as printed:
        fd = printed.fileno()
        streams = (0, fd, fd) if given.quiet else (0, 1, 2)
        try:
            image = building.build(image_store(), order, streams, watch)
        except KernelboxError:
            printed.seek(0)
            sys.stderr.buffer.write(printed.read())
            raise
    if given.quiet:
        print(image.id)
        return 0
    print(f"Successfully built {image.id[7:19]}")
    for name in given.tag:
        print(f"Successfully tagged {normalise(name)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("build", "Build an image of a Containerfile.")
    parser.add_argument(
        "-t", "--tag", action="append", default=[], metavar="NAME[:TAG]",
        help="the image's name; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "-f", "--file", default="", help="the Containerfile, if not DIR's own; - reads it here"
    )
    parser.add_argument(
        "--build-arg", action="append", default=[], metavar="NAME[=VALUE]", help="set an ARG"
    )
    parser.add_argument("--target", default="", metavar="STAGE", help="build only so far")
    parser.add_argument("--no-cache", action="store_true", help="take no layer made before")
    parser.add_argument(
        "--network", choices=["default", "none", "host"], default="default",
        help="what RUN is connected to (default: a bridge)",
    )  # fmt: skip
    parser.add_argument(
        "--trace", action="store_true", help="print each request of a RUN to the kernel"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print the image's id only")
    parser.add_argument("directory", metavar="DIR", help="what COPY copies from")
    return parser


def _arguments(given: list[str]) -> dict[str, str]:
    """Return what `--build-arg` sets; a name alone takes its value from the environment."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or _is_odd(text):
            raise UsageError(f"{text!a} sets no ARG", "Write it as NAME=VALUE, in UTF-8")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found


def _is_odd(text: str) -> bool:
    """Whether it has bytes that are no UTF-8: an image's config is JSON, and cannot hold them."""
    return any("\ud800" <= one <= "\udfff" for one in text)


def _heading(number: int, steps: int, source: str) -> None:
    shown = " ".join(source.split())
    # It may hold what a terminal takes for commands.
    print(f"[{number}/{steps}] {shown if shown.isprintable() else ascii(shown)[1:-1]}", flush=True)


def _cached() -> None:
    print("CACHED", flush=True)


def _show(event: Event) -> None:
    width = os.get_terminal_size(2).columns if os.isatty(2) else 0
    color = os.isatty(2) and "NO_COLOR" not in os.environ
    print(trace.line(event, color=color, width=width), file=sys.stderr, flush=True)


def _fetch(reference: str) -> None:
    from kernelbox.cli.pulling import pull_to_run  # only where an image is missing

    pull_to_run(reference)


def _warn(text: str) -> None:
    print(f"kernelbox: warning: {text}", file=sys.stderr, flush=True)

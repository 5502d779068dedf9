"""`kernelbox build`."""

from __future__ import annotations

import os
import stat
import sys
import tempfile

from kernelbox.cli.parser import parser_for
from kernelbox.container.lifecycle import cleanup
from kernelbox.container.options.image_lookup import image_store
from kernelbox.images.reference import normalise
from kernelbox.kernel import trace
from kernelbox.kernel.errors import KernelboxError, UsageError

_LARGEST_SECRET = 500 << 10  # bytes, as BuildKit has it

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from kernelbox.kernel.door import Event


def command_build(argv: list[str]) -> int:
    """Build an image of a Containerfile."""
    given = _parser().parse_args(argv)
    # Only who builds needs what talks to the kernel, the packer of layers and the rest.
    from kernelbox.build import brought, builder

    order = builder.Order(
        context=given.directory,
        file="" if given.file == "-" else given.file,
        content=sys.stdin.buffer.read() if given.file == "-" else None,
        names=given.tag,
        build_args=_arguments(given.build_arg),
        target=given.target,
        cached=not given.no_cache,
        network={"default": "bridge"}.get(given.network, given.network),
        lent=brought.Lent(_secrets(given.secret), _agents(given.ssh)),
    )
    cleanup.sweep()
    watch = builder.Watch(_heading, _cached, _warn, _fetch, _show if given.trace else None)
    if given.quiet:
        watch = watch._replace(begin=lambda *_: None, hit=lambda: None)
    with tempfile.TemporaryFile() as printed:
        fd = printed.fileno()
        streams = (0, fd, fd) if given.quiet else (0, 1, 2)
        try:
            image = builder.build(image_store(), order, streams, watch)
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
        "--secret", action="append", default=[], metavar="id=NAME[,src=FILE|,env=NAME]",
        help="lend a secret to RUN --mount=type=secret",
    )  # fmt: skip
    parser.add_argument(
        "--ssh", action="append", default=[], metavar="NAME[=SOCKET]",
        help="lend an agent to RUN --mount=type=ssh; default is $SSH_AUTH_SOCK",
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


def _secrets(given: list[str]) -> dict[str, bytes]:
    """Return what `--secret` lends. Source: Docker documentation, "docker buildx build"."""
    found = {}
    for text in given:
        said = dict(field.partition("=")[::2] for field in text.split(","))
        name, kind = said.get("id", ""), said.get("type", "")
        unknown = said.keys() - {"id", "src", "source", "env", "type"}
        if not name or unknown or kind not in ("", "file", "env"):
            raise UsageError(f"{text[:60]!a} is no secret", "Write id=NAME,src=FILE, or env=NAME")
        source = said.get("src", said.get("source", ""))
        variable = said.get("env", "")
        if kind == "env" or (not kind and not source and (variable or name in os.environ)):
            variable = variable or source or name
            if variable not in os.environ:
                raise UsageError(f"there is no variable {variable[:80]!a}", "Set it, or use src=")
            found[name] = os.environb[os.fsencode(variable)]
            continue
        found[name] = _secret_file(source or name)
    return found


def _secret_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST_SECRET + 1)
    except OSError as error:
        cause = os.strerror(error.errno or 0).lower()
        raise UsageError(f"the secret {path[:80]} cannot be read: {cause}", "Name it") from error
    if len(content) > _LARGEST_SECRET:
        raise UsageError(f"{path[:80]} is larger than any secret", "Mount it as a file instead")
    return content


def _agents(given: list[str]) -> dict[str, str]:
    """Return what `--ssh` lends. Source: Docker documentation, "docker buildx build"."""
    found = {}
    for text in given:
        name, _, path = text.partition("=")
        path = path or os.environ.get("SSH_AUTH_SOCK", "")
        if not name or not path or not os.path.exists(path) or not _is_socket(path):
            raise UsageError(
                f"no agent listens at {path[:80] or '$SSH_AUTH_SOCK'} for --ssh {name[:40]}",
                "Start one: eval $(ssh-agent); ssh-add",
            )
        found[name] = os.path.realpath(path)
    return found


def _is_socket(path: str) -> bool:
    return stat.S_ISSOCK(os.stat(path).st_mode)


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
    from kernelbox.cli.pull import pull_to_run  # only where an image is missing

    pull_to_run(reference)


def _warn(text: str) -> None:
    print(f"kernelbox: warning: {text}", file=sys.stderr, flush=True)

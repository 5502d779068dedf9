"""Commands that ask a registry: pull, push, login, logout.

Leaves the protocol to images/registry/, and what `run` pulls to pull.py.
"""

from __future__ import annotations

import sys

from kernelbox.cli.parser import parser_for
from kernelbox.cli.progress_bars import bars
from kernelbox.cli.pull import pull
from kernelbox.container.options.image_lookup import image_store
from kernelbox.images.reference import DOCKER_HUB, remote
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


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
    from kernelbox.images.registry.push import push  # urllib3: heavy

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


def _add_plain_http(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plain-http",
        action="store_true",
        help="speak http without TLS (a registry on this machine needs no such option)",
    )

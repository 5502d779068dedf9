"""`kernelbox volume`: create, ls, inspect, rm, prune."""

from __future__ import annotations

import json
import os
import time

from kernelbox.cli.actions import chosen, confirmed
from kernelbox.cli.each import for_each
from kernelbox.cli.parser import parser_for
from kernelbox.cli.table import columns
from kernelbox.container import state
from kernelbox.container.lifecycle import cleanup
from kernelbox.container.options import option_values
from kernelbox.container.volumes import volume_store
from kernelbox.container.volumes.volume_store import Volume
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def command_volume(argv: list[str]) -> int:
    """Do one of the things that can be done with volumes."""
    action = chosen("volume", _ACTIONS, argv)
    if action is None:
        return 0
    state.prepare()
    cleanup.sweep()
    return action(argv[1:])


def _create(argv: list[str]) -> int:
    """Make a volume; print its name."""
    parser = parser_for("volume create", "Make a volume.")
    parser.add_argument("--label", action="append", default=[], metavar="NAME[=VALUE]")
    parser.add_argument("-d", "--driver", choices=["local"], default="local")
    parser.add_argument("name", nargs="?", default="", metavar="NAME")
    given = parser.parse_args(argv)
    name = option_values.checked_name(given.name, "volume") if given.name else os.urandom(32).hex()
    labels = option_values.labels(given.label)
    volume_store.create(Volume(name, labels=labels, anonymous=not given.name))
    print(name)
    return 0


def _ls(argv: list[str]) -> int:
    """List the volumes."""
    parser = parser_for("volume ls", "List the volumes.")
    parser.add_argument("-q", "--quiet", action="store_true", help="names only")
    parser.add_argument(
        "-f", "--filter", action="append", default=[], metavar="KEY=VALUE",
        help="only some: dangling=true, name=PART, label=NAME[=VALUE]",
    )  # fmt: skip
    given = parser.parse_args(argv)
    filters = [_filter(text) for text in given.filter]
    found = [one for one in volume_store.every() if all(_is(one, *pair) for pair in filters)]
    if given.quiet:
        for one in found:
            print(one.name)
    else:
        print(columns([("DRIVER", "VOLUME NAME"), *(("local", one.name) for one in found)]))
    return 0


def _filter(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if key not in ("name", "label", "dangling") or (
        key == "dangling" and value not in ("true", "false")
    ):
        raise UsageError(
            f"{text!r:.80} is no filter of volumes", "Use name=PART, label=NAME or dangling=true"
        )
    return key, value


def _is(volume: Volume, key: str, value: str) -> bool:
    if key == "name":
        return value in volume.name
    if key == "dangling":
        return (value == "true") != bool(volume_store.users(volume.name))
    name, equals, wanted = value.partition("=")
    return name in volume.labels and (not equals or volume.labels[name] == wanted)


def _inspect(argv: list[str]) -> int:
    """Show all about volumes, as JSON."""
    parser = parser_for("volume inspect", "Show all about volumes, as JSON.")
    parser.add_argument("names", nargs="+", metavar="VOLUME")
    given = parser.parse_args(argv)
    print(json.dumps([_told(volume_store.find(name)) for name in given.names], indent=4))
    return 0


def _told(volume: Volume) -> dict[str, Any]:
    """Return a volume in Docker's words. Source: Docker Engine API, "Inspect a volume"."""
    return {
        "Name": volume.name,
        "CreatedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(volume.created)),
        "Driver": "local",
        "Mountpoint": volume.data,
        "Labels": volume.labels,
        "Scope": "local",
        "Options": None,
    }


def _rm(argv: list[str]) -> int:
    """Remove volumes that no container has."""
    parser = parser_for("volume rm", "Remove volumes that no container has.")
    parser.add_argument("-f", "--force", action="store_true", help="one that is not there is fine")
    parser.add_argument("names", nargs="+", metavar="VOLUME")
    given = parser.parse_args(argv)
    known = {one.name for one in volume_store.every()}

    def remove(name: str) -> str:
        if name in known or not given.force:
            volume_store.remove(name)
        return name

    return for_each(given.names, remove)


def _prune(argv: list[str]) -> int:
    """Remove the volumes that no container has and nobody has named; or all without a container."""
    parser = parser_for("volume prune", "Remove volumes that no container has.")
    parser.add_argument("-a", "--all", action="store_true", help="those with a name, too")
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    given = parser.parse_args(argv)
    what = f"This removes {'all' if given.all else 'the unnamed'} volumes that no container has"
    if not given.force and not confirmed(what):
        return 0
    for name in volume_store.prune(everything=given.all):
        print(name)
    return 0


_ACTIONS: dict[str, Callable[[list[str]], int]] = {
    "create": _create,
    "ls": _ls,
    "inspect": _inspect,
    "rm": _rm,
    "prune": _prune,
}

"""`ps`, `list`, `events`, `features` and `spec` of the OCI runtime: what can be asked."""

from __future__ import annotations

import json
import os
import subprocess
import time

from kernelbox.cli import table
from kernelbox.cli.parser import Command, Option, parser_for, read
from kernelbox.kernel.errors import UsageError, printable
from kernelbox.oci import features, telling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.cli.oci import Surroundings

PS = Command(
    "oci ps",
    "Show the processes of a container; options of ps(1) may follow its id.",
    (Option(("--format", "-f"), "table or json", "FORM", default="table"),),
    "ID",
)
EVENTS = Command(
    "oci events",
    "Show what a container uses, as JSON lines, and when it runs out of memory.",
    (
        Option(("--stats",), "once, and no more", default=False),
        Option(("--interval",), "how often: 5s", "TIME", default="5s"),
    ),
    "ID",
)


def verb_ps(argv: list[str], where: Surroundings) -> int:
    """Show the processes of a container, as the host counts."""
    given = read(PS, argv)
    pids = telling.processes(where.find(given["id"]))
    if given["format"] == "json":
        print(_compact(pids))
        return 0
    if given["format"] != "table":
        raise UsageError(f"unknown format {given['format']!r:.40}", "Use table or json")
    listed = subprocess.run(
        ["ps", *(given["command"] or ["-ef"])], stdout=subprocess.PIPE, text=True, check=False
    ).stdout.splitlines()
    header = listed[0].split() if listed else []
    if "PID" not in header:
        raise UsageError("ps(1) was asked for no column PID", "Such as: ps ID -o pid,comm")
    column, wanted = header.index("PID"), set(map(str, pids))
    for line in [listed[0], *(one for one in listed[1:] if one.split()[column] in wanted)]:
        print(line)
    return 0


def verb_list(argv: list[str], where: Surroundings) -> int:
    """List containers."""
    parser = parser_for("oci list", "List containers.")
    parser.add_argument("--format", "-f", default="table", choices=("table", "json"))
    parser.add_argument("--quiet", "-q", action="store_true", help="their ids alone")
    given = parser.parse_args(argv)
    found = telling.containers(where.root)
    if given.quiet:
        print("".join(f"{one['id']}\n" for one in found), end="")
    elif given.format == "json":
        print(_compact(found))
    else:
        rows = [
            [one["id"], str(one["pid"]), one["status"], one["bundle"], one["created"]]
            for one in found
        ]
        print(table.columns([["ID", "PID", "STATUS", "BUNDLE", "CREATED"], *rows]))
    return 0


def verb_events(argv: list[str], where: Surroundings) -> int:
    """Show what a container uses, once or until its end."""
    given = read(EVENTS, argv)
    box = where.find(given["id"])
    if given["stats"]:
        print(_compact(telling.statistics(box)))
        return 0
    seconds = _seconds(given["interval"])
    killed = box.group.counter("memory.events", "oom_kill")
    while box.alive():
        print(_compact(telling.statistics(box)), flush=True)
        time.sleep(seconds)
        if (now := box.group.counter("memory.events", "oom_kill")) > killed:
            print(_compact({"type": "oom", "id": box.id}), flush=True)
            killed = now
    return 0


def _compact(value: Any) -> str:
    """Return a value as JSON without spaces, as runc has it: some look for parts of it by grep."""
    return json.dumps(value, separators=(",", ":"))


def _seconds(word: str) -> float:
    number, unit = word.rstrip("msh"), word.lstrip("0123456789.")
    try:
        found = float(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]
    except (KeyError, ValueError):
        found = 0.0
    if not 0.001 <= found <= 1e6:
        raise UsageError(f"{word!r:.40} is no interval", "Such as 5s or 500ms")
    return found


def verb_features(argv: list[str], where: Surroundings) -> int:
    """Show what this runtime can do, as JSON."""
    parser_for("oci features", "Show what this runtime can do.").parse_args(argv)
    print(json.dumps(features.features(), indent=2))
    return 0


def verb_spec(argv: list[str], where: Surroundings) -> int:
    """Write a config.json to begin with, or check one."""
    parser = parser_for("oci spec", "Write a config.json to begin with, or check one.")
    parser.add_argument("--bundle", "-b", default=".", help="the directory that it is for")
    parser.add_argument("--check", action="store_true", help="check what is there instead")
    parser.add_argument("--rootless", action="store_true", help="one for an ordinary user")
    given = parser.parse_args(argv)
    path = os.path.join(given.bundle, "config.json")
    if given.check:
        return _check(path)
    found = features.beginning()
    if given.rootless:
        found = features.rootless(found)
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(json.dumps(found, indent=2) + "\n")
    except FileExistsError:
        raise UsageError(f"{path} exists", "Remove it first, or name another bundle") from None
    return 0


def _check(path: str) -> int:
    """Say what is wrong in a config.json: by the spec's schema, and for this runtime."""
    from kernelbox.oci import checking, document, reading, refusals

    found = document.load(path)
    problems = checking.problems(found.plain)
    if not problems:
        refusals.check(found)
        config = reading.config(found)
        refusals.check_namespaces(config)
        refusals.check_settings(config)
        print(f"{path} is as the spec wants it, and kernelbox does all of it")
        return 0
    for problem in problems:
        print(printable(problem))
    return 1

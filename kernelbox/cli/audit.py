"""`kernelbox audit`: the defences of one container, or of two side by side."""

from __future__ import annotations

import json
import shutil
import textwrap

from kernelbox.cli.parser import parser_for
from kernelbox.cli.table import columns
from kernelbox.container import audit, names
from kernelbox.container.lifecycle import cleanup
from kernelbox.kernel.errors import UsageError

_USUAL_WIDTH = 100  # letters, where there is no terminal: as wide as a notebook shows
_NARROWEST = 20
_BELOW = " " * 9


def command_audit(argv: list[str]) -> int:
    """Say what holds a container, as the kernel reports it, and what each of it stops."""
    parser = parser_for("audit", "Say what holds a container, and what would be possible without.")
    parser.add_argument("--format", choices=["table", "json"], default="table", help="table, json")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER", help="one, or two to compare")
    given = parser.parse_args(argv)
    if len(given.containers) > 2:
        raise UsageError("a comparison is of two", "Name one container, or two")
    cleanup.sweep()
    found = [audit.look(names.find_running(one)) for one in given.containers]
    if given.format == "json":
        every = {
            name: [defence._asdict() for defence in defences]
            for name, defences in zip(given.containers, found, strict=True)
        }
        print(json.dumps(every, indent=4))
        return 0
    rows: list[tuple[str, ...]] = [("", "DEFENCE", *given.containers, "WITHOUT IT, ONE COULD TRY")]
    for side_by_side in zip(*found, strict=True):
        # No meaning by colour alone: a word says what is missing.
        mark = "" if all(one.holds for one in side_by_side) else "open"
        first = side_by_side[0]
        rows.append((mark, first.name, *(one.found for one in side_by_side), first.stops))
    print(_told(rows))
    return 0


def _told(rows: list[tuple[str, ...]]) -> str:
    """Return the rows as a table; the last column below each line where it would be too wide."""
    table = columns(rows)
    width = shutil.get_terminal_size((_USUAL_WIDTH, 24)).columns
    if max(map(len, table.splitlines())) <= width:
        return table
    lines = columns([row[:-1] for row in rows]).splitlines()
    below = [textwrap.fill(row[-1], max(width - len(_BELOW), _NARROWEST)) for row in rows]
    return "\n".join(
        f"{line}\n{textwrap.indent(text, _BELOW)}" for line, text in zip(lines, below, strict=True)
    )

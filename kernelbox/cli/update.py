"""`kernelbox update`: other limits for containers that run."""

from __future__ import annotations

import sys

from kernelbox.cgroup import limits
from kernelbox.cli.each import for_each
from kernelbox.cli.parser import parser_for
from kernelbox.container import names
from kernelbox.container.lifecycle import cleanup, update
from kernelbox.kernel.errors import UsageError


def command_update(argv: list[str]) -> int:
    """Change the limits that are named of each container; the rest stays as it is."""
    parser = parser_for("update", "Give running containers other limits.")
    for limit in limits.LIMITS:
        words = [f"--{limit.option.replace('_', '-')}", *([limit.letter] if limit.letter else [])]
        action = "append" if limit.several else "store"
        parser.add_argument(*words, action=action, metavar=limit.metavar, help=limit.help)
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    wanted = limits.read(vars(given))
    if not wanted:
        raise UsageError("no limit is given", "Name one: kernelbox update --memory 64m ...")
    cleanup.sweep()

    def change(reference: str) -> str:
        killed = update.update(names.find_running(reference), wanted)
        if killed:
            processes = "1 process" if killed == 1 else f"{killed} processes"
            note = f"the kernel has ended {processes} of {reference} to make it fit"
            print(f"kernelbox: {note}", file=sys.stderr)
        return reference

    return for_each(given.containers, change)

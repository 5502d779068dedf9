"""A command that is several: `network create`, `volume ls`; and asking before one of them acts."""

from __future__ import annotations

import sys

from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Action = Callable[[list[str]], int]


def chosen(command: str, actions: Mapping[str, Action], argv: list[str]) -> Action | None:
    """Return the action that is named; None where none is, once it is printed which there are.

    Args:
        command: What they are actions of.
        actions: By name; the first line of an action's docstring says what it does.
        argv: What follows the command.

    Raises:
        UsageError: There is no such action.
    """
    if not argv or argv[0] in ("-h", "--help"):
        told = {name: (one.__doc__ or "").splitlines()[0] for name, one in actions.items()}
        lines = [f"  {name:10} {what}" for name, what in told.items()]
        print("\n".join([f"usage: kernelbox {command} COMMAND ...", "", *lines]))
        return None
    if argv[0] not in actions:
        raise UsageError(
            f"no command '{command} {argv[0]:.40}'", f"There are: {', '.join(actions)}"
        )
    return actions[argv[0]]


def confirmed(what: str) -> bool:
    """Ask the person at the terminal whether something may be done.

    Args:
        what: What it does, as the beginning of a sentence.

    Raises:
        UsageError: Nobody is there to ask.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{what}, and nobody is there to ask", "Use --force")
    return input(f"{what}. Are you sure? [y/N] ").lower() in ("y", "yes")

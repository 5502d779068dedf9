"""Commands on containers that exist: port, stop, kill, pause, unpause, rm, rename, wait."""

from __future__ import annotations

from kernelbox import network
from kernelbox.cli.each import for_each
from kernelbox.cli.parser import parser_for
from kernelbox.container import names, state
from kernelbox.container.lifecycle import cleanup, pause, renaming, stopping
from kernelbox.container.options import option_values
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def command_port(argv: list[str]) -> int:
    """List what a container publishes: its port, and where on the host it is reached."""
    parser = parser_for("port", "List the published ports of a container.")
    parser.add_argument("container", metavar="CONTAINER")
    parser.add_argument("port", nargs="?", default="", metavar="PORT[/PROTOCOL]", help="only this")
    given = parser.parse_args(argv)
    cleanup.sweep()
    own = state.spec(names.find(given.container)).kernelbox
    every = [one for text in own.ports for one in network.parse_ports(text)]
    wanted = given.port if not given.port or "/" in given.port else f"{given.port}/tcp"
    found = [one for one in every if wanted in ("", f"{one.container_port}/{one.protocol}")]
    if wanted and not found:
        raise UsageError(
            f"container {given.container} publishes no port {wanted:.40}",
            f"See which it does: kernelbox port {given.container}",
        )
    for one in found:
        inside = "" if wanted else f"{one.container_port}/{one.protocol} -> "
        print(f"{inside}{one.host_side.rpartition('/')[0]}")
    return 0


def _for_each(references: list[str], act: Callable[[str], None]) -> int:
    """Do `act` to each container, saying its name when done."""

    def do(reference: str) -> str:
        act(names.find(reference))
        return reference

    return for_each(references, do)


def command_stop(argv: list[str]) -> int:
    """Send the stop signal; after a while, SIGKILL."""
    parser = parser_for("stop", "Ask containers to end; after a while, make them.")
    parser.add_argument(
        "-t",
        "--timeout",
        "--time",
        dest="time",
        type=float,
        help="seconds to wait (10, or what --stop-timeout has said)",
    )
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()
    return _for_each(given.containers, lambda one: stopping.stop(one, given.time))


def command_kill(argv: list[str]) -> int:
    """Send a signal, SIGKILL unless told otherwise."""
    parser = parser_for("kill", "Send a signal to the first process of containers.")
    parser.add_argument("-s", "--signal", default="KILL", help="name or number (KILL)")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    number = option_values.signal_number(given.signal)
    cleanup.sweep()
    return _for_each(given.containers, lambda one: stopping.kill(one, number))


def command_pause(argv: list[str]) -> int:
    """Let all processes of containers stand still."""
    parser = parser_for("pause", "Let all processes of containers stand still.")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()
    return _for_each(given.containers, pause.pause)


def command_unpause(argv: list[str]) -> int:
    """Let paused containers run again."""
    parser = parser_for("unpause", "Let paused containers run again.")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()
    return _for_each(given.containers, pause.unpause)


def command_rm(argv: list[str]) -> int:
    """Remove containers that have exited; with `-f`, running ones too."""
    parser = parser_for("rm", "Remove containers.")
    parser.add_argument("-f", "--force", action="store_true", help="kill it first if it runs")
    parser.add_argument(
        "-v", "--volumes", action="store_true",
        help="and its volumes without a name, which go with it in any case",
    )  # fmt: skip
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()
    return _for_each(given.containers, lambda one: stopping.remove(one, force=given.force))


def command_rename(argv: list[str]) -> int:
    """Give a container another name."""
    parser = parser_for("rename", "Give a container another name.")
    parser.add_argument("container", metavar="CONTAINER")
    parser.add_argument("name", metavar="NEW_NAME")
    given = parser.parse_args(argv)
    cleanup.sweep()
    renaming.rename(names.find(given.container), option_values.checked_name(given.name))
    return 0


def command_wait(argv: list[str]) -> int:
    """Wait until containers do not run, and print their exit codes."""
    parser = parser_for("wait", "Wait until containers do not run, and print their exit codes.")
    parser.add_argument(
        "--condition", choices=["not-running", "next-exit", "removed"], default="not-running",
        help="what to wait for (not-running)",
    )  # fmt: skip
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()
    for reference in given.containers:
        print(stopping.wait(names.find(reference), given.condition), flush=True)
    return 0

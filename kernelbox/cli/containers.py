"""Commands on containers that exist: ps, port, stop, kill, pause, unpause, rm, wait, inspect."""

from __future__ import annotations

import json
import time

from kernelbox import network
from kernelbox.cli.each import Complaints, for_each
from kernelbox.cli.parser import parser_for
from kernelbox.cli.table import ago, columns
from kernelbox.container import cleanup, inspection, lifecycle, names, option_values, pause, state
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kernelbox.container.spec import Spec
    from kernelbox.container.state import State


def command_ps(argv: list[str]) -> int:
    """List containers: those that run, or all."""
    parser = parser_for("ps", "List containers.")
    parser.add_argument("-a", "--all", action="store_true", help="those that have exited, too")
    parser.add_argument("-q", "--quiet", action="store_true", help="ids only")
    parser.add_argument("--no-trunc", action="store_true", help="whole commands")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    given = parser.parse_args(argv)
    complaints = Complaints()
    found = inspection.containers(complaints, every=given.all)
    if given.quiet:
        for spec, _ in found:
            print(spec.id)
    elif given.format == "json":
        for spec, its in found:
            print(json.dumps(inspection.told(spec, its)))
    else:
        rows = [_row(spec, its, given.no_trunc) for spec, its in found]
        titles = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
        print(columns([titles, *rows]))
    return complaints.tell()


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


def _row(spec: Spec, its: State, whole: bool) -> tuple[str, ...]:
    own, command = spec.kernelbox, " ".join(spec.process.args)
    if not whole and len(command) > 20:
        command = command[:19] + "…"
    return (
        spec.id,
        own.image,
        f'"{command}"',
        f"{ago(time.time() - own.created)} ago",
        _status(spec, its),
        ", ".join(own.ports),
        own.name,
    )


def _status(spec: Spec, its: State) -> str:
    if its.status == "running":
        paused = " (Paused)" if inspection.status(spec, its) == "paused" else ""
        return f"Up {ago(time.time() - its.started)}{paused}"
    if inspection.status(spec, its) == "created":
        return "Created"
    killed = ", out of memory" if its.oom_killed else ""
    return f"Exited ({its.exit_code}{killed}) {ago(time.time() - its.finished)} ago"


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
    return _for_each(given.containers, lambda one: lifecycle.stop(one, given.time))


def command_kill(argv: list[str]) -> int:
    """Send a signal, SIGKILL unless told otherwise."""
    parser = parser_for("kill", "Send a signal to the first process of containers.")
    parser.add_argument("-s", "--signal", default="KILL", help="name or number (KILL)")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    number = option_values.signal_number(given.signal)
    cleanup.sweep()
    return _for_each(given.containers, lambda one: lifecycle.kill(one, number))


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
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()
    return _for_each(given.containers, lambda one: lifecycle.remove(one, force=given.force))


def command_wait(argv: list[str]) -> int:
    """Wait until containers have ended, and print their exit codes."""
    parser = parser_for("wait", "Wait until containers have ended, and print their exit codes.")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()
    for reference in given.containers:
        print(lifecycle.wait(names.find(reference)), flush=True)
    return 0


def command_inspect(argv: list[str]) -> int:
    """Print everything that is known about containers or images, as a JSON array."""
    parser = parser_for("inspect", "Show all about containers or images, as JSON.")
    parser.add_argument("--type", choices=["container", "image"], help="only such a one")
    parser.add_argument("names", nargs="+", metavar="CONTAINER|IMAGE")
    given = parser.parse_args(argv)
    cleanup.sweep()
    print(json.dumps([_inspected(name, given.type) for name in given.names], indent=4))
    return 0


def _inspected(name: str, kind: str | None) -> dict[str, Any]:
    """Return all about a container, or about an image if no container has the name."""
    if kind != "image":
        try:
            found = names.find(name)
        except UsageError:
            if kind == "container" or not _is_image(name):
                raise
        else:
            return inspection.of(found)
    from kernelbox.container.image_lookup import image_store

    return image_store().inspection(name)


def _is_image(name: str) -> bool:
    from kernelbox.container.image_lookup import image_store  # only what is no container

    try:
        image_store().find(name)
    except KernelboxError:
        return False
    return True

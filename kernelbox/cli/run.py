"""`kernelbox run` and `kernelbox exec`."""

from __future__ import annotations

import os

from kernelbox import cleanup, compose, monitor, spec, state
from kernelbox.cli.front import Front, terminal_size
from kernelbox.cli.parser import Parser
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from kernelbox.channel import Channel


def _run_parser() -> Parser:
    parser = Parser("run", "Make a container from an image and run a program in it.")
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="print the id and leave it running")
    add("-i", "--interactive", action="store_true", help="keep standard input open")
    add("-t", "--tty", action="store_true", help="give it a terminal")
    add("--rm", action="store_true", help="remove it when it exits")
    add("--name", default="", help="its name")
    add("--hostname", "-H", default="", help="its hostname (default: its id)")
    add("-e", "--env", action="append", default=[], metavar="NAME=VALUE")
    add("-v", "--volume", action="append", default=[], metavar="HOST:INSIDE[:ro]")
    add("-w", "--workdir", default="", help="working directory inside")
    add("-u", "--user", default="", metavar="USER[:GROUP]")
    add("--entrypoint", help="replace the image's entrypoint")
    add("-m", "--memory", default="", metavar="SIZE", help="such as 64m")
    add("--cpus", type=float, help="such as 0.5")
    add("-c", "--cpu-shares", type=int, help="weight against others; 1024 is usual")
    add("--pids-limit", type=int, help="most processes and threads")
    add("--network", "--net", default="bridge", help="bridge, none, host or container:NAME")
    add("-p", "--publish", action="append", default=[], metavar="[IP:]HOSTPORT:PORT[/PROTO]")
    add("--read-only", action="store_true", help="mount its root read-only")
    add("--cap-add", action="append", default=[], metavar="NAME")
    add("--cap-drop", action="append", default=[], metavar="NAME")
    add("--init", action="store_true", help="run a small init as PID 1")
    add("--userns", default="host", help="host, or auto for a user namespace of its own")
    add("--time-offset", type=int, metavar="SECONDS", help="a time namespace, so much ahead")
    _add_observation(parser)
    add("image", metavar="IMAGE")
    add("command", nargs="...", metavar="COMMAND ...", help="the program and its arguments")
    return parser


def _add_observation(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "--trace", action="store_const", const="text", default="",
        help="print each request to the kernel as it is made",
    )  # fmt: skip
    # An option string of its own: `--trace IMAGE` must not take the image for a value.
    add("--trace=json", dest="trace", action="store_const", const="json", help="... as JSON lines")
    add("--step", action="store_true", help="wait for Enter before each request")


def command_run(argv: list[str]) -> int:
    """Run a program in a new container; return its exit code, or 0 with `--detach`."""
    given = _run_parser().parse_args(argv)
    _check_terminal(given)
    cleanup.sweep()
    fields = {name: value for name, value in vars(given).items() if name in compose.Options._fields}
    container = compose.compose(compose.Options(**fields))
    channel, _ = monitor.launch(container, _wish(given))
    front = _front(channel, given)
    if given.detach:
        print(front.until_started())
        return 0
    return front.until_exited()


def command_exec(argv: list[str]) -> int:
    """Run a program in a running container; return its exit code, or 0 with `--detach`."""
    given = _exec_parser().parse_args(argv)
    _check_terminal(given)
    cleanup.sweep()
    container_id = state.find(given.container)
    if state.read(container_id).status != "running":
        raise UsageError(
            f"container {given.container} is not running", "See which are: kernelbox ps"
        )
    own = spec.from_json(state.config(container_id)).process
    env = own.env | spec.environment(given.env, dict(os.environ))
    what = own._replace(
        args=given.command,
        env=env | ({"TERM": "xterm"} if given.tty else {}),
        cwd=given.workdir or own.cwd,
        user=given.user or own.user,
        terminal=given.tty,
        interactive=given.interactive,
    )
    channel, _ = monitor.launch_exec(container_id, what, _wish(given))
    front = _front(channel, given)
    if given.detach:
        front.until_started()
        return 0
    return front.until_exited()


def _exec_parser() -> Parser:
    parser = Parser("exec", "Run one more program in a running container.")
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="leave it running")
    add("-i", "--interactive", action="store_true", help="keep standard input open")
    add("-t", "--tty", action="store_true", help="give it a terminal")
    add("-e", "--env", action="append", default=[], metavar="NAME=VALUE")
    add("-w", "--workdir", default="", help="working directory inside")
    add("-u", "--user", default="", metavar="USER[:GROUP]")
    _add_observation(parser)
    add("container", metavar="CONTAINER")
    add("command", nargs="...", metavar="COMMAND ...", help="the program and its arguments")
    return parser


def _check_terminal(given: argparse.Namespace) -> None:
    if given.command == [] and hasattr(given, "container"):
        raise UsageError("no command given", "Write it behind the container: ... sh")
    if given.tty and given.interactive and not given.detach and not os.isatty(0):
        raise UsageError("the input device is not a terminal", "Leave out -t when piping into -i")


def _wish(given: argparse.Namespace) -> monitor.Wish:
    return monitor.Wish(
        stdio=None if given.detach else (0, 1, 2),
        observed=bool(given.trace or given.step),
        stepped=given.step,
        size=terminal_size() if given.tty else (24, 80),
    )


def _front(channel: Channel, given: argparse.Namespace) -> Front:
    return Front(channel, terminal=given.tty, tracing=given.trace, stepping=given.step)

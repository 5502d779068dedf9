"""`kernelbox run` and `kernelbox exec`."""

from __future__ import annotations

import os
from types import SimpleNamespace

from kernelbox import launch
from kernelbox.cli.front import Front, terminal_size
from kernelbox.cli.parser import Command, Option, read
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.channel import Channel
    from kernelbox.spec import Spec


_STREAMS = (
    Option(("--detach", "-d"), "leave it running in the background", default=False),
    Option(("--interactive", "-i"), "keep standard input open", default=False),
    Option(("--tty", "-t"), "give it a terminal", default=False),
)
_PROCESS = (
    Option(("--env", "-e"), "set a variable, or pass one on", "NAME[=VALUE]", default=[]),
    Option(("--workdir", "-w"), "working directory inside", "PATH", default=""),
    Option(("--user", "-u"), "user, by name or number", "USER[:GROUP]", default=""),
)
_OBSERVATION = (
    Option(
        ("--trace",),
        "print each request to the kernel as it is made",
        default="",
        stands_for="text",
    ),
    # An option of its own: `--trace IMAGE` must not take the image for a value.
    Option(("--trace=json",), "... as JSON lines", default="", stands_for="json", dest="trace"),
    Option(("--step",), "wait for Enter before each request", default=False),
)
RUN = Command(
    "run",
    "Make a container from an image and run a program in it.",
    (
        *_STREAMS,
        *_PROCESS,
        Option(("--rm",), "remove it when it exits", default=False),
        Option(("--name",), "its name", "NAME", default=""),
        Option(("--hostname",), "its hostname; otherwise its id", "NAME", default=""),
        Option(("--volume", "-v"), "show it a directory or file", "HOST:INSIDE[:ro]", default=[]),
        Option(("--entrypoint",), "replace the image's entrypoint", "PROGRAM"),
        Option(("--memory", "-m"), "most memory, such as 64m", "SIZE", default=""),
        Option(("--cpus",), "most processors, such as 0.5", "N", convert=float),
        Option(("--cpu-shares", "-c"), "weight; 1024 is usual", "N", convert=int),
        Option(("--pids-limit",), "most processes and threads", "N", convert=int),
        Option(
            ("--network", "--net"), "bridge, none, host, container:NAME", "MODE", default="bridge"
        ),
        Option(("--publish", "-p"), "publish a port", "[IP:]HOSTPORT:PORT[/tcp|udp]", default=[]),
        Option(("--read-only",), "mount its root read-only", default=False),
        Option(("--cap-add",), "give it a capability", "NAME", default=[]),
        Option(("--cap-drop",), "take a capability from it", "NAME", default=[]),
        Option(("--init",), "run a small init as PID 1", default=False),
        Option(("--userns",), "host, or auto for one of its own", "MODE", default="host"),
        Option(("--pull",), "fetch the image: missing, always, never", "WHEN", default="missing"),
        Option(("--quiet", "-q"), "say nothing of fetching it", default=False),
        Option(("--time-offset",), "a time namespace, so much ahead", "SECONDS", convert=int),
        *_OBSERVATION,
    ),
    "IMAGE",
)
EXEC = Command(
    "exec",
    "Run one more program in a running container.",
    (*_STREAMS, *_PROCESS, *_OBSERVATION),
    "CONTAINER",
)


def command_run(argv: list[str]) -> int:
    """Run a program in a new container; return its exit code, or 0 with `--detach`."""
    given = SimpleNamespace(**read(RUN, argv))
    _check_terminal(given)
    if given.pull not in ("missing", "always", "never"):
        raise UsageError(f"--pull {given.pull!r} is unknown", "Use missing, always or never")
    monitor, _ = launch.launch()
    launch.order_run(monitor, _composed(given), _wish(given))
    return _follow(monitor, given)


def _composed(given: SimpleNamespace) -> Spec:
    """Return the container to be made, and see to it that its image is here."""
    from kernelbox import compose  # while the monitor gets ready
    from kernelbox.images.index import NoSuchImage

    fields = {name: value for name, value in vars(given).items() if name in compose.Options._fields}
    options = compose.Options(**fields)
    if given.pull != "always":
        try:
            return compose.compose(options)
        except NoSuchImage:
            if given.pull == "never" or not given.image or given.image.startswith("sha256:"):
                raise
    from kernelbox.cli import pulling  # urllib3: not for who has the image

    pulling.pull_to_run(given.image, quiet=given.quiet or given.trace == "json")
    return compose.compose(options)


def command_exec(argv: list[str]) -> int:
    """Run a program in a running container; return its exit code, or 0 with `--detach`."""
    from kernelbox import cleanup, spec, state

    given = SimpleNamespace(**read(EXEC, argv))
    _check_terminal(given)
    cleanup.sweep()
    container_id = state.find_running(given.container)
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
    monitor, _ = launch.launch()
    launch.order_exec(monitor, container_id, what, _wish(given))
    return _follow(monitor, given)


def _follow(monitor: Channel, given: SimpleNamespace) -> int:
    """Be the front until the program has ended, or with `--detach` until it has started."""
    keyboard = given.tty and given.interactive
    front = Front(monitor, terminal=keyboard, tracing=given.trace, stepping=given.step)
    if not given.detach:
        return front.until_exited()
    container_id = front.until_started()
    if hasattr(given, "image"):
        print(container_id)
    return 0


def _check_terminal(given: SimpleNamespace) -> None:
    if given.command == [] and hasattr(given, "container"):
        raise UsageError("no command given", "Write it behind the container: ... sh")
    if given.tty and given.interactive and not given.detach and not os.isatty(0):
        raise UsageError("the input device is not a terminal", "Leave out -t when piping into -i")


def _wish(given: SimpleNamespace) -> launch.Wish:
    return launch.Wish(
        stdio=None if given.detach else (0, 1, 2),
        observed=bool(given.trace or given.step),
        stepped=given.step,
        size=terminal_size() if given.tty else (24, 80),
    )

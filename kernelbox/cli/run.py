"""`kernelbox run` and `kernelbox exec`."""

from __future__ import annotations

import os
import sys

from kernelbox.cgroup import limits
from kernelbox.cli.parser import Command, Option, read
from kernelbox.cli.terminal import TerminalFront, terminal_size
from kernelbox.container import detach_keys, launch, orders
from kernelbox.container.messages import Started, Wish
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.container.spec import Spec
    from kernelbox.plumbing.channel import Channel


# Said each time: an option of one word gives up five defences.
_PRIVILEGED = (
    "kernelbox: --privileged gives up: dropped capabilities, the filter of system calls, masked "
    "paths, the read-only /proc/sys and /sys, the list of devices. Its root is the host's root"
)
_STREAMS = (
    Option(("--detach", "-d"), "leave it running in the background", default=False),
    Option(("--interactive", "-i"), "keep standard input open", default=False),
    Option(("--tty", "-t"), "give it a terminal", default=False),
    Option(("--detach-keys",), "what leaves its terminal", "KEYS", default=detach_keys.USUAL),
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
        Option(("--stop-signal",), "what `stop` sends first", "SIGNAL", default=""),
        Option(("--rm",), "remove it when it exits", default=False),
        Option(("--name",), "its name", "NAME", default=""),
        Option(("--hostname",), "its hostname; otherwise its id", "NAME", default=""),
        Option(("--volume", "-v"), "show it a directory or file", "HOST:INSIDE[:ro]", default=[]),
        Option(("--entrypoint",), "replace the image's entrypoint", "PROGRAM"),
        *(
            Option(
                (f"--{one.option.replace('_', '-')}", *([one.letter] if one.letter else [])),
                one.help,
                one.metavar,
                default=[] if one.several else None,
            )
            for one in limits.LIMITS
        ),
        Option(
            ("--oom-score-adj",), "killed last (-1000) to killed first (1000)", "N", convert=int
        ),
        Option(("--cgroup-parent",), "put its control group into this one", "PATH", default=""),
        Option(
            ("--network", "--net"),
            "bridge, one of your own, none, host, container:NAME",
            "MODE",
            default="bridge",
        ),
        Option(("--ip",), "its address on a network of your own", "ADDRESS", default=""),
        Option(("--ip6",), "its IPv6 address there", "ADDRESS", default=""),
        Option(("--network-alias",), "what it is called there, too", "NAME", default=[]),
        Option(("--mac-address",), "of its link there", "ADDRESS", default=""),
        Option(("--dns",), "a name server instead of the host's", "ADDRESS", default=[]),
        Option(("--dns-search",), "a domain that names are looked for in", "NAME", default=[]),
        Option(("--add-host",), "a line for its /etc/hosts", "NAME:ADDRESS", default=[]),
        Option(("--network-rate",), "what its link lets pass: 10mbit", "RATE", default=""),
        Option(("--network-delay",), "what each packet waits, each way: 20ms", "TIME", default=""),
        Option(("--network-loss",), "the percentage lost, each way", "PERCENT", default=""),
        Option(("--publish-all", "-P"), "publish what the image exposes", default=False),
        Option(("--publish", "-p"), "publish a port", "[IP:]HOSTPORT:PORT[/tcp|udp]", default=[]),
        Option(("--read-only",), "mount its root read-only", default=False),
        Option(("--privileged",), "all capabilities and devices, no filter", default=False),
        Option(("--cap-add",), "give it a capability", "NAME", default=[]),
        Option(("--cap-drop",), "take a capability from it", "NAME", default=[]),
        Option(
            ("--security-opt",),
            "seccomp=unconfined, seccomp=FILE, no-new-privileges",
            "OPTION",
            default=[],
        ),
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
    given = read(RUN, argv)
    _check_terminal(given)
    if given["pull"] not in ("missing", "always", "never"):
        raise UsageError(f"--pull {given['pull']!r} is unknown", "Use missing, always or never")
    monitor, _ = launch.launch()
    spec = _composed(given)
    if given["privileged"]:
        print(_PRIVILEGED, file=sys.stderr)
    orders.run(monitor, spec, _wish(given), _streams(given))
    front = _front(monitor, given)
    if not given["detach"]:
        return front.until_exited()
    print(front.until(Started).id)
    return 0


def _composed(given: dict[str, Any]) -> Spec:
    """Return the container to be made, and see to it that its image is here."""
    from kernelbox.container import run_options  # while the monitor gets ready
    from kernelbox.images.index import NoSuchImage

    options = _only(given, [*run_options.RUN_DEFAULTS, *(one.option for one in limits.LIMITS)])
    image = given["image"]
    if given["pull"] != "always":
        try:
            return run_options.compose(options)
        except NoSuchImage:
            if given["pull"] == "never" or not image or image.startswith("sha256:"):
                raise
    from kernelbox.cli import pull  # urllib3: not for who has the image

    pull.pull_to_run(image, quiet=given["quiet"] or given["trace"] == "json")
    return run_options.compose(options)


def command_exec(argv: list[str]) -> int:
    """Run a program in a running container; return its exit code, or 0 with `--detach`."""
    from kernelbox.container import cleanup, names, run_options, state

    given = read(EXEC, argv)
    if not given["command"]:
        raise UsageError("no command given", "Write it behind the container: ... sh")
    _check_terminal(given)
    cleanup.sweep()
    container_id = names.find_running(given["container"])
    own = state.spec(container_id).process
    options = _only(given, list(run_options.EXEC_DEFAULTS))
    what = run_options.compose_exec(own, given["command"], options)
    monitor, _ = launch.launch()
    orders.exec(monitor, container_id, what, _wish(given), _streams(given))
    front = _front(monitor, given)
    if not given["detach"]:
        return front.until_exited()
    front.until(Started)
    return 0


def _only(given: dict[str, Any], known: list[str]) -> Any:
    """Return what was given of the options that a container knows; the rest is the front's."""
    return {name: value for name, value in given.items() if name in known}


def _front(monitor: Channel, given: dict[str, Any]) -> TerminalFront:
    keyboard = given["tty"] and given["interactive"]
    return TerminalFront(monitor, terminal=keyboard, tracing=given["trace"], stepping=given["step"])


def _check_terminal(given: dict[str, Any]) -> None:
    if given["tty"] and given["interactive"] and not given["detach"] and not os.isatty(0):
        raise UsageError("the input device is not a terminal", "Leave out -t when piping into -i")


def _wish(given: dict[str, Any]) -> Wish:
    keys = detach_keys.parse(given["detach_keys"])
    return Wish(
        observed=bool(given["trace"] or given["step"]),
        stepped=given["step"],
        size=terminal_size() if given["tty"] else (24, 80),
        interactive=given["interactive"],
        detach_keys=keys if given["tty"] and given["interactive"] else "",
    )


def _streams(given: dict[str, Any]) -> orders.Streams | None:
    return None if given["detach"] else (0, 1, 2)

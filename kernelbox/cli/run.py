"""`kernelbox run`, `create` and `exec`."""

from __future__ import annotations

import os
import sys

from kernelbox.cli.parser import read
from kernelbox.cli.run_table import CREATE, EXEC, RUN
from kernelbox.cli.terminal import TerminalFront, terminal_size
from kernelbox.container.conversation import orders
from kernelbox.container.conversation.monitor_messages import Started, Wish
from kernelbox.container.monitor import launch
from kernelbox.container.streams import detach_keys
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.light import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from kernelbox.container.spec import Spec
    from kernelbox.plumbing.channel import Channel


# Said each time: an option of one word gives up five defences.
_PRIVILEGED = (
    "kernelbox: --privileged gives up: dropped capabilities, the filter of system calls, masked "
    "paths, the read-only /proc/sys and /sys, the list of devices. Its root is the host's root"
)


def command_run(argv: list[str]) -> int:
    """Run a program in a new container; return its exit code, or 0 with `--detach`."""
    given = read(RUN, argv)
    _check_terminal(given)
    _check_pull(given)
    monitor, _ = launch.launch(may_doze=True)
    with _cidfile(given["cidfile"]) as tell:
        spec = _composed(given)
        wish = _wish(given)._replace(recorded=_recorded(spec, given["record_seccomp"]))
        if given["privileged"]:
            print(_PRIVILEGED, file=sys.stderr)
        orders.run(monitor, spec, wish, _streams(given))
        front = _front(monitor, given)
        front.on_start = tell
        if not given["detach"]:
            return front.until_exited()
        print(front.until(Started).id)
        return 0


def command_create(argv: list[str]) -> int:
    """Make a container that is started later; print its id."""
    from kernelbox.container.lifecycle import cleanup, lives  # a run leaves that to its monitor

    given = read(CREATE, argv)
    _check_pull(given)
    with _cidfile(given["cidfile"]) as tell:
        spec = _composed(given)
        if given["privileged"]:
            print(_PRIVILEGED, file=sys.stderr)
        cleanup.sweep()
        lives.create(spec)
        tell(spec.id)
    print(spec.id)
    return 0


@contextmanager
def _nowhere() -> Iterator[Callable[[str], object]]:
    yield lambda _id: None


def _cidfile(path: str) -> AbstractContextManager[Callable[[str], object]]:
    if not path:
        return _nowhere()
    from kernelbox.cli import cidfile  # few want one

    return cidfile.promised(path)


def _recorded(spec: Spec, path: str) -> str:
    """Return where a profile of what the container uses is to be, wherever its monitor is."""
    if not path:
        return ""
    from kernelbox.container.monitor import recording  # few are recorded

    recording.check(spec.linux.seccomp, path)
    return os.path.abspath(path)


def _check_pull(given: dict[str, Any]) -> None:
    if given["pull"] not in ("missing", "always", "never"):
        raise UsageError(f"--pull {given['pull']!r} is unknown", "Use missing, always or never")


def _composed(given: dict[str, Any]) -> Spec:
    """Return the container to be made, and see to it that its image is here."""
    from kernelbox.cgroup import limits
    from kernelbox.container.options import (  # while the monitor gets ready
        option_defaults,
        run_options,
    )
    from kernelbox.images.index import NoSuchImage

    bounds = [one.option for one in limits.LIMITS]
    options = _only(given, [*option_defaults.RUN_DEFAULTS, *bounds])
    image = given["image"]
    if given["pull"] != "always":
        try:
            return run_options.compose(options)
        except NoSuchImage:
            if given["pull"] == "never" or not image or image.startswith("sha256:"):
                raise
    from kernelbox.cli import pull  # urllib3: not for who has the image

    pull.pull_to_run(image, quiet=given["quiet"] or given.get("trace") == "json")
    return run_options.compose(options)


def command_exec(argv: list[str]) -> int:
    """Run a program in a running container; return its exit code, or 0 with `--detach`."""
    from kernelbox.container import names, state
    from kernelbox.container.lifecycle import cleanup
    from kernelbox.container.options import option_defaults, process_options

    given = read(EXEC, argv)
    if not given["command"]:
        raise UsageError("no command given", "Write it behind the container: ... sh")
    _check_terminal(given)
    cleanup.sweep()
    container_id = names.find_running(given["container"])
    own = state.spec(container_id).process
    options = _only(given, list(option_defaults.EXEC_DEFAULTS))
    what = process_options.compose_exec(own, given["command"], options)
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

"""Letting a container run that is there, and being at its streams: start, restart, attach."""

from __future__ import annotations

import os
import sys

from kernelbox.cli.each import for_each
from kernelbox.cli.parser import parser_for
from kernelbox.cli.terminal import TerminalFront, terminal_size
from kernelbox.container import events, names, state
from kernelbox.container.conversation import messages, orders, reception
from kernelbox.container.conversation.front import Front
from kernelbox.container.conversation.monitor_messages import Attach, Started, Wish
from kernelbox.container.lifecycle import cleanup, stopping
from kernelbox.container.monitor import launch
from kernelbox.container.streams import detach_keys
from kernelbox.kernel.errors import UsageError


def command_start(argv: list[str]) -> int:
    """Start containers that do not run; with `-a` or `-i` follow one to its end, as `run` does."""
    parser = parser_for("start", "Start containers that do not run.")
    parser.add_argument("-a", "--attach", action="store_true", help="show what it prints, and wait")
    parser.add_argument("-i", "--interactive", action="store_true", help="lend it standard input")
    parser.add_argument(
        "--detach-keys", default=detach_keys.USUAL, metavar="KEYS", help="what leaves its terminal"
    )
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    attached = given.attach or given.interactive
    if attached and len(given.containers) > 1:
        raise UsageError("only one container can be attached to", "Start the others without -a, -i")
    cleanup.sweep()
    if attached:
        (reference,) = given.containers
        keys = detach_keys.parse(given.detach_keys)
        return _follow(names.find(reference), given.interactive, keys)

    def start(reference: str) -> str:
        _begin(names.find(reference))
        return reference

    return for_each(given.containers, start)


def command_restart(argv: list[str]) -> int:
    """Stop containers as `stop` does, those that run, and start them."""
    parser = parser_for("restart", "Stop containers, and start them again.")
    parser.add_argument(
        "-t", "--timeout", "--time", dest="time", type=float,
        help="seconds to wait before it is killed (10, or what --stop-timeout has said)",
    )  # fmt: skip
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")
    given = parser.parse_args(argv)
    cleanup.sweep()

    def restart(reference: str) -> str:
        container_id = names.find(reference)
        stopping.stop(container_id, given.time)
        _begin(container_id)
        events.record("restart", container_id)
        return reference

    return for_each(given.containers, restart)


def _begin(container_id: str) -> None:
    """Start a container in the background. One that runs is left as it is."""
    _tell_what_is_lost(container_id)
    monitor, _ = launch.launch(may_doze=True)
    orders.start(monitor, container_id, Wish())
    Front(monitor).until(Started)
    monitor.close()


def _follow(container_id: str, interactive: bool, keys: str) -> int:
    """Start a container, and be at its streams until its end; return its exit code."""
    if state.read(container_id).is_alive:
        return _attach(container_id, interactive, keys)
    _tell_what_is_lost(container_id)
    wish = _wish(container_id, interactive, keys)
    monitor, _ = launch.launch(may_doze=True)
    orders.start(monitor, container_id, wish, (0, 1, 2))
    return TerminalFront(monitor, terminal=bool(wish.detach_keys)).until_exited()


def command_attach(argv: list[str]) -> int:
    """Be at the streams of a container that runs, until its end or until the keys are typed."""
    parser = parser_for("attach", "Be at the streams of a container that runs.")
    parser.add_argument("--no-stdin", action="store_true", help="lend it no standard input")
    parser.add_argument(
        "--detach-keys", default=detach_keys.USUAL, metavar="KEYS", help="what leaves its terminal"
    )
    parser.add_argument("container", metavar="CONTAINER")
    given = parser.parse_args(argv)
    keys = detach_keys.parse(given.detach_keys)
    cleanup.sweep()
    return _attach(names.find_running(given.container), not given.no_stdin, keys)


def _attach(container_id: str, interactive: bool, keys: str) -> int:
    wish = _wish(container_id, interactive, keys)
    if wish.detach_keys and not os.isatty(0):
        raise UsageError("the input device is not a terminal", "Use --no-stdin, or a terminal")
    monitor = reception.knock(container_id)
    if monitor is None or not messages.send(monitor, Attach(list(wish), [0, 1, 2])):
        raise UsageError(f"container {container_id} is not running", "See: kernelbox ps -a")
    return TerminalFront(monitor, terminal=bool(wish.detach_keys)).until_exited()


def _wish(container_id: str, interactive: bool, keys: str) -> Wish:
    spec = state.spec(container_id)
    terminal = spec.process.terminal
    interactive = interactive and spec.kernelbox.interactive
    return Wish(
        size=terminal_size() if terminal else (24, 80),
        interactive=interactive,
        detach_keys=keys if terminal and interactive else "",
    )


def _tell_what_is_lost(container_id: str) -> None:
    its = state.read(container_id)
    if its.cut_off and its.status == "exited":
        print(
            f"kernelbox: the host went down while container {container_id} ran: "
            "what it wrote in its last half minute may be lost",
            file=sys.stderr,
        )

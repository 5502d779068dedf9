"""A process under remote control: it makes one request to the kernel per message, then waits.

This is what a student holds in a notebook: "now unshare; now look; now mount /proc; look again".
It is a fork of the agent, and knows the requests in requests.py, cabling.py and programs.py and no
others. It can fork, and then there is one more such process; and it can become a program, which
ends its obedience.

Messages to it: `do` with `request`, `arguments` and a `ticket`. Each is answered by `done` with
the same ticket, the trace of what it asked the kernel, and a value or an error.
"""

from __future__ import annotations

import os
import sys

from kernelbox.agent import programs
from kernelbox.agent.cabling import NETWORK_REQUESTS, OPENING
from kernelbox.agent.programs import LONGEST_ERROR, PROGRAMS
from kernelbox.agent.requests import KERNEL_REQUESTS
from kernelbox.kernel import door, process
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from kernelbox.agent.guard import Guard


_kept: list[int] = []  # descriptors that a held process does not close


def begin(channel: Channel, guard: Guard) -> NoReturn:
    """Be born: with signals as any program finds them, whatever the agent and nohup ignore.

    Args:
        channel: To whoever has the process under control.
        guard: Keeps it, and all that it forks, from changing the host.
    """
    programs.begin_signals()
    door.guard = guard
    _kept.append(guard.fileno())
    serve(channel)


def serve(channel: Channel) -> NoReturn:
    """Obey until the other side hangs up, then end. Whatever is imported has been by now."""
    programs.heed_signals()
    process.close_all_but([channel.fileno(), *_kept])
    # The process may walk into the root of an image: nothing may be imported from there.
    sys.path.clear()
    sys.meta_path.clear()
    door.become("held")
    door.gate = None
    try:
        while (message := channel.receive()) is not None:
            _answer(channel, message)
    finally:
        os._exit(0)


def _answer(channel: Channel, message: dict[str, Any]) -> None:
    """Make one request and tell what came of it."""
    trace: list[door.Event] = []
    door.sink = trace.append
    reply: dict[str, Any] = {"ticket": message.get("ticket")}
    fds = message.pop("fds", [])
    passed: list[int] = []
    try:
        value = _obey(fds, message["request"], message["arguments"])
        if message["request"] in _PASSING:
            passed = value
        else:
            reply["value"] = value
    except KernelboxError as error:
        reply |= {"error": error.message, "hint": error.hint}
    except KeyboardInterrupt:
        reply |= {"error": "interrupted", "hint": ""}
    except Exception as error:
        reply |= {"error": f"{type(error).__name__}: {error}"[:LONGEST_ERROR], "hint": ""}
    finally:
        for fd in fds:
            os.close(fd)
    try:
        channel.send("done", fds=passed, events=trace, **reply)
    except OSError as error:  # EMSGSIZE
        reply["error"] = f"the answer cannot be sent: {error}"
        channel.send("done", events=[], hint="", **reply)
    for fd in passed:
        os.close(fd)


def _obey(fds: list[int], name: str, arguments: dict[str, Any]) -> Any:
    request = REQUESTS.get(name)
    if request is None:
        raise UsageError(f"no request {name!r}", f"There are: {', '.join(REQUESTS)}")
    with programs.at_work():
        return request(fds, **arguments)


def _fork(_fds: list[int]) -> list[int]:
    """Fork; the child is held like this process, and lives where this one's children live.

    Returns:
        Descriptors for whoever asked: the channel to the child, and its pidfd.
    """
    ours, theirs = Channel.pair()
    pid, pidfd = process.clone3(0)
    if pid == 0:
        serve(theirs)
    theirs.close()
    return [ours.socket.detach(), pidfd]


_PASSING = {"fork": _fork, **OPENING}  # what these return are descriptors
REQUESTS: dict[str, Callable[..., Any]] = {
    **KERNEL_REQUESTS,
    **NETWORK_REQUESTS,
    **_PASSING,
    **PROGRAMS,
}

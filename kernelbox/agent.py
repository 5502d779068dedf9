"""The agent: one small process with privilege and a single thread, that a notebook talks to.

A Jupyter kernel has many threads, and a process with threads cannot change its user or mount
namespace. So the notebook changes nothing itself. It starts the agent, with one end of a socket as
its standard input, and sends requests from the list below: JSON, never code for the agent itself.
The agent forks: a monitor for a container, a held process for a student. It ends with the socket.

    run, exec    options -> a channel to the container's monitor
    hold         -> a channel to a process under remote control, and its pidfd
    interrupt    a pidfd: SIGINT to a held process
    call         one of CALLS -> a value
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from contextlib import suppress

from kernelbox import cleanup, compose, held, lifecycle, monitor, namespaces, spec, state
from kernelbox.channel import Channel
from kernelbox.kernel import record
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_REAP_EVERY = 1.0  # seconds


class Agent:
    """The loop: one request in, one reply out."""

    def __init__(self, notebook: Channel) -> None:
        self.notebook = notebook
        self.children: set[int] = set()

    def serve(self) -> None:
        """Answer until the notebook is gone.

        Its held processes end by themselves then, and so do containers that were bound to it.
        """
        poller = select.poll()
        poller.register(self.notebook, select.POLLIN)
        while True:
            ready = poller.poll(_REAP_EVERY * 1000 if self.children else None)
            self._reap()
            if not ready:
                continue
            message = self.notebook.receive()
            if message is None:
                return
            self._answer(message)

    def _reap(self) -> None:
        for pid in list(self.children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self.children.discard(pid)

    def _answer(self, message: dict[str, Any]) -> None:
        kind = message.pop("kind")
        ticket = message.pop("ticket")
        fds = message.pop("fds", [])
        try:
            handler = getattr(self, f"on_{kind}", None)
            if handler is None:
                raise UsageError(f"the agent knows no request {kind!r}")
            value, passed = handler(fds, **message)
            self.notebook.send("done", fds=passed, ticket=ticket, value=value)
            for fd in passed:
                os.close(fd)
        except KernelboxError as error:
            self.notebook.send(
                "error", ticket=ticket, message=error.message, hint=error.hint, code=error.code
            )
        except Exception as error:
            text = f"the agent failed: {type(error).__name__}: {error}"
            self.notebook.send("error", ticket=ticket, message=text, hint="", code=125)
        finally:
            for fd in fds:
                os.close(fd)

    def on_run(
        self, fds: list[int], options: dict[str, Any], wish: dict[str, Any]
    ) -> tuple[str, list[int]]:
        """Fork a monitor for a new container; the reply is its id and name, and the channel."""
        container = compose.compose(compose.Options(**options))
        channel, pid = monitor.launch(container, _wish(fds, wish))
        self.children.add(pid)
        return container.id, [channel.socket.detach()]

    def on_exec(
        self, fds: list[int], container: str, changes: dict[str, Any], wish: dict[str, Any]
    ) -> tuple[str, list[int]]:
        """Fork a monitor for one more program in a running container."""
        container_id = state.find(container)
        os.close(lifecycle.hold(container_id))
        own = spec.from_json(state.config(container_id)).process
        what = own._replace(terminal=False, interactive=False, **changes)
        channel, pid = monitor.launch_exec(container_id, what, _wish(fds, wish))
        self.children.add(pid)
        return container_id, [channel.socket.detach()]

    def on_hold(self, _fds: list[int]) -> tuple[int, list[int]]:
        """Fork a process under remote control; the reply is its pid, and the channel."""
        ours, theirs = Channel.pair()
        pid = os.fork()
        if pid == 0:
            held.serve(theirs)
        theirs.close()
        self.children.add(pid)
        return pid, [ours.socket.detach(), os.pidfd_open(pid)]

    def on_interrupt(self, fds: list[int]) -> tuple[None, list[int]]:
        """Interrupt what a held process is doing; it is named by its pidfd."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(fds[0], signal.SIGINT)
        return None, []

    def on_call(
        self, _fds: list[int], name: str, arguments: dict[str, Any]
    ) -> tuple[Any, list[int]]:
        """Do one of CALLS in this process."""
        if name not in CALLS:
            raise UsageError(f"the agent knows no call {name!r}", f"There are: {', '.join(CALLS)}")
        return CALLS[name](**arguments), []


def _wish(fds: list[int], wish: dict[str, Any]) -> monitor.Wish:
    stdio = (fds[0], fds[1], fds[2]) if fds else None
    return monitor.Wish(stdio=stdio, **wish)


def _containers(every: bool) -> list[dict[str, Any]]:
    cleanup.sweep()
    found = [(state.config(one), state.read(one)) for one in state.every()]
    return [
        lifecycle.inspection(spec.from_json(config), its)
        for config, its in found
        if config and (every or its.status == "running")
    ]


def _inspect(container: str) -> dict[str, Any]:
    container_id = state.find(container)
    return lifecycle.inspection(
        spec.from_json(state.config(container_id)), state.read(container_id)
    )


def _stop(container: str, seconds: float) -> None:
    lifecycle.stop(state.find(container), seconds)


def _remove(container: str, force: bool) -> None:
    lifecycle.remove(state.find(container), force=force)


CALLS: dict[str, Callable[..., Any]] = {
    "containers": _containers,
    "inspect": _inspect,
    "namespaces": namespaces.of,
    "stop": _stop,
    "remove": _remove,
    "sweep": cleanup.sweep,
    "reset": cleanup.reset,
}


def main() -> None:
    """Serve the socket that is standard input, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the notebook
    notebook = Channel(socket.socket(fileno=os.dup(0)))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    record.become("runtime")
    held.remember_host()
    try:
        state.prepare()
        cleanup.sweep()
    except KernelboxError as error:
        notebook.send("error", ticket=0, message=error.message, hint=error.hint, code=error.code)
        sys.exit(1)
    notebook.send("done", ticket=0, value=os.getpid())
    Agent(notebook).serve()


if __name__ == "__main__":
    main()

"""The agent: one small process with privilege and a single thread, that a notebook talks to.

A Jupyter kernel has many threads, and a process with threads cannot change its user or mount
namespace. So the notebook changes nothing itself. It starts the agent, with one end of a socket as
its standard input, and sends requests from the list below: JSON, never code for the agent itself.
The agent forks: monitors for containers, a held process for a student. It ends with the socket.

    run, exec    options -> a channel to the container's monitor
    hold         -> a channel to a process under remote control, and its pidfd
    interrupt    a pidfd: SIGINT to a held process
    kill         a pidfd: SIGKILL to one that does not end
    snapshot     how the kernel is found, as far as it is not as the last time
    call         one of CALLS -> a value
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import select
import signal
import socket
import sys
from contextlib import suppress

from kernelbox import (
    cgroup,
    cleanup,
    compose,
    held,
    launch,
    lifecycle,
    namespaces,
    network,
    pen,
    spec,
    state,
    threshold,
)
from kernelbox.channel import Channel, enclose
from kernelbox.crew import Crew
from kernelbox.kernel import flags as k
from kernelbox.kernel import process, record, syscalls
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kernelbox.observe.telling import Teller

_MOST_SCENES = 64  # of which the last snapshot is remembered
_REAP_EVERY = 1.0  # seconds


class Agent:
    """The loop: one request in, one reply out."""

    def __init__(self, notebook: Channel) -> None:
        self.notebook = notebook
        self._crew = Crew()
        self._monitors: set[int] = set()
        self._held: set[int] = set()
        self._tellers: dict[int, Teller] = {}

    def serve(self) -> None:
        """Answer until the notebook is gone, then end what it held.

        Monitors see the notebook go as well, and clean up after the containers bound to it.
        """
        poller = select.poll()
        poller.register(self.notebook, select.POLLIN)
        while True:
            self._reap()
            self._crew.hear()
            silent = self._held | self._crew.at_work(self._monitors)
            if not poller.poll(_REAP_EVERY * 1000 if silent else None):
                continue
            try:
                message = self.notebook.receive()
            except (TypeError, ValueError):  # no JSON
                message = {}
            if message is None:
                break
            self._answer(message if isinstance(message, dict) else {})
        self._crew.close()
        while strays := _children() - self._monitors:
            for pid in strays:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _reap(self) -> None:
        """Collect the children that have ended."""
        with suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                self._monitors.discard(pid)
                self._held.discard(pid)

    def _answer(self, message: dict[str, Any]) -> None:
        ticket = message.pop("ticket", None)
        fds = message.pop("fds", [])
        try:
            kind = message.pop("kind", None)
            handler = getattr(self, f"on_{kind}", None)
            if handler is None:
                raise UsageError(f"the agent knows no request {kind!r}")
            value, passed = handler(fds, **message)
            try:
                self.notebook.send("done", fds=passed, ticket=ticket, value=value)
            finally:
                for fd in passed:
                    os.close(fd)
        except KernelboxError as error:
            self._refuse(ticket, error)
        except Exception as error:
            text = f"the agent failed: {type(error).__name__}: {error}"
            self._refuse(ticket, KernelboxError(text))
        finally:
            for fd in fds:
                os.close(fd)

    def _refuse(self, ticket: int | None, error: KernelboxError) -> None:
        self.notebook.send(
            "error", ticket=ticket, message=error.message, hint=error.hint, code=error.code
        )

    def on_run(
        self, fds: list[int], options: dict[str, Any], wish: dict[str, Any]
    ) -> tuple[str, list[int]]:
        """Find a monitor for a new container; the reply is its id and name, and the channel."""
        for name in options:
            if name not in compose.Options._fields:
                known = ", ".join(compose.Options._fields)
                raise UsageError(f"no option {name!r}", f"There are: {known}")
        container, order = compose.compose(compose.Options(**options)), _wish(fds, wish)
        channel, pid = self._crew.order()
        self._monitors.add(pid)
        launch.order_run(channel, container, order)
        return container.id, [channel.socket.detach()]

    def on_exec(
        self, fds: list[int], container: str, changes: dict[str, Any], wish: dict[str, Any]
    ) -> tuple[str, list[int]]:
        """Fork a monitor for one more program in a running container."""
        container_id = state.find(container)
        os.close(lifecycle.hold(container_id))
        own = spec.from_json(state.config(container_id)).process
        what = own._replace(terminal=False, interactive=False, **changes)
        order = _wish(fds, wish)
        channel, pid = launch.launch()
        self._monitors.add(pid)
        launch.order_exec(channel, container_id, what, order)
        return container_id, [channel.socket.detach()]

    def on_hold(self, _fds: list[int]) -> tuple[int, list[int]]:
        """Fork a process under remote control; the reply is its pid, and the channel."""
        ours, theirs = Channel.pair()
        with pen.opened() as way_in:
            try:
                pid, pidfd = process.clone3(0, None if way_in is None else way_in.clone_fd)
            except KernelError as full:
                if full.errno != errno.EAGAIN:
                    raise
                way_in = None  # no room there: then outside
                pid, pidfd = process.clone3(0)
            if pid == 0:
                with suppress(KernelError):  # with cgroup v1 it is now that there may be no room
                    if way_in is not None:
                        way_in.enter()
                held.begin(theirs)
        theirs.close()
        self._held.add(pid)
        return pid, [ours.socket.detach(), pidfd]

    def on_interrupt(self, fds: list[int]) -> tuple[None, list[int]]:
        """Interrupt what a held process is doing; it is named by its pidfd."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(fds[0], signal.SIGINT)
        return None, []

    def on_kill(self, fds: list[int]) -> tuple[None, list[int]]:
        """Kill what a held process has become; it is named by its pidfd."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(fds[0], signal.SIGKILL)
        return None, []

    def on_snapshot(
        self, _fds: list[int], scene: int, known: int, **what: Any
    ) -> tuple[None, list[int]]:
        """Look at the kernel; the reply is a file with what is new since the last look.

        Args:
            scene: Whatever the notebook calls what it looks at; the same containers each time.
            known: Number of the reply that the notebook knows last.
            **what: As for `observe.snapshot`.
        """
        # Here: a lab that shows no view does without.
        from kernelbox import observe
        from kernelbox.observe.telling import Teller

        teller = self._tellers.pop(scene, None) or Teller()
        self._tellers[scene] = teller  # the last in line to be forgotten
        if len(self._tellers) > _MOST_SCENES:
            del self._tellers[next(iter(self._tellers))]
        return None, [enclose(teller.tell(observe.snapshot(**what), known), "snapshot")]

    def on_call(
        self, _fds: list[int], name: str, arguments: dict[str, Any]
    ) -> tuple[Any, list[int]]:
        """Do one of CALLS in this process."""
        if name not in CALLS:
            raise UsageError(f"the agent knows no call {name!r}", f"There are: {', '.join(CALLS)}")
        return CALLS[name](**arguments), []


def _children() -> set[int]:
    """Return the children of this process, among them whoever lost its own parent below it.

    Source: proc_pid_stat(5), ppid.
    """
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            if int(file.read().rpartition(b")")[2].split()[1]) == os.getpid():
                found.add(int(pid))
    return found


def _wish(fds: list[int], wish: dict[str, Any]) -> launch.Wish:
    stdio = (fds[0], fds[1], fds[2]) if fds else None
    return launch.Wish(stdio=stdio, **wish)


def _containers(every: bool) -> list[dict[str, Any]]:
    cleanup.sweep()
    found = [(state.config(one), state.read(one)) for one in state.every()]
    return [
        lifecycle.inspection(spec.from_json(config), its)
        for config, its in found
        if config and (every or its.status == "running")
    ]


def _namespaces(pid: int | str) -> dict[str, int]:
    try:
        return namespaces.of(pid)
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise UsageError(f"there is no process {pid}", "See: ps -e") from gone
    except PermissionError as refusal:
        raise UsageError(
            f"process {pid} does not show its namespaces", "It has privileges that we have not"
        ) from refusal


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
    "namespaces": _namespaces,
    "confine": pen.take_in,
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
    os.chdir("/")  # what is held begins there, and keeps no directory of the notebook's busy
    record.become("runtime")
    threshold.remember_host()
    try:
        # What a student starts in the background and forgets must not outlive the notebook.
        syscalls.prctl(k.PR_SET_CHILD_SUBREAPER, 1)
        state.prepare()
        cleanup.sweep()
    except KernelboxError as error:
        notebook.send("error", ticket=0, message=error.message, hint=error.hint, code=error.code)
        sys.exit(1)
    _load_ahead()
    # A collection goes through all there is, and what a fork has touched is no longer shared.
    gc.freeze()
    notebook.send("done", ticket=0, value=os.getpid())
    Agent(notebook).serve()


def _load_ahead() -> None:
    """Load and look up, once, what every monitor would for itself: it is a fork and inherits it."""
    importlib.import_module("kernelbox.monitor")
    network.resolv_conf()
    with suppress(KernelboxError):  # a host without control groups: `run` will say so
        cgroup.of("any").exists()


if __name__ == "__main__":
    main()

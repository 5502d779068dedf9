"""The agent: one small process with privilege and a single thread, that a notebook talks to.

A Jupyter kernel has many threads, and a process with threads cannot change its user or mount
namespace. So the notebook changes nothing itself. It starts the agent, with one end of a socket as
its standard input, and sends requests from the list below: JSON, never code for the agent itself.
The agent forks: monitors for containers, a held process for a student. It ends with the socket.

    run, exec    options -> a channel to the container's monitor
    hold         -> a channel to a process under remote control, and its pidfd
    load         -> the pidfd of a load, and the file in which it tells how it fares
    interrupt    a pidfd: SIGINT to a held process
    kill         a pidfd: SIGKILL to one that does not end
    confine      a pidfd: to where forks have an end
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
import sys
from contextlib import suppress
from functools import cached_property

from kernelbox import cgroup, network
from kernelbox.agent import fork_limit, forking, groups, networks, whose
from kernelbox.agent.calls import CALLS
from kernelbox.agent.monitors import Monitors
from kernelbox.container import names, state
from kernelbox.container.conversation import orders
from kernelbox.container.conversation.monitor_messages import Wish
from kernelbox.container.lifecycle import cleanup, stopping
from kernelbox.container.monitor import launch
from kernelbox.container.options import process_options, run_options
from kernelbox.kernel import door, process, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from kernelbox.plumbing.channel import Channel, enclose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from kernelbox.agent.forking import Arrived
    from kernelbox.agent.guard import Guard
    from kernelbox.container.option_types import ExecOptions, RunOptions
    from kernelbox.observe.updates import Teller

_MOST_SCENES = 64  # of which the last snapshot is remembered
_REAP_EVERY = 1.0  # seconds


class Agent:
    """The loop: one request in, one reply out."""

    def __init__(self, notebook: Channel) -> None:
        self.notebook = notebook
        self._lasting = Monitors()
        self._monitors: set[int] = set()
        self._held: set[int] = set()
        self._has_held = False
        self._tellers: dict[int, Teller] = {}

    def serve(self) -> None:
        """Answer until the notebook is gone, then end what it held.

        Monitors see the notebook go as well, and clean up after the containers bound to it.
        """
        poller = select.poll()
        poller.register(self.notebook, select.POLLIN)
        while True:
            self._reap()
            self._lasting.hear()
            silent = self._held | self._lasting.at_work(self._monitors)
            if not poller.poll(_REAP_EVERY * 1000 if silent else None):
                continue
            try:
                message = self.notebook.receive()
            except (TypeError, ValueError):  # no JSON
                message = {}
            if message is None:
                break
            self._answer(message if isinstance(message, dict) else {})
        self._lasting.close()
        groups.end()
        networks.end()
        if self._has_held:
            fork_limit.kill_descendants(os.getpid())
        while strays := _children() - self._monitors:
            for pid in strays:
                os.kill(pid, signal.SIGKILL)
            # As they end: the first of a PID namespace does when all the others are collected.
            while strays:
                ended, _ = os.waitpid(-1, 0)
                strays.discard(ended)
                self._monitors.discard(ended)

    def _reap(self) -> None:
        """Collect the children that have ended."""
        with suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                self._monitors.discard(pid)
                self._held.discard(pid)

    def _answer(self, message: dict[str, Any]) -> None:
        ticket = message.pop("ticket", None)
        if not isinstance(ticket, int):  # it comes back in the answer, which has to be short
            ticket = None
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
        except UnicodeEncodeError:
            half = "a text in the request has half of a character in it"
            self._refuse(ticket, UsageError(half, "No text in UTF-8 can"))
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
        self, fds: list[int], options: RunOptions, wish: dict[str, Any]
    ) -> tuple[str, list[int]]:
        """Find a monitor for a new container; the reply is its id, and the channel."""
        wanted, how = run_options.compose(options), Wish(**wish)
        channel, pid = self._lasting.order()
        self._monitors.add(pid)
        orders.run(channel, wanted, how, _streams(fds))
        return wanted.id, [channel.socket.detach()]

    def on_exec(
        self,
        fds: list[int],
        container: str,
        command: list[str],
        options: ExecOptions,
        wish: dict[str, Any],
    ) -> tuple[str, list[int]]:
        """Fork a monitor for one more program in a running container."""
        container_id = names.find(container)
        os.close(stopping.pidfd_of_init(container_id))
        own = state.spec(container_id).process
        what, how = process_options.compose_exec(own, command, options), Wish(**wish)
        channel, pid = launch.launch()
        self._monitors.add(pid)
        orders.exec(channel, container_id, what, how, _streams(fds))
        return container_id, [channel.socket.detach()]

    def on_hold(self, _fds: list[int]) -> tuple[int, list[int]]:
        """Fork a process under remote control; the reply is its pid, and the channel."""
        # Here, before the fork: a lab that holds nothing does without.
        from kernelbox.agent import remote

        guard = self._guard
        ours, theirs = Channel.pair()
        with fork_limit.opened() as way_in:

            def be(arrived: Arrived) -> NoReturn:
                with suppress(KernelError):  # with cgroup v1 it is now that there may be no room
                    if way_in is not None:
                        way_in.enter()
                arrived()
                remote.begin(theirs, guard)

            try:
                clone_fd = None if way_in is None else way_in.clone_fd
                pid, pidfd, _ = forking.fork(clone_fd, be)
            except KernelError as full:
                if full.errno != errno.EAGAIN:
                    raise
                way_in = None  # no room there: then outside
                pid, pidfd, _ = forking.fork(None, be)
        theirs.close()
        self._held.add(pid)
        self._has_held = True
        return pid, [ours.socket.detach(), pidfd]

    def on_load(self, _fds: list[int], **what: Any) -> tuple[int, list[int]]:
        """Fork a load: see `loading.begin`; the reply is its pid."""
        from kernelbox.agent import loading  # a lab without loads does without

        pid, fds = loading.begin(**what)
        self._held.add(pid)
        self._has_held = True
        return pid, fds

    @cached_property
    def _guard(self) -> Guard:
        from kernelbox.agent.guard import Guard

        return Guard()

    def on_interrupt(self, fds: list[int]) -> tuple[None, list[int]]:
        """Interrupt what a held process is doing; it is named by its pidfd."""
        _signal(fds, signal.SIGINT)
        return None, []

    def on_kill(self, fds: list[int]) -> tuple[None, list[int]]:
        """Kill what a held process has become; it is named by its pidfd."""
        _signal(fds, signal.SIGKILL)
        return None, []

    def on_confine(self, fds: list[int]) -> tuple[None, list[int]]:
        """Move a process, named by its pidfd, to where forks have an end."""
        with suppress(ProcessLookupError):
            pid = whose.demand(fds, {os.getpid(), self.notebook.peer()})
            fork_limit.take_in(pid)
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
        from kernelbox.observe.updates import Teller

        teller = self._tellers.pop(scene, None) or Teller()
        self._tellers[scene] = teller  # the last in line to be forgotten
        if len(self._tellers) > _MOST_SCENES:
            del self._tellers[next(iter(self._tellers))]
        return None, [enclose(teller.tell(observe.snapshot(**what), known), "snapshot")]

    def on_call(
        self, _fds: list[int], name: str, arguments: dict[str, Any]
    ) -> tuple[None, list[int]]:
        """Do one of CALLS in this process; the reply is a file with what it returned.

        There may be fifty containers to tell of, and no message holds all that.
        """
        if name not in CALLS:
            raise UsageError(f"the agent knows no call {name!r}", f"There are: {', '.join(CALLS)}")
        return None, [enclose(CALLS[name](**arguments), "answer")]


def _signal(fds: list[int], number: int) -> None:
    with suppress(ProcessLookupError):
        whose.demand(fds, {os.getpid()})
        try:
            process.pidfd_send_signal(fds[0], number)
        except KernelError as refusal:
            if refusal.errno != errno.ESRCH:  # it has just ended
                raise


def _children() -> set[int]:
    """Return the children of this process, among them whoever lost its own parent below it.

    Source: proc_pid_stat(5), ppid.
    """
    pids = map(int, filter(str.isdigit, os.listdir("/proc")))
    return {pid for pid in pids if process.parent(pid) == os.getpid()}


def _streams(fds: list[int]) -> orders.Streams | None:
    return (fds[0], fds[1], fds[2]) if fds else None


def main() -> None:
    """Serve the socket that is standard input, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the notebook
    notebook = Channel.at(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    os.chdir("/")  # what is held begins there, and keeps no directory of the notebook's busy
    door.become("runtime")
    try:
        # What a student starts in the background and forgets must not outlive the notebook.
        syscalls.prctl(k.PR_SET_CHILD_SUBREAPER, 1)
        state.prepare()
        cleanup.sweep()
        groups.sweep()
        networks.sweep()
    except KernelboxError as error:
        notebook.send("error", ticket=0, message=error.message, hint=error.hint, code=error.code)
        sys.exit(1)
    _load_ahead()
    # A collection goes through all there is, and what a fork has touched is no longer shared.
    gc.freeze()
    notebook.send("done", ticket=0, value=os.getpid())
    Agent(notebook).serve()


def _load_ahead() -> None:
    """Load and look up, once, what every fork of ours needs and would look for itself, or not find.

    A monitor inherits it; and a held process, whose path is empty, has no other modules.
    """
    importlib.import_module("kernelbox.container.monitor.monitor")
    importlib.import_module("ctypes")  # which cells import
    network.resolv_conf()
    with suppress(KernelboxError):  # a host without control groups: `run` will say so
        cgroup.of("any").exists()

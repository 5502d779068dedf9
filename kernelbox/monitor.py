"""The monitor: one process per container, from its making to the record of its exit code.

    monitor   create, start, relay, release; it is the parent of the container's init
    front     the command line or the notebook: it launched the monitor, shows, asks, waits

The front may end at any time; the container and its monitor live on, as with Docker. The monitor
may be killed at any time; then its container dies with it, and the next command cleans up.
The messages between the two are in `launch.py`.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from kernelbox import cgroup, cleanup, paths, runtime, spec, state
from kernelbox.channel import Channel
from kernelbox.kernel import process, record
from kernelbox.kernel.errors import KernelboxError
from kernelbox.launch import Wish, read_order
from kernelbox.relay import Log, Relay, Stream, resize
from kernelbox.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from kernelbox.kernel.record import Event
    from kernelbox.runtime import Container
    from kernelbox.spec import Process, Spec


class Ears(NamedTuple):
    """The runtime side's ends of a program's standard streams."""

    stdin: int | None
    stdout: int | None
    stderr: int | None


def main(front: Channel) -> NoReturn:
    """Be the monitor of one container: carry out the front's order, and end this process."""
    try:
        _part_from_parent(front)
        _take_order(front)
    finally:
        os._exit(0)


def serve(agent: Channel) -> NoReturn:
    """Be the monitor of one container after the other, for the fronts that an agent sends.

    One that has failed, or is not what it was, ends.
    """
    try:
        _part_from_parent(agent)
        own_name = process.rename("spare monitor")  # for who looks at the processes meanwhile
        again = True
        while again and (message := agent.receive()) is not None:
            process.rename(own_name)
            front = Channel.at(message["fds"][0])
            again = _take_order(front, agent)
            front.close()
            process.close_all_but([agent.fileno()])
            process.rename("spare monitor")
    finally:
        os._exit(0)


def _part_from_parent(channel: Channel) -> None:
    """Keep nothing of the fork's parent but the channel to it."""
    process.close_all_but([channel.fileno()])
    os.setsid()  # out of reach of the terminal's Ctrl-C, which is for the front to forward
    # The front's streams come with the order; those that the fork inherited are let go.
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def _take_order(front: Channel, agent: Channel | None = None) -> bool:
    """Wait for an order, carry it out, and tell the front how that ended.

    Returns:
        Whether this process is as good as before; then the agent knows it too.
    """
    try:
        message = front.receive()
        return message is not None and _obey(front, message, agent)
    except KernelboxError as error:
        front.send("error", message=error.message, hint=error.hint, code=error.code)
    except OSError as error:
        reason = state.disk_error(error)
        front.send("error", message=reason.message, hint=reason.hint, code=reason.code)
    except BaseException as error:
        import traceback  # a bug

        text = f"the monitor failed: {type(error).__name__}: {error}"
        trace = traceback.format_exc()[-16000:]
        front.send("error", message=text, hint="", code=125, traceback=trace)
    return False


def _obey(front: Channel, message: dict[str, Any], agent: Channel | None) -> bool:
    order, wish = read_order(message)
    cleanup.sweep()
    _report_to(front, wish)
    if message["kind"] == "exec":
        code = _attend(order["container"], spec.Process(**order["process"]), wish, front)
        front.send("exited", code=code)
        return False  # it is in the container's namespaces
    container = spec.from_json(order)
    code = _look_after(container, wish, front)
    as_before = container.time_offset is None  # or else its children have other clocks
    if as_before and agent is not None:
        agent.send("free")  # ahead of the last word: the front may want the next one at once
    front.send("exited", code=code)
    for fd in wish.stdio or ():
        os.close(fd)  # whoever reads them to their end need not wait for what is left to do
    with suppress(KernelboxError):  # the next command will try again
        cleanup.delete_files(container.id)
    return as_before


def _report_to(front: Channel, wish: Wish) -> None:
    def show(event: Event) -> None:
        front.send("event", event=event)

    record.become("runtime")
    record.sink = show if wish.observed else None
    record.gate = Gate(front) if wish.stepped else None


class Gate:
    """Asks the front before each request to the kernel.

    A person who interrupts, or goes away, while the container is being born, wants no container.
    Later there is a program to be interrupted, and cleaning up is not to be stopped half-way.
    """

    def __init__(self, front: Channel) -> None:
        self.front = front
        self.before_birth = True

    def __call__(self, event: Event) -> None:
        """Wait for "go".

        Raises:
            KernelboxError: The person has interrupted.
        """
        self.front.send("pause", event=event)
        while True:
            message = self.front.receive()
            if message is not None and message["kind"] == "go":
                return
            if message is None or message["kind"] == "signal":
                record.gate = None
                if self.before_birth:
                    raise KernelboxError(f"interrupted before {event.request}", code=130)
                return


def _look_after(container: Spec, wish: Wish, front: Channel) -> int:
    """Be a container's monitor; return its exit code once everything is cleaned up."""
    lock = _reserve(container)
    try:
        theirs, ours = _open_stdio(container.process, wish)
        born = runtime.create(container, theirs)
        _close(theirs)
        # A program may fill the disk at once: there must be room for what comes to be written.
        state.write(container.id, state.State(pid=born.pid))
        # Where nobody has a say before its start, it need not wait for that.
        if container.process.terminal or wish.stepped:
            born.listen(until="ready")
        if born.terminal is not None:
            resize(born.terminal, *wish.size)
        runtime.start(born)
        running = state.State(
            status="running",
            pid=born.pid,
            start_time=born.start_time,
            started=time.time(),
            address=born.address,
        )
        state.write(container.id, running)
    except BaseException:
        cleanup.remove(container.id)
        raise
    if isinstance(record.gate, Gate):
        record.gate.before_birth = False
        if wish.bound:
            # A notebook steps through the birth alone: later, nobody may be there to say go.
            record.gate = None
    front.send("started", id=container.id, pid=born.pid)
    relay = _relay(born, ours, container.process, wish, front)
    relay.log = Log(f"{paths.container(container.id)}/log")
    relay.run()
    code = process.wait_exit(born.pid)
    if wish.read_later:
        front.send("ended", code=code)
        while (message := front.receive()) is not None and message["kind"] != "go":
            pass  # a signal or a size, for a program that has ended
    return _bring_to_rest(container, running, code, lock)


def _reserve(container: Spec) -> int:
    try:
        return state.reserve(container.id, container.name, spec.to_json(container))
    except FileExistsError:
        raise  # the id is another container's: leave that alone
    except OSError:
        cleanup.remove(container.id)
        raise


def _bring_to_rest(container: Spec, running: state.State, code: int, lock: int) -> int:
    """Record how the container ended, and release what it held."""
    state.note_exit(lock, str(code))
    try:
        if container.remove:
            cleanup.discard(container.id)
        else:
            oom_killed = bool(cgroup.of(container.id).stats().oom_kill)
            rest = running._replace(exit_code=code, finished=time.time(), oom_killed=oom_killed)
            # The exit code first: whoever cleans up, if this process cannot, finds it there.
            state.write(container.id, rest)
            cleanup.release(container.id)
            state.write(container.id, rest._replace(status="exited"))
    except KernelboxError as error:
        message = f"the program ended with {code}, but cleaning up failed: {error.message}"
        raise KernelboxError(message, error.hint) from error
    return code


def _attend(container_id: str, what: Process, wish: Wish, front: Channel) -> int:
    """Run one more program in a running container; return its exit code."""
    from kernelbox import joining  # for `exec` only

    running = state.read(container_id)
    container = spec.from_json(state.config(container_id))
    theirs, ours = _open_stdio(what, wish)
    born = joining.join(running.pid, container, what, theirs)
    _close(theirs)
    if born.terminal is not None:
        resize(born.terminal, *wish.size)
    front.send("started", id=container_id, pid=born.pid)
    _relay(born, ours, what, wish, front).run()
    return process.wait_exit(born.pid)


def _open_stdio(what: Process, wish: Wish) -> tuple[tuple[int, int, int], Ears]:
    """Return the descriptors for the program's 0, 1 and 2, and our ends of them."""
    if what.terminal:
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        return (nothing, nothing, nothing), Ears(None, None, None)
    stdin, our_stdin = (
        os.pipe() if what.interactive else (os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), None)
    )
    our_stdout, stdout = os.pipe()
    our_stderr, stderr = os.pipe()
    return (stdin, stdout, stderr), Ears(our_stdin, our_stdout, our_stderr)


def _close(fds: tuple[int, int, int]) -> None:
    for fd in set(fds):
        os.close(fd)


def _relay(born: Container, ours: Ears, what: Process, wish: Wish, front: Channel) -> Relay:
    """Connect the program's streams with the front's, if there is one."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    stdin, stdout, stderr = wish.stdio or (None, None, None)
    relay = Relay(born.pidfd, front, born.terminal, log=None)
    relay.lent = wish.stdio or ()
    relay.kill_when_alone = wish.bound
    if born.terminal is not None:
        # It takes less than it is given while the program does not read: do not wait for that.
        os.set_blocking(born.terminal, False)
        relay.outputs = [Stream(os.dup(born.terminal), stdout, "stdout")]
        our_stdin: int | None = os.dup(born.terminal)
    else:
        assert ours.stdout is not None and ours.stderr is not None
        relay.outputs = [
            Stream(ours.stdout, stdout, "stdout"),
            Stream(ours.stderr, stderr, "stderr"),
        ]
        our_stdin = ours.stdin
    if what.interactive and our_stdin is not None and stdin is not None:
        relay.input = Stream(os.dup(stdin), our_stdin)
    return relay

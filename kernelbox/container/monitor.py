"""The monitor: one process per container, from its making to the record of its exit code.

    monitor   create, start, relay, release; it is the parent of the container's init
    front     the command line or the notebook: it launched the monitor, shows, asks, waits

The front may end at any time; the container and its monitor live on, as with Docker. The monitor
may be killed at any time; then its container dies with it, and the next command cleans up.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress

from kernelbox import cgroup
from kernelbox.container import (
    cleanup,
    events,
    lives,
    messages,
    monitor_lock,
    orders,
    runtime,
    state,
    stdio,
)
from kernelbox.container.gate import Gate
from kernelbox.container.lives import Life
from kernelbox.container.log import Log
from kernelbox.container.messages import (
    Detached,
    Ended,
    Exited,
    Failed,
    Free,
    Go,
    Made,
    Order,
    Started,
)
from kernelbox.container.relay import resize
from kernelbox.container.spec import from_json, process_from_json
from kernelbox.kernel import door, process
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.kernel.explain import disk_error
from kernelbox.plumbing import paths
from kernelbox.plumbing.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from kernelbox.container.birth import Newborn
    from kernelbox.container.messages import Wish
    from kernelbox.container.orders import Streams
    from kernelbox.container.spec import Process, Spec
    from kernelbox.kernel.door import Event

_STARVED = KernelboxError(
    "the memory limit is too low for the start itself: there was none left before "
    "the container's first process could become its program",
    "Give it more: --memory, or that of its --cgroup-parent",
)


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
        own_name = process.rename("spare monitor")  # what `ps` shows meanwhile
        again = True
        while again and isinstance(message := messages.receive(agent), messages.NextFront):
            process.rename(own_name)
            front = Channel.at(message.fds[0])
            again = _take_order(front, agent)
            front.close()
            process.close_all_but([agent.fileno()])
            process.rename("spare monitor")
    finally:
        os._exit(0)


def _part_from_parent(channel: Channel) -> None:
    """Keep nothing of the fork's parent but the channel to it."""
    process.close_all_but([channel.fileno()])
    os.umask(0o022)  # a container's files have the modes it asks for, not a person's shell
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
        order = messages.receive(front)
        return isinstance(order, Order) and _obey(front, order, agent)
    except KernelboxError as error:
        failure = Failed(error.message, error.hint, error.code)
    except OSError as error:
        reason = disk_error(error)
        failure = Failed(reason.message, reason.hint, reason.code)
    except BaseException as error:
        import traceback  # a bug

        text = f"the monitor failed: {type(error).__name__}: {error}"
        failure = Failed(text, "", 125, traceback.format_exc()[-16000:])
    messages.send(front, failure)
    return False


def _obey(front: Channel, order: Order, agent: Channel | None) -> bool:
    document, wish, given = orders.read(order)
    cleanup.sweep()
    _report_to(front, wish)
    if order.what == "exec":
        what = process_from_json(document["process"])
        messages.send(front, _attend(document["container"], what, wish, given, front))
        return False  # it is in the container's namespaces
    if order.what == "start":
        life = lives.take(document["container"])
        if life is None:  # it runs
            messages.send(front, Started(document["container"], 0))
            messages.send(front, Detached())
            return True
    else:
        spec = from_json(document)
        life = Life(spec, _reserve(spec, document), None)
        events.record("create", spec.id)
    spec = life.spec
    exited = _look_after(life, wish, given, front)
    as_before = spec.linux.namespace("time") is None  # or else its children have other clocks
    if as_before and agent is not None:
        messages.send(agent, Free())  # before `Exited`: the front may want the next one at once
    messages.send(front, exited)
    for fd in given or ():
        os.close(fd)  # whoever reads them to their end need not wait for what is left to do
    with suppress(KernelboxError):  # the next command will try again
        cleanup.delete_files(spec.id)
    return as_before


def _report_to(front: Channel, wish: Wish) -> None:
    def show(event: Event) -> None:
        messages.send(front, Made(event))

    door.become("runtime")
    door.sink = show if wish.observed else None
    door.gate = Gate(front) if wish.stepped else None


def _look_after(life: Life, wish: Wish, given: Streams | None, front: Channel) -> Exited:
    """Be a container's monitor; return how it ended once everything is cleaned up."""
    spec = life.spec
    try:
        born, ours = _bear(life, wish)
        running = state.State(
            status="running",
            pid=born.pid,
            start_time=born.start_time,
            started=time.time(),
            address=born.address,
        )
        state.write(spec.id, running)
    except BaseException as error:
        # Before anybody is there to be killed, the kernel refuses (ENOMEM).
        refused = isinstance(error, KernelError) and error.errno == errno.ENOMEM
        starved = isinstance(error, KernelboxError) and (refused or _oom_kills(spec))
        failure = _STARVED if starved else error
        _undo(life, failure)
        if starved:
            raise failure from error
        raise
    if isinstance(door.gate, Gate):
        door.gate.before_birth = False
        if wish.bound:
            # A notebook steps through the birth alone: later, nobody may be there to say go.
            door.gate = None
    events.record("start", spec.id)
    messages.send(front, Started(spec.id, born.pid))
    relay = stdio.connect(born, ours, given, front, wish)
    relay.log = Log(f"{paths.container(spec.id)}/log")
    relay.group = cgroup.of(spec.group)
    relay.run()
    code = process.wait_exit(born.pid)
    if wish.read_later:
        messages.send(front, Ended(code))
        while (message := messages.receive(front)) is not None and not isinstance(message, Go):
            pass  # a signal or a size, for a program that has ended
    _bring_to_rest(spec, running, code, life.lock)
    return Exited(code, relay.lost)


def _undo(life: Life, error: BaseException) -> None:
    """Leave nothing of a start that has failed, but for what was there before."""
    if life.before is None or life.spec.kernelbox.remove:
        cleanup.remove(life.spec.id)
        return
    cleanup.release(life.spec.id)
    code = error.code if isinstance(error, KernelboxError) else 125
    state.write(life.spec.id, life.before.given_up(str(error), code))


def _bear(life: Life, wish: Wish) -> tuple[Newborn, stdio.Ends]:
    """Create a container and start it; return it with our ends of its streams."""
    spec, before = life.spec, life.before or state.State()
    # Whoever starts it may not be at its keyboard; its input is open all the same.
    theirs, ours = stdio.open_for(spec.process, wish.interactive or spec.kernelbox.interactive)
    born = runtime.create(spec, theirs, before.address)
    if spec.kernelbox.joined:
        from kernelbox.container import networks  # few are on several

        networks.join_again(spec, born.pid)
    stdio.close(theirs)
    # A program may fill the disk at once: there must be room for what comes to be written.
    status = "creating" if life.before is None else "starting"
    state.write(spec.id, before._replace(status=status, pid=born.pid))
    # Where nobody has a say before its start, it need not wait for that.
    if spec.process.terminal or wish.stepped:
        born.until(messages.Ready)
    if born.terminal is not None:
        resize(born.terminal, *wish.size)
    runtime.start(born)
    return born, ours


def _reserve(spec: Spec, document: dict[str, Any]) -> int:
    try:
        return monitor_lock.reserve(spec.id, spec.kernelbox.name, document)
    except FileExistsError:
        raise  # the id is another container's: leave that alone
    except OSError:
        cleanup.remove(spec.id)
        raise


def _bring_to_rest(spec: Spec, running: state.State, code: int, lock: int) -> None:
    """Record how the container ended, and release what it held."""
    monitor_lock.note_exit(lock, str(code))
    killed = _oom_kills(spec)
    events.record("die", spec.id, exitCode=code, oomKills=killed)
    try:
        if spec.kernelbox.remove:
            cleanup.discard(spec.id)
        else:
            oom_killed = killed > 0
            rest = running._replace(exit_code=code, finished=time.time(), oom_killed=oom_killed)
            # The exit code first: whoever cleans up, if this process cannot, finds it there.
            state.write(spec.id, rest)
            cleanup.release(spec.id)
            state.write(spec.id, rest._replace(status="exited"))
    except KernelboxError as error:
        message = f"the program ended with {code}, but cleaning up failed: {error.message}"
        raise KernelboxError(message, error.hint) from error


def _oom_kills(spec: Spec) -> int:
    return cgroup.of(spec.group).counter("memory.events", "oom_kill")


def _attend(
    container_id: str, what: Process, wish: Wish, given: Streams | None, front: Channel
) -> Exited:
    """Run one more program in a running container; return how it ended."""
    from kernelbox.container import enter  # for `exec` only

    running = state.read(container_id)
    spec = state.spec(container_id)
    theirs, ours = stdio.open_for(what, wish.interactive)
    # Written now: from here on this process is in the container, and so are its files.
    events.record("exec_create", container_id, execCommand=" ".join(what.args)[:200])
    born = enter.enter(running.pid, spec, what, theirs, wish.size)
    stdio.close(theirs)
    messages.send(front, Started(container_id, born.pid))
    relay = stdio.connect(born, ours, given, front, wish)
    relay.run()
    return Exited(process.wait_exit(born.pid), relay.lost)

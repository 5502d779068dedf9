"""The monitor: one process per container, from its making to the record of its exit code.

    monitor   create, start, relay, release; it is the parent of the container's init
    front     the command line or the notebook: it launched the monitor, shows, asks, waits

The front may end at any time; the container and its monitor live on, as with Docker. The monitor
may be killed at any time; then its container dies with it, and the next command cleans up. One that
has nothing to do for a while sleeps without an interpreter: see dozing.py.
"""

from __future__ import annotations

import os

from kernelbox import cgroup
from kernelbox.container import events, monitor_lock, state
from kernelbox.container.birth import stdio
from kernelbox.container.conversation import messages, orders
from kernelbox.container.conversation.gate import Gate
from kernelbox.container.conversation.messages import Failed, Made
from kernelbox.container.conversation.monitor_messages import (
    Detached,
    Exited,
    Free,
    NextFront,
    Order,
    Started,
)
from kernelbox.container.lifecycle import cleanup
from kernelbox.container.monitor import dozing, living
from kernelbox.container.monitor_lock import Life
from kernelbox.container.spec import from_json, process_from_json
from kernelbox.kernel import door, process
from kernelbox.kernel.errors import KernelboxError
from kernelbox.kernel.explain import disk_error
from kernelbox.plumbing.channel import Channel
from kernelbox.plumbing.light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from kernelbox.container.conversation.monitor_messages import Wish
    from kernelbox.container.conversation.orders import Streams
    from kernelbox.container.spec import Process, Spec
    from kernelbox.kernel.door import Event


def main(front: Channel, *, may_doze: bool) -> NoReturn:
    """Be the monitor of one container: carry out the front's order, and end this process."""
    try:
        _part_from_parent(front)
        _take_order(front, may_doze=may_doze)
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
        while again and isinstance(message := messages.receive(agent), NextFront):
            process.rename(own_name)
            front = Channel.at(message.fds[0])
            again = _take_order(front, agent)
            front.close()
            process.close_all_but([agent.fileno()])
            process.rename("spare monitor")
    finally:
        os._exit(0)


def wake(text: str) -> NoReturn:
    """Be the monitor of a container again, after a sleep.

    Args:
        text: From `dozing.doze`, perhaps another version's.
    """
    try:
        try:
            dream, relay, reception = dozing.remember(text)
            life = Life(state.spec(dream.id), dream.lock, None)
            relay.group = cgroup.of(life.spec.group)
            going = living.Going(state.read(dream.id), relay, dream.began, dream.waited)
        except Exception as error:  # it must not cost the container
            dozing.stand_by(error)
        try:
            living.go_on(life, going, reception)
        finally:
            _tidy_up(life)
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


def _take_order(front: Channel, agent: Channel | None = None, *, may_doze: bool = False) -> bool:
    """Wait for an order, carry it out, and tell the front how that ended.

    Returns:
        Whether this process is as good as before; then the agent knows it too.
    """
    try:
        order = messages.receive(front)
        return isinstance(order, Order) and _obey(front, order, agent, may_doze)
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


def _obey(front: Channel, order: Order, agent: Channel | None, may_doze: bool) -> bool:
    document, wish, given = orders.read(order)
    cleanup.sweep()
    _report_to(front, wish)
    if order.what == "exec":
        what = process_from_json(document["process"])
        messages.send(front, _attend(document["container"], what, wish, given, front))
        return False  # it is in the container's namespaces
    if order.what == "start":
        from kernelbox.container.lifecycle import lives  # a run begins a first life

        life = lives.take(document["container"])
        if life is None:  # it runs
            messages.send(front, Started(document["container"], 0))
            messages.send(front, Detached())
            return True
    else:
        spec = from_json(document)
        life = Life(spec, _reserve(spec, document), None)
        events.record("create", spec.id)
    as_before = life.spec.linux.namespace("time") is None  # or else its children have other clocks

    def tell(exited: Exited, last: bool) -> None:
        if last and as_before and agent is not None:
            messages.send(agent, Free())  # before: the front may want the next one at once
        messages.send(front, exited)
        for fd in given or ():
            os.close(fd)  # whoever reads them to their end need not wait for what is left to do

    try:
        living.live(life, wish, given, front, tell, may_doze=may_doze)
    finally:
        _tidy_up(life)
    return as_before


def _tidy_up(life: Life) -> None:
    with suppress(KernelboxError):  # the next command will try again
        cleanup.delete_files(life.spec.id)


def _report_to(front: Channel, wish: Wish) -> None:
    def show(event: Event) -> None:
        messages.send(front, Made(event))

    door.become("runtime")
    door.sink = show if wish.observed else None
    door.gate = Gate(front) if wish.stepped else None


def _reserve(spec: Spec, document: dict[str, Any]) -> int:
    try:
        return monitor_lock.reserve(spec.id, spec.kernelbox.name, document)
    except FileExistsError:
        raise  # the id is another container's: leave that alone
    except OSError:
        cleanup.remove(spec.id)
        raise


def _attend(
    container_id: str, what: Process, wish: Wish, given: Streams | None, front: Channel
) -> Exited:
    """Run one more program in a running container; return how it ended."""
    from kernelbox.container.birth import enter  # for `exec` only

    running = state.read(container_id)
    spec = state.spec(container_id)
    theirs, ours = stdio.open_for(what, wish.interactive)
    # Written now: from here on this process is in the container, and so are its files.
    events.record("exec_create", container_id, execCommand=" ".join(what.args)[:200])
    born = enter.enter(running.pid, spec, what, theirs, wish.size)
    stdio.close(theirs)
    messages.send(front, Started(container_id, born.pid))
    relay = stdio.connect(born, ours)
    owner = stdio.lend(relay, front, given, wish)
    relay.run()
    return Exited(process.wait_exit(born.pid), owner.lost)

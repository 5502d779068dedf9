"""A life of a container, in the hands of its monitor: birth, program, rest; and perhaps the next.

What is made is written into the container's ledger before, and released at the end of each life,
also of one that fails at its birth.
"""

from __future__ import annotations

import errno
import os
import time

from kernelbox import cgroup
from kernelbox.container import events, monitor_lock, state
from kernelbox.container.birth import runtime, stdio
from kernelbox.container.conversation import messages
from kernelbox.container.conversation.gate import Gate
from kernelbox.container.conversation.messages import Go
from kernelbox.container.conversation.monitor_messages import Ended, Exited, Started, Wish
from kernelbox.container.conversation.reception import Reception
from kernelbox.container.lifecycle import cleanup
from kernelbox.container.state import State
from kernelbox.container.streams.log import Log
from kernelbox.container.streams.relay import resize
from kernelbox.kernel import door, process, sleeper
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.kernel.explain import disk_error
from kernelbox.plumbing import paths
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.container.birth.birth import Newborn
    from kernelbox.container.conversation.monitor_messages import Attach
    from kernelbox.container.conversation.orders import Streams
    from kernelbox.container.monitor.recording import Recorder
    from kernelbox.container.monitor_lock import Life
    from kernelbox.container.spec import Spec
    from kernelbox.container.streams.relay import Relay
    from kernelbox.plumbing.channel import Channel

    Tell = Callable[[Exited, bool], None]


class Going(NamedTuple):
    """A life that has begun.

    Attributes:
        running: Its state.
        relay: Its streams.
        began: When it did, seconds of CLOCK_MONOTONIC.
        waited: How long the restart before it was put off, seconds.
    """

    running: State
    relay: Relay
    began: float
    waited: float = 0.0


def live(
    life: Life, wish: Wish, given: Streams | None, front: Channel, tell: Tell, *, may_doze: bool
) -> None:
    """Be a container's monitor, for one life, and for those that follow it by themselves.

    Args:
        life: The first.
        wish: How it is to be run.
        given: The front's standard streams; None if it lent none.
        front: The front.
        tell: Hears how the first life has ended, once everything is cleaned up, and whether that
            was the last.
        may_doze: Whether this process may sleep when it is quiet: see dozing.py.
    """
    reception = _open_reception(life)
    try:
        began = time.monotonic()
        recorder = _recorder(wish)
        running, relay = _begin(life, wish, given, front, recorder)
        relay.log = Log(f"{paths.container(life.spec.id)}/log")
        reception.watch = recorder.watch if recorder is not None else None
        going = Going(running, relay, began)
        code = _to_the_end(life, going, reception, may_doze=may_doze and recorder is None)
        unwritten = _keep_record(recorder, life.spec, wish, code)
        if wish.read_later:
            _let_read(front, code)
        again, lost = _end(life, going, reception, code, failure=unwritten)
        if unwritten is not None:
            raise unwritten
        tell(Exited(code, lost), not again)
        door.sink = door.gate = reception.watch = None
        if again:
            _live_on(life, going, reception, may_doze=may_doze)
    finally:
        reception.close()


def go_on(life: Life, going: Going, reception: Reception) -> None:
    """Be a container's monitor again, for the rest of a life, and for those that follow it.

    Args:
        life: That life.
        going: What it has come to.
        reception: Where guests come to.
    """
    try:
        code = _to_the_end(life, going, reception, may_doze=True)
        again, _ = _end(life, going, reception, code)
        if again:
            _live_on(life, going, reception, may_doze=True)
    finally:
        reception.close()


def _live_on(life: Life, going: Going, reception: Reception, *, may_doze: bool) -> None:
    """Be its monitor for the lives that follow one that has ended."""
    from kernelbox.container.lifecycle import lives  # few live again
    from kernelbox.container.options import restarting

    again = True
    while again:
        os.close(going.relay.pidfd)
        waited = restarting.delay(going.waited, time.monotonic() - going.began)
        reception.rest(waited)
        if reception.halted:
            state.write(life.spec.id, state.read(life.spec.id)._replace(status="exited"))
            return
        life, began = lives.following(life), time.monotonic()
        running, relay = _begin(life, Wish(), None, None, None)
        relay.log = going.relay.log
        going = Going(running, relay, began, waited)
        code = _to_the_end(life, going, reception, may_doze=may_doze)
        again, _ = _end(life, going, reception, code)


def _to_the_end(life: Life, going: Going, reception: Reception, *, may_doze: bool) -> int:
    """Look after a life until its program has ended; return its exit code."""
    relay = going.relay

    def doze() -> None:
        from kernelbox.container.monitor import dozing  # after some quiet only

        try:
            dozing.doze(life.spec.id, life.lock, relay, reception, going.began, going.waited)
        except OSError:
            relay.doze = None  # nor will it later

    if may_doze and sleeper.can_sleep(os.uname().machine):
        relay.doze = doze
    _look_after(life.spec, going.running.pid, relay, reception)
    return process.wait_exit(going.running.pid)


def _end(
    life: Life,
    going: Going,
    reception: Reception,
    code: int,
    *,
    failure: KernelboxError | None = None,
) -> tuple[bool, dict[str, int]]:
    """Bring a life to rest; return whether another follows, and what its owner has lost.

    With a failure of what is done for it none follows; it is told to whoever asks later, since
    there may be no front any more that would tell it.
    """
    running = going.running._replace(error=str(failure)) if failure is not None else going.running
    halted = failure is not None or reception.halted
    again = not halted and _is_to_live_again(life.spec, code, running.restarts)
    _bring_to_rest(life.spec, running, code, life.lock, again=again)
    return again, _dismiss(going.relay, code)


def _recorder(wish: Wish) -> Recorder | None:
    if not wish.recorded:
        return None
    from kernelbox.container.monitor import recording  # few are recorded

    return recording.Recorder()


def _keep_record(
    recorder: Recorder | None, spec: Spec, wish: Wish, code: int
) -> KernelboxError | None:
    if recorder is None:
        return None
    from kernelbox.container.monitor import recording  # few are recorded

    reason = recording.keep(recorder, spec.linux.seccomp, wish.recorded)
    if reason is None:
        return None
    message = f"the program ended with {code}, but {reason.message}"
    return KernelboxError(message, reason.hint)


def _is_to_live_again(spec: Spec, code: int, restarts: int) -> bool:
    if spec.kernelbox.restart == "no":
        return False
    from kernelbox.container.options import restarting  # few live again

    return restarting.policy(spec.kernelbox.restart).wants(code, restarts)


def _open_reception(life: Life) -> Reception:
    try:
        return Reception(life.spec.id)
    except OSError as error:
        reason = disk_error(error)
        _undo(life, reason)
        raise reason from error


def _begin(
    life: Life,
    wish: Wish,
    given: Streams | None,
    front: Channel | None,
    recorder: Recorder | None,
) -> tuple[State, Relay]:
    """Let a container be born; return its state, and a relay between its streams and others."""
    spec = life.spec
    try:
        born, ours = _bear(life, wish, recorder)
        running = State(
            status="running",
            pid=born.pid,
            start_time=born.start_time,
            started=time.time(),
            address=born.address,
            restarts=life.before.restarts if life.before else 0,
            recorded=recorder is not None,
        )
        state.write(spec.id, running)
    except BaseException as error:
        # Before anybody is there to be killed, the kernel refuses (ENOMEM).
        refused = isinstance(error, KernelError) and error.errno == errno.ENOMEM
        starved = isinstance(error, KernelboxError) and (refused or _oom_kills(spec))
        failure = _starved() if starved else error
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
    relay = stdio.connect(born, ours)
    relay.group = cgroup.of(spec.group)
    if front is not None:
        messages.send(front, Started(spec.id, born.pid))
        stdio.lend(relay, front, given, wish)
    return running, relay


def _look_after(spec: Spec, pid: int, relay: Relay, reception: Reception) -> None:
    """Relay until the program has ended; meanwhile welcome guests, and ask how it does."""

    def welcome(channel: Channel, message: Attach) -> None:
        wish, fds = Wish(*message.wish), message.fds
        relay.attach(
            channel,
            (fds[0], fds[1], fds[2]),
            interactive=wish.interactive,
            detach_keys=wish.detach_keys,
        )
        if relay.terminal is not None:
            resize(relay.terminal, *wish.size)
        messages.send(channel, Started(spec.id, pid))

    reception.welcome = welcome
    relay.cares.append(reception)
    check = None
    if spec.kernelbox.health:
        from kernelbox.container.monitor.health import Health  # few are asked

        check = Health(spec, spec.kernelbox.health, pid)
        relay.cares.append(check)
    try:
        relay.run()
    finally:
        reception.welcome = None
        if check is not None:
            check.close()


def _dismiss(relay: Relay, code: int) -> dict[str, int]:
    """Let go of all streams, and tell guests how it ended; return what the owner has lost."""
    for person in relay.people:
        if person is not relay.owner:
            messages.send(person.channel, Exited(code, person.lost))
            person.close()
    for stream in relay.outputs:
        stream.end()
    for fd in (relay.stdin, relay.terminal):
        if fd is not None:
            os.close(fd)
    return relay.owner.lost if relay.owner else {}


def _let_read(front: Channel, code: int) -> None:
    """Let the front read what the program has changed."""
    messages.send(front, Ended(code))
    while (message := messages.receive(front)) is not None and not isinstance(message, Go):
        pass  # a signal or a size, for a program that has ended


def _starved() -> KernelboxError:
    return KernelboxError(
        "the memory limit is too low for the start itself: there was none left before "
        "the container's first process could become its program",
        "Give it more: --memory, or that of its --cgroup-parent",
    )


def _undo(life: Life, error: BaseException) -> None:
    """Leave nothing of a start that has failed, but for what was there before."""
    if life.before is None or life.spec.kernelbox.remove:
        cleanup.remove(life.spec.id)
        return
    cleanup.release(life.spec.id)
    code = error.code if isinstance(error, KernelboxError) else 125
    state.write(life.spec.id, life.before.given_up(str(error), code))


def _bear(life: Life, wish: Wish, recorder: Recorder | None) -> tuple[Newborn, stdio.Ends]:
    """Create a container and start it; return it with our ends of its streams."""
    spec, before = life.spec, life.before or State()
    # Whoever starts it may not be at its keyboard; its input is open all the same.
    theirs, ours = stdio.open_for(spec.process, wish.interactive or spec.kernelbox.interactive)
    born = runtime.create(spec, theirs, before.address, recorder.watch if recorder else None)
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


def _bring_to_rest(spec: Spec, running: State, code: int, lock: int, *, again: bool) -> None:
    """Record how the container ended, and whether it lives again; release what it held."""
    monitor_lock.note_exit(lock, str(code))
    killed = _oom_kills(spec)
    failed = {"error": running.error} if running.error else {}
    events.record("die", spec.id, exitCode=code, oomKills=killed, **failed)
    try:
        if spec.kernelbox.remove:
            cleanup.discard(spec.id)
        else:
            oom_killed = killed > 0
            rest = running._replace(exit_code=code, finished=time.time(), oom_killed=oom_killed)
            # The exit code first: whoever cleans up, if this process cannot, finds it there.
            state.write(spec.id, rest)
            cleanup.release(spec.id)
            state.write(spec.id, rest._replace(status="restarting" if again else "exited"))
    except KernelboxError as error:
        message = f"the program ended with {code}, but cleaning up failed: {error.message}"
        raise KernelboxError(message, error.hint) from error


def _oom_kills(spec: Spec) -> int:
    return cgroup.of(spec.group).counter("memory.events", "oom_kill")

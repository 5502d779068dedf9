"""What can be done to a container from elsewhere: stop, kill, wait, remove.

Its monitor notices the end, cleans up and writes the exit code; here we only send signals, and
wait until that has happened.
"""

from __future__ import annotations

import os
import time

from kernelbox.container import events, monitor_lock, state
from kernelbox.container.conversation import reception
from kernelbox.container.lifecycle import cleanup
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from kernelbox.plumbing import paths
from kernelbox.plumbing.light import signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.state import State

_STEP = 0.005  # seconds between two looks at a monitor that is about to finish
_STOP_TIMEOUT = 10.0  # seconds
_LOOK_AGAIN = 0.05  # seconds between two looks for what may take long to come
_CLEANUP = 60.0  # seconds that a monitor may take to wake and clean up, on a busy machine


def pidfd_of_init(container_id: str) -> int:
    """Return a pidfd of the container's init.

    Raises:
        UsageError: The container is not running.
    """
    its = state.read(container_id)
    if its.status == "running":
        try:
            pidfd = process.pidfd_of(its.pid)
        except ProcessLookupError:
            pidfd = -1
        # The pid may have become another process's between the look and the open.
        if pidfd >= 0 and process.start_time(its.pid) == its.start_time:
            return pidfd
        if pidfd >= 0:
            os.close(pidfd)
    raise UsageError(f"container {container_id} is not running", "See: kernelbox ps -a")


def kill(container_id: str, number: int) -> None:
    """Send signal `number` to the container's init.

    Raises:
        UsageError: It is not running.
        KernelError: EPERM.
        KernelboxError: It does not end.

    Source: Docker, "docker kill"; pid_namespaces(7) on signals to PID 1.
    """
    pidfd = pidfd_of_init(container_id)
    if number in (signal.SIGKILL, state.extra(container_id).get("stop_signal")):
        reception.halt(container_id)
    events.record("kill", container_id, signal=number)
    try:
        if number != signal.SIGKILL:
            process.pidfd_send_signal(pidfd, number)
            return
        cleanup.end_init(container_id, pidfd)
    finally:
        os.close(pidfd)
    _wait_until_at_rest(container_id)


def stop(container_id: str, seconds: float | None = None) -> None:
    """Send the container's stop signal, wait up to `seconds`, then send SIGKILL.

    Without a number that is what its `--stop-timeout` has said, or 10; a negative one is for ever.

    One that has exited already is left as it is.

    Raises:
        KernelboxError: It does not end.

    Source: Docker, "docker stop".
    """
    if not state.read(container_id).is_alive:
        return
    reception.halt(container_id)
    try:
        pidfd = pidfd_of_init(container_id)
    except UsageError:
        _wait_until_at_rest(container_id, final=True)
        return
    try:
        own = state.spec(container_id).kernelbox
        number = own.stop_signal
        if seconds is None:
            seconds = _STOP_TIMEOUT if own.stop_timeout is None else own.stop_timeout
        if seconds < 0:
            seconds = float("inf")
        events.record("kill", container_id, signal=number)
        process.pidfd_send_signal(pidfd, number)
        _let_it_hear(container_id)
        if not process.wait_until_gone(pidfd, seconds):
            cleanup.end_init(container_id, pidfd)
    finally:
        os.close(pidfd)
    _wait_until_at_rest(container_id)


def _let_it_hear(container_id: str) -> None:
    """Thaw what is paused, or has frozen itself: it would not hear of a signal."""
    group = state.group(container_id)
    with suppress(KernelError):  # it has ended in this moment
        if group.held():
            group.thaw()
        group.thaw_all()


def wait(container_id: str, condition: str = "not-running") -> int:
    """Wait until the container has ended and been cleaned up; return its exit code.

    Args:
        container_id: Which.
        condition: `not-running`, and what does not run has been waited for; `next-exit`, which may
            be that of a life to come; or `removed`.

    Raises:
        UsageError: There is no such container any more.
        KernelboxError: Its monitor does not finish.
    """
    try:
        # Held open, it can still be read when the container is removed as it ends (`--rm`).
        with open(f"{paths.container(container_id)}/lock", encoding="ascii") as lock:
            if condition == "next-exit":
                _wait_until_started(container_id)
            last = _wait_until_at_rest(container_id)
            if condition == "removed":
                while os.path.isdir(paths.container(container_id)):
                    last = state.read(container_id)
                    time.sleep(_LOOK_AGAIN)
                    cleanup.sweep()
            if last.status in state.AT_REST:
                return last.exit_code
            return monitor_lock.noted_exit(lock.read())
    except FileNotFoundError:
        raise UsageError(
            f"container {container_id} has just been removed", "Wait earlier, or leave out --rm"
        ) from None


def _wait_until_started(container_id: str) -> None:
    """Wait for a container's next life, unless it is in one, or is removed."""
    before = state.read(container_id)
    while not (its := state.read(container_id)).is_alive and its.started == before.started:
        if not os.path.isdir(paths.container(container_id)):
            return
        time.sleep(_LOOK_AGAIN)


def _wait_until_at_rest(container_id: str, *, final: bool = False) -> State:
    """Wait until nothing is left of a life, or the next is near; if `final`, until none is."""
    try:
        pidfd = pidfd_of_init(container_id)
        process.wait_until_gone(pidfd, float("inf"))
        os.close(pidfd)
    except UsageError:
        pass  # it has ended already
    deadline = time.monotonic() + _CLEANUP
    last = state.read(container_id)
    life = last.started
    while last.status not in state.AT_REST and last.started == life:
        if last.status == "restarting" and not final:
            return last
        if not os.path.isdir(paths.container(container_id)):
            return last  # it was to be removed, and is
        if time.monotonic() > deadline:
            raise KernelboxError(
                f"the monitor of container {container_id} does not finish",
                "Clean up: kernelbox reset",
            )
        time.sleep(_STEP)
        cleanup.sweep()
        last = state.read(container_id)
    return last


def remove(container_id: str, *, force: bool = False) -> None:
    """Remove a container and all that is stored of it.

    Args:
        container_id: Which.
        force: Kill it first if it runs.

    Raises:
        UsageError: It runs, and `force` is not given.
    """
    while os.path.isdir(paths.container(container_id)):
        if monitor_lock.looked_after(container_id) and _may_run(container_id):
            if not force:
                raise UsageError(
                    f"container {container_id} is running", "Stop it first, or use rm -f"
                )
            try:
                kill(container_id, signal.SIGKILL)
            except (state.Damaged, UsageError):  # nobody knows, or it is just being started
                cleanup.end_monitor(container_id)
        with state.housekeeping():
            # Somebody may have started it in between.
            if not (monitor_lock.looked_after(container_id) and _may_run(container_id)):
                cleanup.remove(container_id)
                return


def _may_run(container_id: str) -> bool:
    try:
        return state.read(container_id).status != "exited"
    except state.Damaged:
        return True

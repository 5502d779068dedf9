"""Cleaning up: undoing what a ledger names, and nothing else.

There is one way out for everything that was made: a container that ends well, one that could not
be started, and one whose monitor was killed half-way are all undone from their ledgers here. Every
undo accepts that its thing is gone already, or was never made.

    release   a container's kernel objects, when it has ended
    discard   that, and its name and directory: from here on there is no such container
    remove    that, and the deletion of its files
    sweep     the same for containers whose monitor has died; at the start of every command
    reset     all containers, then the host's shared things, then kernelbox's own directory
"""

from __future__ import annotations

import errno
import os
import time

from kernelbox import cgroup, network
from kernelbox.container import deletion, events, monitor_lock, names, state
from kernelbox.container.ledger import Ledger, of_network
from kernelbox.container.lifecycle import pause
from kernelbox.kernel import files, loop, process
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.plumbing import paths
from kernelbox.plumbing.light import contextmanager, signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATIENCE = 3.0  # seconds that a killed process may take to be gone


def release(container_id: str) -> None:
    """Undo everything in the container's ledger, the youngest first.

    Raises:
        KernelboxError: Something resisted; the rest is undone, and the ledger still names it.
    """
    undo(Ledger(paths.container(container_id)))


def remove(container_id: str) -> None:
    """Discard the container, and delete its files.

    Raises:
        KernelboxError: As `discard`; or a file resists.
    """
    discard(container_id)
    delete_files(container_id)


def discard(container_id: str) -> None:
    """Release the container, give up its name and move its directory into the trash.

    Nobody who waits for its end needs to wait for its files to be deleted, which takes as long as
    the disk is busy.

    Raises:
        KernelboxError: As `release`; the directory then stays, and the name.
    """
    release(container_id)
    events.record("destroy", container_id)
    for name in names.of(container_id):
        names.forget(container_id, name)
    with suppress(FileNotFoundError):
        os.rename(paths.container(container_id), f"{paths.trash()}/{container_id}")


def delete_files(container_id: str) -> None:
    """Delete the files of a discarded container. Whoever comes second finds nothing left to do.

    Raises:
        KernelboxError: One resists.
    """
    deletion.delete_tree(f"{paths.trash()}/{container_id}")


def sweep() -> list[str]:
    """Clean up after commands and monitors that died; return what was done, in words, for a person.

    A container that ran is kept as exited, like any other; a half-made one is removed, and one
    that was just being started is again as it was before.
    """
    done = []
    with suppress(FileNotFoundError), state.housekeeping():
        for container_id in state.every():
            # What is damaged or resists is for its owner to remove, and no reason to stop others.
            with suppress(KernelboxError):
                if state.read(container_id).status in state.AT_REST:
                    continue
                if monitor_lock.looked_after(container_id):
                    pause.thaw_abandoned(container_id)
                else:
                    done.append(_bury(container_id))
        for container_id in os.listdir(paths.trash()):
            with suppress(KernelboxError):
                delete_files(container_id)
    return done


def _bury(container_id: str) -> str:
    last = state.read(container_id)
    if last.status == "running" and not last.finished:
        killed = _group(container_id).counter("memory.events", "oom_kill")
        events.record("die", container_id, exitCode=128 + signal.SIGKILL, oomKills=killed)
    if last.status == "creating" or state.extra(container_id).get("remove"):
        remove(container_id)
        return f"removed container {container_id}, which a crash had left behind"
    release(container_id)
    if last.status == "starting":
        state.write(container_id, last.given_up("its monitor was killed", 128 + signal.SIGKILL))
        return f"container {container_id} was not started: its monitor was killed"
    if not last.finished:  # else only the cleaning up was cut short
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        last = last._replace(
            exit_code=128 + signal.SIGKILL,
            finished=time.time(),
            cut_off=last.started < booted,
        )
    state.write(container_id, last._replace(status="exited"))
    return f"container {container_id} ended with its monitor, which was killed"


def reset() -> None:
    """Remove every container, network, cgroup, packet filter rule and file of kernelbox's.

    Raises:
        KernelboxError: Something resisted; all the rest is gone. Calling again tries again.
    """
    problems = []
    if not os.path.isdir(paths.root()):
        return
    with state.housekeeping():
        for container_id in state.every():
            try:
                end_monitor(container_id)
                remove(container_id)
            except KernelboxError as error:
                problems.append(str(error))
        for ledger in (*map(of_network, _networks()), Ledger(paths.host())):
            try:
                undo(ledger)
            except KernelboxError as error:
                problems.append(str(error))
        if problems:
            raise KernelboxError("not everything could be removed: " + "; ".join(problems))
        deletion.delete_tree(paths.root())


def _networks() -> list[str]:
    try:
        return os.listdir(paths.networks())
    except FileNotFoundError:
        return []


def end_monitor(container_id: str) -> None:
    """Kill the container's monitor, which would clean up too, and wait until it is gone."""
    for identity in monitor_lock.monitor(container_id):
        with _still(identity) as found:
            for pidfd in found:
                _end_process(pidfd)


def undo(ledger: Ledger) -> None:
    """Undo everything that a ledger names, the youngest first.

    Raises:
        KernelboxError: Something resisted; the rest is undone, and the ledger still names it.
    """
    problems = []
    for entry in reversed(ledger.entries()):
        try:
            _UNDO[entry.kind](entry.name)
        except KernelboxError as error:
            problems.append(f"{entry.kind} {entry.name}: {error}")
    if problems:
        raise KernelboxError("; ".join(problems), "Try again: kernelbox rm -f, or kernelbox reset")
    ledger.clear()


@contextmanager
def _still(identity: str) -> Iterator[list[int]]:
    """Yield a pidfd of the process that `PID START_TIME` names; none if that is gone."""
    pid, started = (int(word) for word in identity.split())
    try:
        pidfd = process.pidfd_of(pid)
    except ProcessLookupError:
        yield []
        return
    try:
        yield [pidfd] if process.start_time(pid) == started else []
    finally:
        os.close(pidfd)


def _end_process(pidfd: int) -> None:
    """Kill the process, and wait for its end.

    Raises:
        KernelboxError: It does not end.
    """
    with suppress(KernelError):  # gone in this moment: that is what we want
        process.pidfd_send_signal(pidfd, signal.SIGKILL)
    if not process.wait_until_gone(pidfd, _PATIENCE):
        raise KernelboxError("a process does not end", "It may hang in the kernel: dmesg")


def _end_first(name: str) -> None:
    container_id, _, identity = name.partition(" ")
    with _still(identity) as found:
        for pidfd in found:
            end_init(container_id, pidfd)


def end_init(container_id: str, pidfd: int) -> None:
    """Kill a container's first process, also where it is frozen, and wait for its end.

    Raises:
        KernelboxError: It does not end.
    """
    with suppress(KernelError):  # gone in this moment: that is what we want
        process.pidfd_send_signal(pidfd, signal.SIGKILL)
    group = _group(container_id)
    group.thaw_all()
    if not process.wait_until_gone(pidfd, _PATIENCE):
        group.kill()  # all at once: one of them may freeze the others again and again
        _end_process(pidfd)


def _group(container_id: str) -> cgroup.Cgroup:
    """Return the container's control group, as its ledger has it: its config may be damaged."""
    entries = Ledger(paths.container(container_id)).entries()
    names = [entry.name for entry in entries if entry.kind == "cgroup"]
    return cgroup.of(names[-1] if names else container_id)


def _remove_cgroup(name: str) -> None:
    group = cgroup.of(name)
    try:
        group.remove(patience=0)  # the end of its init was the end of every process in it
    except KernelError as refusal:
        if refusal.errno != errno.EBUSY:
            raise
        group.kill()
        group.remove()


def _remove_cgroup_parent(directory: str) -> None:
    """Remove the directory that groups lie in, unless another root's containers are in it."""
    try:
        files.rmdir(directory)
    except KernelError as refusal:
        if refusal.errno not in (errno.ENOENT, errno.EBUSY, errno.ENOTEMPTY):
            raise


def _detach_loop(number: str) -> None:
    """Detach a loop device, if it still is the one that this root's lab has made."""
    if loop.name_of(int(number)) == paths.loop_name():
        loop.detach(int(number))


_UNDO: dict[str, Callable[[str], None]] = {
    "process": _end_first,
    "cgroup": _remove_cgroup,
    "cgroup-parent": _remove_cgroup_parent,
    "loop": _detach_loop,
    **network.release,
}

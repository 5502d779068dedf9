"""The other way in, a process more for a container that runs (`exec`).

A container's first process makes namespaces; every later one enters those. Who could look into it
in there meets only the program, and not who becomes it: see bearing.py.
"""

from __future__ import annotations

import os
import time
from contextlib import closing

from kernelbox import cgroup, namespaces
from kernelbox.container import state
from kernelbox.container.birth import bearing, becoming, program
from kernelbox.container.birth.birth import Newborn, reporting
from kernelbox.container.birth.confinement import filter_of
from kernelbox.container.conversation import messages, reception
from kernelbox.container.conversation.messages import Watched
from kernelbox.container.lifecycle import pause
from kernelbox.container.streams.relay import resize
from kernelbox.kernel import door, process, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing.channel import Channel
from kernelbox.plumbing.light import suppress
from kernelbox.users import id_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.container.birth.confinement import Filter
    from kernelbox.container.spec import Process, Spec
    from kernelbox.kernel.stepping_stone import Stone

_PATIENCE = 2.0  # seconds that the container may be frozen, as `commit` does for a moment


def enter(
    pid: int, spec: Spec, what: Process, stdio: tuple[int, int, int], size: tuple[int, int]
) -> Newborn:
    """Start a process more inside the running container whose init is `pid`.

    The caller itself moves into the container's namespaces (but for the cgroup namespace, which
    only the new process enters, from within the cgroup, and perhaps the PID namespace, which then
    only its program is in): it must be a process made for this.

    Args:
        pid: Of its init, as the host counts.
        spec: The container.
        what: The program.
        stdio: Descriptors for its 0, 1 and 2.
        size: Rows and columns of its terminal, if it has one.

    Raises:
        KernelboxError: The container is gone or frozen, or the program cannot be executed.

    Source: setns(2), with a pidfd; Docker, "docker exec".
    """
    with pause.letting_in(spec.id):
        return _enter(pid, spec, what, stdio, size)


def _enter(
    pid: int, spec: Spec, what: Process, stdio: tuple[int, int, int], size: tuple[int, int]
) -> Newborn:
    pidfd = process.pidfd_open(pid)
    differing = [kind for kind in namespaces.KINDS if _differs(pid, kind.proc)]
    others = [kind.proc for kind in differing if kind.proc != "cgroup"]
    if spec.has_user_namespace:
        id_maps.own_pipes(stdio, spec.shift)
    group = cgroup.of(spec.group).inside

    motion = _Motion(group)
    motion.check()
    watch = _watch(spec.id)
    confined = filter_of(spec, watched=watch is not None)
    limits = [(one["type"], one["soft"], one["hard"]) for one in what.rlimits]
    stone = bearing.lay(
        pid, others, confined, limits,
        terminal=what.terminal, dies_with_parent=True, possible=not what.apparmorProfile,
    )  # fmt: skip
    own = ["cgroup"]  # to enter for the new process
    if stone.bears:
        others.remove("pid")
        own.append("pid")
        becoming.deserve_oom_kill(what.oomScoreAdj)  # in there is no /proc/self for it
        what = what._replace(oomScoreAdj=None)
    ours, theirs = Channel.pair()
    with closing(group.open()) as entrance:
        # Nobody inside may look at this interpreter once it shares their PID namespace.
        syscalls.prctl(k.PR_SET_DUMPABLE, 0)
        syscalls.setns(pidfd, namespaces.flags(others), f"nsenter --all -t {pid}")
        child, child_pidfd = process.clone3(0, entrance.clone_fd)
        if child == 0:
            ours.close()
            _entered(pidfd, own, spec, entrance, theirs, what, stdio, size, stone, confined)
    theirs.close()
    os.close(pidfd)
    stone.close_taken()
    container = Newborn(child, child_pidfd, ours, stone)
    container.watch = watch
    try:
        container.until_executed(_PATIENCE, motion.check)
    except KernelboxError:
        # One that stands still, or is just told to, ends with this process when somebody thaws it.
        if process.wait_until_gone(container.pidfd, _PATIENCE if motion.is_seen() else 0):
            with suppress(ChildProcessError):  # asked for already
                # The container's own init may never ask for a dead stranger.
                process.wait_exit(container.pid)
        raise
    container.control.close()
    return container


def _entered(
    pidfd: int,
    own: list[str],
    spec: Spec,
    entrance: cgroup.Entrance,
    control: Channel,
    what: Process,
    stdio: tuple[int, int, int],
    size: tuple[int, int],
    stone: Stone,
    confined: Filter | None,
) -> None:
    """Be the process that `enter` adds: a container's init without the building."""
    with reporting(control, door.sink is not None, door.gate is not None):
        process.die_with_parent()
        entrance.enter()
        syscalls.setns(pidfd, namespaces.flags(own))
        if spec.has_user_namespace:  # there, who comes from outside is nobody
            syscalls.setresgid(0)
            syscalls.setresuid(0)
        terminal = program.open_terminal(control) if what.terminal else None
        if terminal is not None:
            resize(terminal, *size)  # before its program asks
        program.run(what, control, terminal, stdio, stone, confined, make_workdir=False)


def _watch(container_id: str) -> Callable[[int, int], object] | None:
    """Return who tells the container's monitor to listen, if its system calls are recorded.

    Ask before this process is in the container, from where the monitor cannot be reached.
    """
    if not state.read(container_id).recorded:
        return None
    monitor = reception.knock(container_id)
    if monitor is None:
        raise UsageError(f"container {container_id} is not running", "See: kernelbox ps -a")

    def watch(pidfd: int, number: int) -> None:
        messages.send(monitor, Watched(number, [pidfd]))

    return watch


class _Motion:
    """Whether a group's processes move, also seen from where cgroupfs is the container's."""

    def __init__(self, group: cgroup.Cgroup) -> None:
        self._state = os.open(group.state_file or os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def is_seen(self) -> bool:
        return not cgroup.stand_still(os.pread(self._state, 4096, 0).decode())

    def check(self) -> None:
        """Wait a little for it.

        Raises:
            KernelboxError: They stand still.
        """
        deadline = time.monotonic() + _PATIENCE
        while not self.is_seen():
            if time.monotonic() > deadline:
                raise KernelboxError(
                    "the container is frozen: no program can be started in it",
                    "See `ps`: `unpause` lets it run; stop and kill end one that has frozen itself",
                )
            time.sleep(0.02)


def _differs(pid: int, kind: str) -> bool:
    try:
        return namespaces.identity(pid, kind) != namespaces.identity("self", kind)
    except FileNotFoundError:
        return False

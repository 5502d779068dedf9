"""`exec`: one more program in a container that runs, or waits to.

Its process is born in the container's control group, and enters all other namespaces itself, at
once, by a pidfd of the container's first process. In the PID namespace it hides, or only its child
is: see bearing.py.

Source: OCI runtime-spec, config.md, "Process"; setns(2); runc, "exec".
"""

from __future__ import annotations

import os
from contextlib import closing

from kernelbox import namespaces
from kernelbox.container.birth import bearing
from kernelbox.container.birth.birth import Newborn, reporting
from kernelbox.container.birth.confinement import compiled
from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Go, Ready, Terminal
from kernelbox.kernel import door, execution, lookup, process, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import UsageError
from kernelbox.oci import agents, console, foreground, groups, standing, unprivileged
from kernelbox.oci import state as states
from kernelbox.plumbing.channel import Channel
from kernelbox.plumbing.light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from kernelbox.cgroup import Entrance
    from kernelbox.container.birth.confinement import Filter
    from kernelbox.kernel.stepping_stone import Stone
    from kernelbox.oci.config import Config, Process
    from kernelbox.oci.state import Box

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def enter(
    box: Box,
    what: Process,
    *,
    console_socket: str = "",
    pid_file: str = "",
    pidfd_socket: str = "",
    preserved: tuple[int, ...] = (),
    keyring: bool = True,
    below: list[str] | None = None,
    paused_too: bool = False,
) -> Newborn:
    """Start a program more in a container.

    The caller's later children may be in the container's PID namespace: it must be a process made
    for this.

    Args:
        box: The container.
        what: The program.
        console_socket: Where its terminal is sent to; empty where the caller shows it.
        pid_file: Where its pid is written to; empty without.
        pidfd_socket: Where a pidfd of it is sent to; empty without.
        preserved: Descriptors that it keeps, beside its streams.
        keyring: Whether it gets a session keyring of its own.
        below: In which groups below the container's it is: see `groups.way_into`.
        paused_too: Whether it may wait until a container that stands still runs again.

    Raises:
        UsageError: The container is stopped, or stands still; or it waits for its start, and the
            program could look into who waits.
        CommandError: The program was not found, or cannot be executed.
    """
    status = box.status()
    if status == "paused" and not paused_too:
        raise UsageError(
            "cannot exec in a paused container", "Let it run first: resume; or use --ignore-paused"
        )
    if status not in ("created", "running", "paused"):
        raise UsageError("cannot exec in a container that is not running", f"It is {status}")
    box.check_made("exec in")
    pidfd = process.pidfd_of(box.state.pid)
    if not box.alive():
        raise UsageError("cannot exec in a container that is not running", "It has just ended")
    config = box.config()
    unprivileged.check(config, what)
    # A chroot is not entered with its namespaces.
    root = None if config.is_new("mount") else os.open(f"/proc/{box.state.pid}/root", _DIRECTORY)
    is_ordinary, rootless = unprivileged.is_ordinary(), unprivileged.is_rootless()
    others = _others(box, status)
    # Who comes from outside of a user namespace hides from all in there; but from its user.
    if status == "created" and (is_ordinary or not config.has_user_namespace):
        _check_blind(what)
    confined = compiled(config.seccomp, agent=agents.has_one(config.seccomp))
    stone = bearing.lay(
        box.state.pid, others, confined, what.rlimits,
        terminal=what.terminal, possible=not what.apparmor and what.scheduler is None,
    )  # fmt: skip
    ours, theirs = Channel.pair()
    way = groups.way_into(box.group, below or [], box.state.pid)
    with closing(way) as entrance:
        # Nobody inside may look at this interpreter once it shares their PID namespace.
        syscalls.prctl(k.PR_SET_DUMPABLE, 0)
        # The child enters all others itself: this process stays where it can write a pid file.
        # An ordinary user has power over those of a user namespace only once it is in that.
        first = [one for one in others if one == "user" and is_ordinary]
        first += ["pid"] if "pid" in others and not stone.bears else []
        if first:
            words = " ".join(f"--{one}" for one in first)
            kinds = namespaces.flags(first)
            syscalls.setns(pidfd, kinds, f"nsenter {words} -t {box.state.pid}")
        if what.affinity is not None and what.affinity.initial is not None:
            execution.set_affinity(what.affinity.initial)
        child, child_pidfd = process.clone3(0, entrance.clone_fd)
        if child == 0:
            ours.close()
            rest = [kind for kind in others if kind not in first]
            _entered(
                pidfd, rest, root, entrance, theirs, config, what, stone, confined, preserved,
                keyring, "user" in others, rootless,
            )  # fmt: skip
    theirs.close()
    os.close(pidfd)
    stone.close_taken()
    born = Newborn(child, child_pidfd, ours, stone)
    born.until(Ready)
    if born.terminal is not None and console_socket:
        console.send(console_socket, born.terminal, "/dev/pts/ptmx")
        os.close(born.terminal)
    elif born.terminal is not None:
        foreground.make_plain(born.terminal)
    agents.introduce(born, config.seccomp, box.as_told(status))
    messages.send(ours, Go())
    born.until_executed()
    ours.close()
    try:
        if pidfd_socket:
            console.send(pidfd_socket, born.pidfd, "pidfd")
        if pid_file:
            states.replace(pid_file, str(born.pid))
    except (OSError, UsageError):
        process.pidfd_send_signal(born.pidfd, signal.SIGKILL)  # nobody would know of it
        raise
    return born


def _check_blind(what: Process) -> None:
    """Refuse a program that could look into the runtime, as which the first process still waits.

    Raises:
        UsageError: It has CAP_SYS_PTRACE, or could gain it.
    """
    if any("CAP_SYS_PTRACE" in names for names in what.capabilities.values()):
        raise UsageError(
            "cannot exec with CAP_SYS_PTRACE in a container that waits for its start: its first "
            "process is yet a part of the runtime, and can do more than the container may",
            "Start it first, or leave that capability out",
        )


def _others(box: Box, status: str) -> list[str]:
    """Return which namespaces of a container are not ours, by their names in /proc."""
    try:
        return [one.proc for one in namespaces.KINDS if _differs(box.state.pid, one.proc)]
    except PermissionError as error:
        if status != "created":
            raise
        raise UsageError(
            "cannot exec in a container that waits for its start among another's processes: it is "
            "yet a part of the runtime, which nobody may look into there",
            "Start it first",
        ) from error


def _differs(pid: int, kind: str) -> bool:
    try:
        return namespaces.identity(pid, kind) != namespaces.identity("self", kind)
    except FileNotFoundError:
        return False


def _entered(
    pidfd: int,
    kinds: list[str],
    root: int | None,
    entrance: Entrance,
    control: Channel,
    config: Config,
    what: Process,
    stone: Stone,
    confined: Filter | None,
    preserved: tuple[int, ...],
    keyring: bool,
    other_ids: bool,
    rootless: bool,
) -> NoReturn:
    """Be the process that `enter` adds: a container's init without the building."""
    with reporting(control, door.sink is not None, stepped=False):
        process.die_with_parent()
        standing.limit(what, config.personality, rootless=rootless)
        entrance.enter()
        if config.memoryPolicy is not None:
            execution.set_memory_policy(*config.memoryPolicy)
        if what.affinity is None:
            standing.forget_affinity()
        elif what.affinity.final is not None:
            execution.set_affinity(what.affinity.final)
        if kinds:
            syscalls.setns(pidfd, namespaces.flags(kinds), "nsenter ...")
        if root is not None:
            lookup.fchdir(root)
            lookup.chroot(".")
        lookup.chdir("/")
        if other_ids:  # there, who comes from outside is nobody
            syscalls.setresgid(0)
            syscalls.setresuid(0)
        terminal = None
        if what.terminal:
            top = os.open("/", _DIRECTORY)
            master, terminal = console.make(top, what.size)
            os.close(top)
            messages.send(control, Terminal([master]))
            os.close(master)
        standing.take_streams(terminal, leads=not stone.bears)
        messages.send(control, Ready())
        if messages.receive(control) is None:
            os._exit(1)
        syscalls.prctl(k.PR_SET_PDEATHSIG, 0)
        standing.become(what, control, stone, confined, preserved=preserved, keyring=keyring)
    raise AssertionError("reporting does not return")

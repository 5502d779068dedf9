"""The program: what a process gives up and takes on before it becomes one, step by step.

It is the end of a container's birth (init.py), and all there is to do for `exec` (enter.py).
"""

from __future__ import annotations

import fcntl
import os

from kernelbox.container.birth.becoming import (
    become,
    confine,
    deserve_oom_kill,
    find_program,
    leave_session_keyring,
)
from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Terminal
from kernelbox.container.options import option_values
from kernelbox.container.spec import User
from kernelbox.images.image import DEFAULT_PATH
from kernelbox.kernel import execution, lsm, process, session, syscalls
from kernelbox.kernel import flags as k
from kernelbox.root import targets
from kernelbox.users import accounts, capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from kernelbox.container.birth.confinement import Filter
    from kernelbox.container.spec import Process
    from kernelbox.kernel.stepping_stone import Stone
    from kernelbox.plumbing.channel import Channel

INIT_PATH = "/dev/init"


def run(
    what: Process,
    control: Channel,
    terminal: int | None,
    stdio: tuple[int, int, int],
    stone: Stone,
    confined: Filter | None = None,
    helper: str = "",
    *,
    make_workdir: bool = True,
) -> NoReturn:
    """Give up what the program must not have, and become it.

    Args:
        what: The program.
        control: The conversation with the runtime side.
        terminal: The program's own; None for `stdio`.
        stdio: Descriptors for its 0, 1 and 2.
        stone: What to become in between.
        confined: The filter of its system calls; None without one.
        helper: A small init that starts the program as its child; empty without one.
        make_workdir: Whether its working directory is made if it is missing.

    Raises:
        CommandError: It was not found (127), or cannot be executed (126).
        KernelboxError: Anything before that failed.
    """
    _take_stdio(terminal, stdio, leads=not stone.bears)
    # No /proc/self/fd may lead to the host.
    process.close_all_but([control.fileno(), stone.fd, stone.refusals])
    identity = _identity(what.user)
    accounts.check_mapped(identity)
    environment = {"HOME": identity.home, **option_values.environment(what.env, {})}
    _give_stdio(identity.uid)

    deserve_oom_kill(what.oomScoreAdj)
    syscalls.setgroups(identity.groups)
    syscalls.setresgid(identity.gid)
    targets.change_directory(what.cwd, make=make_workdir)
    leave_session_keyring()
    limits = [(limit["type"], limit["soft"], limit["hard"]) for limit in what.rlimits]
    execution.set_limits(limits, bears=stone.bears)
    capabilities.bound(capabilities.mask(what.capabilities.get("bounding", [])))
    # To install a filter takes a privilege, which goes next, or the promise to gain none.
    if confined and not what.noNewPrivileges:
        confine(confined, control)
    syscalls.setresuid(identity.uid)
    # The kernel has emptied another user's sets but for the inheritable one, which is the caller's.
    kept = what.capabilities.get("effective", []) if identity.uid == 0 else []
    capabilities.keep_only(capabilities.mask(kept))
    process.die_with_parent()  # setresuid(2) has cleared it
    if what.noNewPrivileges:
        syscalls.prctl(k.PR_SET_NO_NEW_PRIVS, 1)
        if confined:
            confine(confined, control)

    if what.apparmorProfile:
        lsm.become_confined(what.apparmorProfile)
    session.umask(0o022)
    args = [helper, "--", *what.args] if helper else what.args
    # The program itself is looked up even under an init, so that a wrong one is named as such.
    path = find_program(what.args[0], environment.get("PATH", DEFAULT_PATH))
    become(helper or path, args, environment, control, stone)


def _identity(user: User) -> accounts.Identity:
    """Return who the program shall be: by name where there is one, else by the numbers."""
    if user.username or user._replace(groups=()) == User():
        return accounts.more_groups(accounts.look_up(user.username), user.groups)
    home = accounts.look_up(str(user.uid)).home
    identity = accounts.Identity(user.uid, user.gid, tuple(user.additionalGids), home)
    return accounts.more_groups(identity, user.groups)


def open_terminal(control: Channel) -> int:
    """Open a terminal in the container's own devpts; send its other end to the runtime side."""
    master, slave = os.openpty()
    messages.send(control, Terminal([master]))
    os.close(master)
    return slave


def _take_stdio(terminal: int | None, stdio: tuple[int, int, int], *, leads: bool) -> None:
    """Make the terminal, or the given descriptors, 0, 1 and 2 of a session of its own.

    Args:
        terminal: The program's own; None for `stdio`.
        stdio: Descriptors.
        leads: Whether it is the caller that leads the session, and not a child of the stone's.
    """
    if leads:
        session.setsid()
    if terminal is not None:
        if leads:
            session.set_controlling_terminal(terminal)
        stdio = (terminal, terminal, terminal)
    # First away from 0 to 2, so that no descriptor is overwritten before it is copied.
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in stdio]
    for wanted, fd in enumerate(copies):
        session.dup2(fd, wanted)


def _give_stdio(uid: int) -> None:
    """Make the program's user the owner of its streams, so that it can open /dev/stdout anew.

    They are pipes and terminals made for it; /dev/null is not.

    Source: runc, fixStdioPermissions.
    """
    null = os.makedev(1, 3)
    for fd in (0, 1, 2):
        if os.fstat(fd).st_rdev != null:
            session.fchown(fd, uid, -1)

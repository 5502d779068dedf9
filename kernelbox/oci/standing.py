"""A process becomes what its bundle says: limits, scheduling, user, capabilities; then the program.

The order is the kernel's: what needs a privilege comes before the privilege goes.

Source: OCI runtime-spec, config.md, "Process"; capabilities(7); runc, finalizeNamespace.
"""

from __future__ import annotations

import errno
import os
import stat

from kernelbox.container.birth import becoming
from kernelbox.images.image import DEFAULT_PATH
from kernelbox.kernel import execution, lsm, process, session, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.oci import unprivileged
from kernelbox.root import targets
from kernelbox.users import accounts, capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from kernelbox.container.birth.confinement import Filter
    from kernelbox.kernel.stepping_stone import Stone
    from kernelbox.oci.config import Process, User
    from kernelbox.plumbing.channel import Channel


def take_streams(terminal: int | None, *, leads: bool = True) -> None:
    """Lead a session of its own, on a terminal if there is one.

    Args:
        terminal: It.
        leads: Whether it is the caller that leads, and not a child of the stone's.
    """
    if leads:
        session.setsid()
        if terminal is not None:
            session.set_controlling_terminal(terminal)
    if terminal is not None:
        for wanted in (0, 1, 2):
            session.dup2(terminal, wanted)


def limit(what: Process, personality: int | None = None, *, rootless: bool = False) -> None:
    """Take on what is counted against a process, while /proc is still the host's.

    Args:
        what: The program.
        personality: Of the machine, for `uname`; None for this one's.
        rootless: Whether it may deserve an OOM kill as much as before, if the kernel wants so.

    Raises:
        KernelError: EPERM for a limit above the host's own; EACCES, EINVAL.
    """
    try:
        becoming.deserve_oom_kill(what.oomScoreAdj)
    except KernelError as refusal:
        if not (rootless and unprivileged.is_mere_refusal(refusal)):
            raise
    if what.scheduler is not None:
        execution.set_scheduler(*what.scheduler)
    if what.ioPriority is not None:
        execution.set_io_priority(*what.ioPriority)
    if personality is not None:
        execution.set_personality(personality)


def forget_affinity() -> None:
    """Run wherever the control group lets this process, whatever its caller was bound to.

    Where a process was bound by sched_setaffinity(2), since Linux 6.2 not even another cpuset makes
    it forget that. Call it in the control group, where /sys is the host's.

    Source: runc, tryResetCPUAffinity; sysconf(3), _SC_NPROCESSORS_CONF.
    """
    every = range(os.sysconf("SC_NPROCESSORS_CONF"))
    if not os.sched_getaffinity(0).issuperset(every):
        execution.set_affinity(every)


def find(what: Process) -> str:
    """Return the path of the program, as its user will find it; its root is the caller's by now.

    Raises:
        CommandError: 127 if there is none; 126 if it may not be executed.
    """
    return becoming.find_program(what.args[0], _words(what).get("PATH", DEFAULT_PATH))


def become(
    what: Process,
    control: Channel,
    stone: Stone,
    confined: Filter | None,
    *,
    preserved: tuple[int, ...],
    keyring: bool,
) -> NoReturn:
    """Give up what the program must not have, and become it.

    Args:
        what: The program.
        control: Where to say how it went.
        stone: What to become in between.
        confined: The filter of its system calls; None without one.
        preserved: Descriptors that it keeps, beside its streams.
        keyring: Whether it parts from the session keyring that it has inherited.

    Raises:
        CommandError: It was not found (127), or cannot be executed (126).
        KernelboxError: Anything before that failed.
    """
    process.close_all_but([*preserved, control.fileno(), stone.fd, stone.refusals])
    environment = environment_of(what)
    _give_streams(what.user)
    path = take_on(what, control, confined, keyring=keyring, bears=stone.bears)
    for fd in preserved:
        os.set_inheritable(fd, True)
    becoming.become(path, list(what.args), environment, control, stone)


def take_on(
    what: Process,
    control: Channel,
    confined: Filter | None,
    *,
    keyring: bool,
    bears: bool = False,
) -> str:
    """Become who the program is, with its limits and what it may do; return the program's path.

    Args:
        what: The program.
        control: Where to say that a filter is in force which asks somebody.
        confined: The filter of its system calls; None without one.
        keyring: Whether to part from the session keyring that was inherited.
        bears: Whether a child is to be the program.

    Raises:
        CommandError: It was not found (127), or cannot be executed (126).
        KernelboxError: Anything before that failed.
    """
    execution.set_limits(what.rlimits, bears=bears)
    targets.change_directory(what.cwd, make=False)
    if keyring:
        becoming.leave_session_keyring()
    path = _take_identity(what, confined, control)
    if what.noNewPrivileges:
        syscalls.prctl(k.PR_SET_NO_NEW_PRIVS, 1)
        if confined:
            becoming.confine(confined, control)
    if what.apparmor:
        lsm.become_confined(what.apparmor)
    session.umask(0o022 if what.user.umask is None else what.user.umask)
    return path


def _take_identity(what: Process, confined: Filter | None, control: Channel) -> str:
    """Become the user, with the capabilities that it shall have; return the program's path.

    Source: capabilities(7), "Effect of user ID changes on capabilities".
    """
    user, sets = what.user, what.capabilities
    accounts.check_mapped(accounts.Identity(user.uid, user.gid, (), "/"))
    _set_groups(user)
    syscalls.setresgid(user.gid)
    capabilities.bound(capabilities.mask(sets.get("bounding", ())))
    # To install a filter takes a privilege, which goes next, or the promise to gain none.
    if confined and not what.noNewPrivileges:
        becoming.confine(confined, control)
    syscalls.prctl(k.PR_SET_KEEPCAPS, 1)
    syscalls.setresuid(user.uid)
    path = find(what)
    syscalls.prctl(k.PR_SET_KEEPCAPS, 0)
    # What the caller has not itself cannot be granted: the spec wants it left out.
    held = syscalls.permitted_capabilities()
    wanted = {one: capabilities.mask(names) & held for one, names in sets.items()}
    permitted, inheritable = wanted.get("permitted", 0), wanted.get("inheritable", 0)
    syscalls.capset(wanted.get("effective", 0) & permitted, permitted, inheritable)
    _raise_ambient(wanted.get("ambient", 0) & permitted & inheritable)
    return path


def _set_groups(user: User) -> None:
    """Leave all groups but those that it shall be in.

    In a user namespace whose ids an ordinary user has mapped nobody changes them, CAP_SETGID or
    not: those of its maker stay, which are nobody's there. Engines ask for some all the same.

    Source: user_namespaces(7), "The /proc/pid/setgroups file"; runc, setupUser().
    """
    try:
        syscalls.setgroups(user.additionalGids)
    except KernelError as refusal:
        if refusal.errno != errno.EPERM or not syscalls.is_permitted(k.CAP_SETGID):
            raise


def _raise_ambient(wanted: int) -> None:
    syscalls.prctl(k.PR_CAP_AMBIENT, k.PR_CAP_AMBIENT_CLEAR_ALL)
    for number in range(wanted.bit_length()):
        if wanted >> number & 1:
            syscalls.prctl(k.PR_CAP_AMBIENT, k.PR_CAP_AMBIENT_RAISE, number)


def environment_of(what: Process) -> dict[str, str]:
    """Return the program's variables; its home is its user's where it is not told another.

    Source: runc, prepareEnv: an empty HOME is none.
    """
    found = _words(what)
    if not found.get("HOME"):
        found["HOME"] = accounts.look_up(str(what.user.uid)).home
    return found


def _words(what: Process) -> dict[str, str]:
    found = {}
    for one in what.env:
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise UsageError(f"{one!r:.80} is no variable of an environment", "Write NAME=value")
        found[name] = value
    return found


def _give_streams(user: User) -> None:
    """Make the program's user the owner of its streams, so that it can open /dev/stdout anew.

    Source: runc, fixStdioPermissions.
    """
    null = os.makedev(1, 3)
    for fd in (0, 1, 2):
        found = os.fstat(fd)
        is_null = stat.S_ISCHR(found.st_mode) and found.st_rdev == null
        if is_null or found.st_uid == user.uid:
            continue
        try:
            session.fchown(fd, user.uid, -1)
        except KernelError as refusal:  # another's, or on a file system that is not to be written
            if refusal.errno not in (errno.EINVAL, errno.EPERM, errno.EROFS):
                raise

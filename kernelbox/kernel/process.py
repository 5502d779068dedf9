"""Making, watching and ending processes: clone3, pidfds, waiting, descriptors, execve."""

from __future__ import annotations

import errno
import os
import select

from kernelbox.kernel import flags as k
from kernelbox.kernel import syscalls
from kernelbox.kernel.door import Event, Structure, Symbol, announce, request
from kernelbox.kernel.foreign import ctypes
from kernelbox.kernel.syscalls import NR_CLONE3, raw, unshare_command
from kernelbox.plumbing import storage
from kernelbox.plumbing.light import cache, signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CLONE_ARGS_WORDS = 11  # CLONE_ARGS_SIZE_VER2: up to and including `cgroup`


def clone3(kinds: int, cgroup_fd: int | None = None, *, sibling: bool = False) -> tuple[int, int]:
    """Fork the caller into new namespaces; return `(pid, pidfd)`, or `(0, -1)` in the child.

    The child is a copy of this Python process, so the caller must have a single thread: no
    fork hook runs, and no other thread would exist in the copy.

    Args:
        kinds: CLONE_NEW* bits.
        cgroup_fd: A cgroup v2 directory to be born in; None to stay in the caller's.
        sibling: Whether the caller's parent is to be the child's, too.

    Raises:
        KernelError: EPERM without CAP_SYS_ADMIN; ENOSPC when a namespace limit is reached; EAGAIN
            when a limit on processes is; EINVAL, ENOMEM.

    Source: clone3(2).
    """
    pidfd = ctypes.c_int(-1)
    bits = kinds | k.CLONE_PIDFD | (0 if cgroup_fd is None else k.CLONE_INTO_CGROUP)
    bits |= k.CLONE_PARENT if sibling else 0
    # A sibling's end is told as the caller's own is.
    end = 0 if sibling else signal.SIGCHLD
    arguments = (ctypes.c_uint64 * _CLONE_ARGS_WORDS)(
        bits, ctypes.addressof(pidfd), 0, 0, end, 0, 0, 0, 0, 0, cgroup_fd or 0
    )

    fields: dict[str, object] = {
        "flags": k.Names("CLONE_", bits),
        "exit_signal": 0 if sibling else Symbol("SIGCHLD"),
    }
    if cgroup_fd is not None:
        fields["cgroup"] = cgroup_fd
    shown = Structure(**fields)

    def act() -> int:
        pid = raw(NR_CLONE3, ctypes.byref(arguments), ctypes.c_size_t(8 * _CLONE_ARGS_WORDS))
        if pid == 0:
            raise _InChild
        return pid

    try:
        pid = request(
            "clone3", (shown, 8 * _CLONE_ARGS_WORDS), act, unshare_command(kinds, "--fork")
        )
    except _InChild:
        return 0, -1
    return pid, pidfd.value


class _InChild(BaseException):
    """Carries the child past the recorder: the request is its parent's, recorded there."""


def die_with_parent() -> None:
    """Ask for SIGKILL when the process that made this one ends.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    syscalls.prctl(k.PR_SET_PDEATHSIG, signal.SIGKILL, argument_name="SIGKILL")


def pidfd_open(pid: int) -> int:
    """Return a descriptor of process `pid`, which cannot come to mean another process.

    Raises:
        KernelError: ESRCH if there is no such process.

    Source: pidfd_open(2).
    """
    return request("pidfd_open", (pid, 0), lambda: pidfd_of(pid))


def pidfd_of(pid: int) -> int:
    """Do what `pidfd_open` does, without a record.

    Raises:
        ProcessLookupError: There is no such process. Of one that is collected in this very moment
            Linux before 6.15 says EINVAL, as of a thread, which is no process either; ENOENT since.

    Source: pidfd_open(2); pidfd_prepare() in the kernel.
    """
    try:
        return os.pidfd_open(pid)
    except OSError as refusal:
        if refusal.errno in (errno.EINVAL, errno.ENOENT):
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from refusal
        raise


def pid_behind(pidfd: int) -> int:
    """Return the process id behind a pidfd, as we count; -1 once it has been collected.

    Raises:
        ValueError: It is no pidfd.

    Source: pidfd_open(2); proc_pid_fdinfo(5), Pid.
    """
    _, found, rest = storage.read(f"/proc/self/fdinfo/{pidfd}").partition("\nPid:\t")
    if not found:
        raise ValueError(f"descriptor {pidfd} is no pidfd")
    return int(rest.split("\n")[0])


def pidfd_send_signal(pidfd: int, number: int) -> None:
    """Send signal `number` to the process behind `pidfd`.

    Raises:
        KernelError: ESRCH if it has ended; EPERM.

    Source: pidfd_send_signal(2).
    """
    request(
        "pidfd_send_signal",
        (pidfd, Symbol(_signal_name(number)), None, 0),
        lambda: signal.pidfd_send_signal(pidfd, number),
        f"kill -{_signal_name(number).removeprefix('SIG')} ...",
    )


def _signal_name(number: int) -> str:
    # Those between SIGRTMIN and SIGRTMAX have no name.
    return _signal_names().get(number, str(number))


@cache
def _signal_names() -> dict[int, str]:
    """Return the signals' names; of two, such as SIGCHLD and SIGCLD, the first in the alphabet."""
    names = [one for one in dir(signal) if one.startswith("SIG") and "_" not in one]
    return {int(getattr(signal, one)): one for one in sorted(names, reverse=True)}


def wait_exit(pid: int) -> int:
    """Wait for the child `pid` and return its exit status as a shell gives it.

    That is 0 to 255, or 128 plus the number of the signal that ended it.

    Source: wait4(2); bash(1), EXIT STATUS.
    """
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


def stand_still(state: str) -> bool:
    """Say whether processes are frozen, by the text of the file of their control group that tells.

    Source: cgroup-v2.rst, cgroup.events; cgroup-v1/freezer-subsystem.rst, freezer.state.
    """
    return "frozen 1" in state or state == "FROZEN\n"


def wait_until_gone(pidfd: int, seconds: float) -> bool:
    """Wait until the process behind `pidfd` has ended, child or not; False if time runs out.

    Source: pidfd_open(2), "pidfds can be monitored with poll".
    """
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    milliseconds = seconds * 1000
    return bool(poller.poll(milliseconds if milliseconds < 1 << 31 else None))


def status(pid: int) -> dict[str, str]:
    """Return the lines of /proc/PID/status, such as `{"CapEff": "00000000a80425fb", ...}`.

    Raises:
        OSError: ENOENT, ESRCH if there is no such process.

    Source: proc_pid_status(5).
    """
    lines = storage.read(f"/proc/{pid}/status").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def start_time(pid: int) -> int:
    """Return when `pid` began, in clock ticks since boot; 0 if there is no such process.

    A pid alone can be used again; a pid with its start time cannot.

    Source: proc(5), /proc/PID/stat, field 22.
    """
    return _stat(pid, 22)


def parent(pid: int) -> int:
    """Return the pid of a process's parent; 0 if there is no such process.

    Source: proc(5), /proc/PID/stat, field 4.
    """
    return _stat(pid, 4)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie whose parent has not asked yet.

    Source: proc(5), /proc/PID/stat, field 3.
    """
    try:
        text = storage.read(f"/proc/{pid}/stat")
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] in ("Z", "X")


def _stat(pid: int, field: int) -> int:
    try:
        # The command's name, field 2, may hold spaces and brackets: count from its end.
        return int(storage.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[field - 3])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor except 0, 1, 2 and those in `kept`.

    Source: close_range(2), which `os.closerange` uses.
    """
    first = 3
    for fd in sorted(fd for fd in kept if fd >= first):
        os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def rename(name: str) -> str:
    """Set what `ps` calls this process, at most 15 bytes; return what it was. Not recorded.

    Source: proc_pid_comm(5).
    """
    before = storage.read("/proc/self/comm").rstrip("\n")
    storage.write("/proc/self/comm", name)
    return before


_MAY_BE_IGNORED = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD,
    signal.SIGXFSZ, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip


def default_signals() -> None:
    """Give signals back their defaults, so that the program starts as Docker would start it.

    Python ignores SIGPIPE and SIGXFSZ, the agent SIGINT, nohup SIGHUP, a shell more; and what is
    ignored stays so across execve. A signal that is handled needs no care.

    Source: signal(7), "Execution of signal handlers"; execve(2).
    """
    for number in _MAY_BE_IGNORED:
        syscalls.libc.signal(ctypes.c_int(number), None)  # signal.signal looks up enums, slowly
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def end_by_signals() -> None:
    """Let the usual signals end the caller even if it is the first of a PID namespace.

    That one is sent none that it has no handler for, but SIGKILL. execve(2) takes handlers away.

    Source: pid_namespaces(7), "The namespace init process".
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os._exit(128 + number))


# An execve takes 2 MiB of arguments; nobody wants to read them, and no message holds them.
_MOST_SHOWN = 32
_LONGEST_SHOWN = 1000


def announce_exec(path: str, arguments: list[str]) -> Event:
    """Record the coming `execve`: when it works, nobody is left on this side to record it.

    Source: execve(2).
    """
    shown = [one[:_LONGEST_SHOWN] for one in arguments[:_MOST_SHOWN]]
    if len(arguments) > _MOST_SHOWN:
        shown.append(Symbol("..."))
    return announce("execve", (path, shown, Symbol("envp")), "exec " + " ".join(shown))


def execve(path: str, arguments: list[str], environment: dict[str, str]) -> None:
    """Become the program at `path`. Returns only by raising.

    Raises:
        OSError: ENOENT, EACCES, ENOEXEC (no `#!` line, or another machine's binary), E2BIG.

    Source: execve(2).
    """
    os.execve(path, arguments, environment)

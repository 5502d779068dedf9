"""A process under remote control: it makes one request to the kernel per message, then waits.

This is what a student holds in a notebook: "now unshare; now look; now mount /proc; look again".
It is a fork of the agent, and knows the requests in `REQUESTS` and no others. It can fork, and
then there is one more such process; and it can become a program, which ends its obedience.

Messages to it: `do` with `request`, `arguments` and a `ticket`. Each is answered by `done` with
the same ticket, the trace of what it asked the kernel, and a value or an error.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stdout

from kernelbox import capabilities, namespaces, threshold, users
from kernelbox.channel import Channel
from kernelbox.kernel import files, mounts, process, record, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


def begin(channel: Channel) -> NoReturn:
    """Be born: with signals as any program finds them, whatever the agent and nohup ignore."""
    _begin_signals()
    serve(channel)


def serve(channel: Channel) -> NoReturn:
    """Obey until the other side hangs up, then end. Whatever is imported has been by now."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(_ALONE, _leave)
    syscalls.prctl(k.PR_SET_PDEATHSIG, _ALONE, argument_name="SIGRTMAX")
    process.close_all_but([channel.fileno()])
    # The process may walk into the root of an image: nothing may be imported from there.
    sys.path.clear()
    sys.meta_path.clear()
    record.become("container")
    record.gate = None
    try:
        while (message := channel.receive()) is not None:
            _answer(channel, message)
    finally:
        os._exit(0)


# What the kernel sends when the agent is gone. Students' own signals keep their meaning.
_ALONE = signal.SIGRTMAX
_shells: set[int] = set()  # that run now; each leads a process group
_at_work = False


def _begin_signals() -> None:
    process.default_signals()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)  # as Python does: an exception tells of them


def _interrupt(_number: int, _frame: object) -> None:
    """Interrupt the request that is being made; one that has ended meanwhile is left in peace."""
    global _at_work
    if _at_work:
        _at_work = False
        raise KeyboardInterrupt


def _leave(_number: int, _frame: object) -> None:
    for leader in _shells:
        os.killpg(leader, signal.SIGKILL)
    os._exit(0)


def _answer(channel: Channel, message: dict[str, Any]) -> None:
    """Make one request and tell what came of it."""
    trace: list[record.Event] = []
    record.sink = trace.append
    reply: dict[str, Any] = {"ticket": message.get("ticket")}
    fds = message.pop("fds", [])
    passed: list[int] = []
    try:
        value = _obey(fds, message["request"], message["arguments"])
        if message["request"] == "fork":
            passed = value
        else:
            reply["value"] = value
    except KernelboxError as error:
        reply |= {"error": error.message, "hint": error.hint}
    except KeyboardInterrupt:
        reply |= {"error": "interrupted", "hint": ""}
    except Exception as error:
        reply |= {"error": f"{type(error).__name__}: {error}"[:_LONGEST_ERROR], "hint": ""}
    finally:
        for fd in fds:
            os.close(fd)
    try:
        channel.send("done", fds=passed, events=trace, **reply)
    except OSError as error:  # EMSGSIZE
        reply["error"] = f"the answer cannot be sent: {error}"
        channel.send("done", events=[], hint="", **reply)
    for fd in passed:
        os.close(fd)


_LONGEST_ERROR = 4000  # characters


def _obey(fds: list[int], name: str, arguments: dict[str, Any]) -> Any:
    global _at_work
    request = REQUESTS.get(name)
    if request is None:
        raise UsageError(f"no request {name!r}", f"There are: {', '.join(REQUESTS)}")
    try:
        _at_work = True
        return request(fds, **arguments)
    finally:
        _at_work = False


def _unshare(_fds: list[int], kinds: list[str]) -> None:
    syscalls.unshare(namespaces.flags(kinds))
    threshold.has_left(kinds)


def _setns(_fds: list[int], pid: int, kinds: list[str]) -> None:
    bits = namespaces.flags(kinds)
    shell = syscalls.unshare_command(bits).replace("unshare", f"nsenter -t {pid}")
    pidfd = process.pidfd_open(pid)
    try:
        syscalls.setns(pidfd, bits, shell)
    finally:
        os.close(pidfd)
    threshold.has_joined(kinds)


def _mount(
    _fds: list[int], source: str | None, target: str, kind: str | None, options: list[str]
) -> None:
    """Mount with options as mount(8) writes them; those it does not know go to the file system."""
    threshold.refuse_on_the_host("mnt", "mount")
    flags, data = 0, []
    for option in options:
        bit = _MOUNT_WORDS.get(option)
        if bit is None:
            data.append(option)
        else:
            flags |= bit
    if not flags & _STAYS_HERE:
        threshold.refuse_leak("mount", target)
    mounts.mount(source, target, kind, flags, ",".join(data) or None)


# How mounts spread, and what may be done with one of them, is each mount namespace's own affair.
_STAYS_HERE = k.MS_PRIVATE | k.MS_SLAVE | k.MS_SHARED | k.MS_UNBINDABLE | k.MS_REMOUNT

_MOUNT_WORDS = {
    "ro": k.MS_RDONLY,
    "nosuid": k.MS_NOSUID,
    "nodev": k.MS_NODEV,
    "noexec": k.MS_NOEXEC,
    "remount": k.MS_REMOUNT,
    "bind": k.MS_BIND,
    "rbind": k.MS_BIND | k.MS_REC,
    "move": k.MS_MOVE,
    "private": k.MS_PRIVATE,
    "rprivate": k.MS_PRIVATE | k.MS_REC,
    "slave": k.MS_SLAVE,
    "rslave": k.MS_SLAVE | k.MS_REC,
    "shared": k.MS_SHARED,
    "rshared": k.MS_SHARED | k.MS_REC,
    "unbindable": k.MS_UNBINDABLE,
}


def _umount(_fds: list[int], target: str, lazy: bool) -> None:
    threshold.refuse_on_the_host("mnt", "umount")
    threshold.refuse_leak("umount", target)
    mounts.umount2(target, k.MNT_DETACH if lazy else 0)


def _sethostname(_fds: list[int], name: str) -> None:
    threshold.refuse_on_the_host("uts", "sethostname")
    syscalls.sethostname(name)


def _pivot_root(_fds: list[int], new_root: str, put_old: str) -> None:
    threshold.refuse_on_the_host("mnt", "pivot_root")
    mounts.pivot_root(new_root, put_old)


def _fork(_fds: list[int]) -> list[int]:
    """Fork; the child is held like this process, and lives where this one's children live.

    Returns:
        Descriptors for whoever asked: the channel to the child, and its pidfd.
    """
    ours, theirs = Channel.pair()
    pid, pidfd = process.clone3(0)
    if pid == 0:
        serve(theirs)
    theirs.close()
    return [ours.socket.detach(), pidfd]


def _reap(_fds: list[int]) -> list[list[int]]:
    """Collect the children that have ended: pid and exit code of each. Source: waitpid(2)."""
    ended = []
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append([found[0], os.waitstatus_to_exitcode(found[1])])
    except ChildProcessError:
        pass
    return ended


def _write(_fds: list[int], path: str, text: str) -> None:
    files.write(path, text)


def _mkdir(_fds: list[int], path: str) -> None:
    files.mkdir(path)


def _chroot(_fds: list[int], path: str) -> None:
    syscalls.chroot(path)


def _chdir(_fds: list[int], path: str) -> None:
    syscalls.chdir(path)


def _become_user(_fds: list[int], user: str) -> None:
    identity = users.look_up(user)
    syscalls.setgroups(identity.groups)
    syscalls.setresgid(identity.gid)
    syscalls.setresuid(identity.uid)


def _keep_capabilities(_fds: list[int], names: list[str]) -> None:
    keep = capabilities.mask(capabilities.choose(names, ["ALL"]))
    capabilities.bound(keep)
    capabilities.hold(keep)


def _look(_fds: list[int]) -> dict[str, Any]:
    """Return what the process knows of itself. It asks system calls: /proc may be another's."""
    return {
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "hostname": os.uname().nodename,
        "uid": os.getuid(),
        "gid": os.getgid(),
        "cwd": _working_directory(),
    }


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "(unreachable)"


def _shell(fds: list[int], script: str) -> int:
    """Run a shell script as a child, its output to the descriptors given; return its exit code.

    Its standard input is this process's, which is the agent's /dev/null: the root that this
    process has walked into may have none.
    """
    command = ["/bin/sh", "-c", script]
    # A process group of its own: when it is interrupted, so are its children.
    child = subprocess.Popen(command, stdout=fds[0], stderr=fds[1], process_group=0)
    _shells.add(child.pid)
    try:
        return child.wait()
    except KeyboardInterrupt:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    finally:
        _shells.discard(child.pid)


# What the code of `python` sees, and what it leaves for the next.
_SCOPE: dict[str, Any] = {
    "os": os,
    "sys": sys,
    "signal": signal,
    "syscalls": syscalls,
    "mounts": mounts,
    "flags": k,
    "files": files,
}


def _python(fds: list[int], source: str) -> str:
    """Run Python in this very process; return what it failed with, or nothing."""
    output = io.StringIO()
    failure = ""
    with redirect_stdout(output):
        try:
            exec(compile(source, "<inside>", "exec"), _SCOPE)
        except BaseException as error:
            failure = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
    with open(fds[0], "w", encoding="utf-8", closefd=False) as out:
        out.write(output.getvalue())
    return failure


def _exec(fds: list[int], args: list[str]) -> None:
    """Become a program; the answer is the socket's closing, or an error."""
    before = [os.dup(1), os.dup(2)]
    for fd, wanted in zip(fds, (1, 2), strict=True):
        os.dup2(fd, wanted)
    process.die_with_parent()  # the kernel may have forgotten, and a program needs SIGKILL
    event = process.announce_exec(args[0], args)
    process.default_signals()
    try:
        process.execve(args[0], args, dict(os.environ))
    except OSError as error:
        _begin_signals()
        signal.signal(signal.SIGINT, _interrupt)
        hint = "Give its whole path: nobody looks in $PATH here" if "/" not in args[0] else ""
        raise KernelError(event.request, error.errno or 0, hint) from error
    finally:
        for fd, wanted in zip(before, (1, 2), strict=True):
            os.dup2(fd, wanted)
            os.close(fd)


REQUESTS: dict[str, Callable[..., Any]] = {
    "unshare": _unshare,
    "setns": _setns,
    "mount": _mount,
    "umount": _umount,
    "sethostname": _sethostname,
    "pivot_root": _pivot_root,
    "chroot": _chroot,
    "chdir": _chdir,
    "mkdir": _mkdir,
    "write": _write,
    "become_user": _become_user,
    "keep_capabilities": _keep_capabilities,
    "look": _look,
    "fork": _fork,
    "reap": _reap,
    "shell": _shell,
    "python": _python,
    "exec": _exec,
}

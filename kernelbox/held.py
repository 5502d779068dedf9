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

from kernelbox import capabilities, namespaces, users
from kernelbox.channel import Channel
from kernelbox.kernel import files, process, record, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


def serve(channel: Channel) -> NoReturn:
    """Obey until the other side hangs up, then end. Whatever is imported has been by now."""
    process.die_with_parent()
    process.close_all_but([channel.fileno()])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The process may walk into the root of an image: nothing may be imported from there.
    sys.path.clear()
    sys.meta_path.clear()
    record.become("container")
    record.gate = None
    try:
        while (message := _next(channel)) is not None:
            _answer(channel, message)
    finally:
        os._exit(0)


def _next(channel: Channel) -> dict[str, Any] | None:
    while True:
        try:
            return channel.receive()
        except KeyboardInterrupt:  # came too late: what it was to interrupt had ended
            continue


def _answer(channel: Channel, message: dict[str, Any]) -> None:
    """Make one request and tell what came of it."""
    trace: list[record.Event] = []
    record.sink = trace.append
    reply: dict[str, Any] = {"ticket": message["ticket"]}
    fds = message.pop("fds", [])
    passed: list[int] = []
    try:
        request = REQUESTS.get(message["request"])
        if request is None:
            raise UsageError(
                f"no request {message['request']!r}", f"There are: {', '.join(REQUESTS)}"
            )
        value = request(fds, **message["arguments"])
        if message["request"] == "fork":
            passed = value
        else:
            reply["value"] = value
    except KernelboxError as error:
        reply |= {"error": error.message, "hint": error.hint}
    except KeyboardInterrupt:
        reply |= {"error": "interrupted", "hint": ""}
    except (OSError, TypeError, ValueError, KeyError) as error:
        reply |= {"error": f"{type(error).__name__}: {error}", "hint": ""}
    finally:
        for fd in fds:
            os.close(fd)
    channel.send("done", fds=passed, events=trace, **reply)
    for fd in passed:
        os.close(fd)


def _unshare(_fds: list[int], kinds: list[str]) -> None:
    syscalls.unshare(namespaces.flags(kinds))


def _setns(_fds: list[int], pid: int, kinds: list[str]) -> None:
    pidfd = process.pidfd_open(pid)
    try:
        words = " ".join(f"--{kind}" for kind in kinds)
        syscalls.setns(pidfd, namespaces.flags(kinds), f"nsenter -t {pid} {words}")
    finally:
        os.close(pidfd)


def _mount(
    _fds: list[int], source: str | None, target: str, kind: str | None, options: list[str]
) -> None:
    """Mount with options as mount(8) writes them; those it does not know go to the file system."""
    _not_on_the_host("mnt", "mount")
    flags, data = 0, []
    for option in options:
        bit = _MOUNT_WORDS.get(option)
        if bit is None:
            data.append(option)
        else:
            flags |= bit
    syscalls.mount(source, target, kind, flags, ",".join(data) or None)


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
    _not_on_the_host("mnt", "umount")
    syscalls.umount2(target, k.MNT_DETACH if lazy else 0)


def _sethostname(_fds: list[int], name: str) -> None:
    _not_on_the_host("uts", "sethostname")
    syscalls.sethostname(name)


def _pivot_root(_fds: list[int], new_root: str, put_old: str) -> None:
    _not_on_the_host("mnt", "pivot_root")
    syscalls.pivot_root(new_root, put_old)


def _not_on_the_host(kind: str, request: str) -> None:
    """Refuse what would change the machine itself, for want of an `unshare` before.

    Raises:
        UsageError: The process is in the agent's own namespace of this kind.
    """
    if kind in _HOST and namespaces.identity("self", kind) == _HOST[kind]:
        raise UsageError(
            f"{request} would change the host itself: this process still shares its {kind} "
            "namespace",
            f"unshare it first: unshare({namespaces.kind(kind).oci!r})",
        )


# As inherited from the agent: namespaces made by the process itself are its own to change.
_HOST: dict[str, int] = {}


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
    child = subprocess.Popen(["/bin/sh", "-c", script], stdout=fds[0], stderr=fds[1])
    try:
        return child.wait()
    except KeyboardInterrupt:
        child.kill()
        child.wait()
        raise


# What the code of `python` sees, and what it leaves for the next.
_SCOPE: dict[str, Any] = {
    "os": os,
    "sys": sys,
    "signal": signal,
    "syscalls": syscalls,
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
            failure = f"{type(error).__name__}: {error}"
    with open(fds[0], "w", encoding="utf-8", closefd=False) as out:
        out.write(output.getvalue())
    return failure


def _exec(fds: list[int], args: list[str]) -> None:
    """Become a program; the answer is the socket's closing, or an error."""
    for fd, wanted in zip(fds, (1, 2), strict=True):
        os.dup2(fd, wanted)
    process.announce_exec(args[0], args)
    process.default_signals()
    process.execve(args[0], args, dict(os.environ))


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


def remember_host() -> None:
    """Note which namespaces are the host's; called by the agent before it forks anything."""
    _HOST.update(namespaces.of("self"))

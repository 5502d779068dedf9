"""Into which namespaces a container's first process is born: new ones, and those of others.

Others' are entered by the runtime itself, for as long as the birth takes, since nobody inside a
user namespace may. Into a user namespace of others there is no such way and back: an assistant goes
there for good, and its child is a sibling of its own, so that the runtime is the parent after all.
Who is not the host's root finds no way back from any.

    mount               the first process enters that itself: the runtime must not lose its files
    cgroup              it makes a new one itself, once it is in its group

Source: OCI runtime-spec, config-linux.md, "Namespaces"; setns(2); user_namespaces(7).
"""

from __future__ import annotations

import fcntl
import os

from kernelbox import namespaces
from kernelbox.container.birth.birth import reporting
from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Failed, Made, Sibling
from kernelbox.kernel import door, files, process, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.oci import unprivileged
from kernelbox.plumbing.channel import Channel
from kernelbox.plumbing.light import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from kernelbox.oci.config import Config

_NS_GET_NSTYPE = 0xB703
_ITS_OWN_TO_ENTER = ("mount", "user")


def open_others(config: Config) -> dict[str, int]:
    """Open the namespaces that the container joins; return a descriptor of each, by OCI kind.

    Raises:
        UsageError: One is not there, or of another kind.
    """
    found = {}
    for one in config.namespaces:
        if not one.path:
            continue
        try:
            # A FIFO or a terminal of this name shall not keep us, nor become ours.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
            fd = os.open(one.path, flags)
        except OSError as error:
            raise UsageError(
                f"cannot join the {one.type} namespace {one.path}: {error.strerror}",
                "Is the container that it belongs to still there?",
            ) from error
        if _flag(fd) != namespaces.kind(one.type).flag:
            raise UsageError(f"{one.path} is no {one.type} namespace", "See lsns")
        found[one.type] = fd
    return found


def _flag(fd: int) -> int:
    """Return the CLONE_NEW* bit of a namespace; 0 of something else. Source: ioctl_nsfs(2)."""
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE)
    except OSError:
        return 0


def bear(
    config: Config, others: dict[str, int], group: int | None, be: Callable[[], NoReturn]
) -> tuple[int, int]:
    """Fork into the container's namespaces; return the pid and a pidfd of the child.

    Args:
        config: The container.
        others: From `open_others`.
        group: A cgroup v2 directory to be born in; None without.
        be: What the child does.

    Raises:
        KernelError: EPERM, EINVAL where the kernel refuses a namespace; ENOSPC.
    """
    kinds = [one.type for one in config.namespaces if not one.path]
    new = namespaces.flags([kind for kind in kinds if kind not in ("cgroup", "time")])
    if (others or config.is_new("time")) and unprivileged.is_rootless():
        return _bear_away(new, config, others, group, be)  # nor would it come back itself
    with _entered(config, others):
        if "user" in others:
            return _bear_away(new, None, {"user": others["user"]}, group, be)
        pid, pidfd = process.clone3(new, group)
        if pid == 0:
            be()
        return pid, pidfd


@contextmanager
def _entered(config: Config, others: dict[str, int]) -> Iterator[None]:
    """Be in others' namespaces, or let the next child be, and return to our own."""
    kinds = [kind for kind in others if kind not in _ITS_OWN_TO_ENTER]
    own = [_own(kind) for kind in [*kinds, *(["time"] if config.is_new("time") else [])]]
    _enter(config, others)
    try:
        yield
    finally:
        for fd in own:
            syscalls.setns(fd, 0, "nsenter ...")
            os.close(fd)


def _enter(config: Config, others: dict[str, int]) -> None:
    for kind, fd in others.items():
        if kind not in _ITS_OWN_TO_ENTER:
            syscalls.setns(fd, namespaces.kind(kind).flag, f"nsenter --{kind}=...")
    if config.is_new("time"):
        syscalls.unshare(k.CLONE_NEWTIME)
        for clock, (seconds, nanoseconds) in config.timeOffsets.items():
            files.write("/proc/self/timens_offsets", f"{clock} {seconds} {nanoseconds}")


def _own(kind: str) -> int:
    return os.open(f"/proc/self/ns/{namespaces.kind(kind).proc}", os.O_RDONLY | os.O_CLOEXEC)


def _bear_away(
    new: int,
    config: Config | None,
    others: dict[str, int],
    group: int | None,
    be: Callable[[], NoReturn],
) -> tuple[int, int]:
    """Let an assistant enter others' namespaces, and bear there. A config names new clocks, too."""
    ours, theirs = Channel.pair()
    assistant, watched = process.clone3(0, group)
    if assistant == 0:
        ours.close()
        with reporting(theirs, door.sink is not None, stepped=False):
            process.die_with_parent()
            syscalls.prctl(k.PR_SET_DUMPABLE, 0)  # or who is there already could look into it
            if "user" in others:
                syscalls.setns(others["user"], k.CLONE_NEWUSER, "nsenter --user=...")
                syscalls.setresgid(0)
                syscalls.setresuid(0)
            if config is not None:
                _enter(config, others)
            pid, pidfd = process.clone3(new, sibling=True)
            if pid == 0:
                theirs.close()
                be()
            messages.send(theirs, Sibling([pidfd]))
    theirs.close()
    try:
        pidfd = _of_sibling(ours)
        return process.pid_behind(pidfd), pidfd
    finally:
        ours.close()
        process.wait_exit(assistant)
        os.close(watched)


def _of_sibling(control: Channel) -> int:
    while True:
        message = messages.receive(control)
        if isinstance(message, Sibling):
            return message.fds[0]
        if isinstance(message, Failed):
            raise KernelboxError(message.message, message.hint, message.code)
        if isinstance(message, Made) and door.sink is not None:
            door.sink(message.event)
        if message is None:
            raise KernelboxError("no process could be made in the namespaces", "See dmesg")

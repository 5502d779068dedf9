"""What a held process can be asked of the kernel: one function a request, called by name.

Each takes the descriptors that came with the question, and arguments that are plain data; what it
returns is the answer's value.
"""

from __future__ import annotations

import os

from kernelbox import namespaces
from kernelbox.kernel import files, lookup, mount_words, mounts, process, syscalls
from kernelbox.kernel import flags as k
from kernelbox.users import accounts, capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _unshare(_fds: list[int], kinds: list[str]) -> None:
    syscalls.unshare(namespaces.flags(kinds))


def _setns(_fds: list[int], pid: int, kinds: list[str]) -> None:
    bits = namespaces.flags(kinds)
    shell = syscalls.unshare_command(bits).replace("unshare", f"nsenter -t {pid}")
    pidfd = process.pidfd_open(pid)
    try:
        syscalls.setns(pidfd, bits, shell)
    finally:
        os.close(pidfd)


def _mount(
    _fds: list[int], source: str | None, target: str, kind: str | None, options: list[str]
) -> None:
    """Mount with options as mount(8) writes them; those it does not know go to the file system."""
    flags, data = mount_words.parse(options)
    mounts.mount(source, target, kind, flags, data)


def _umount(_fds: list[int], target: str, lazy: bool) -> None:
    mounts.umount2(target, k.MNT_DETACH if lazy else 0)


def _sethostname(_fds: list[int], name: str) -> None:
    syscalls.sethostname(name)


def _setdomainname(_fds: list[int], name: str) -> None:
    syscalls.setdomainname(name)


def _pivot_root(_fds: list[int], new_root: str, put_old: str) -> None:
    mounts.pivot_root(new_root, put_old)


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
    lookup.chroot(path)


def _chdir(_fds: list[int], path: str) -> None:
    lookup.chdir(path)


def _become_user(_fds: list[int], user: str) -> None:
    identity = accounts.look_up(user)
    syscalls.setgroups(identity.groups)
    syscalls.setresgid(identity.gid)
    syscalls.setresuid(identity.uid)


def _keep_capabilities(_fds: list[int], names: list[str]) -> None:
    keep = capabilities.mask(capabilities.choose(names, ["ALL"]))
    capabilities.bound(keep)
    capabilities.keep_only(keep)


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


KERNEL_REQUESTS: dict[str, Callable[..., Any]] = {
    "unshare": _unshare,
    "setns": _setns,
    "mount": _mount,
    "umount": _umount,
    "sethostname": _sethostname,
    "setdomainname": _setdomainname,
    "pivot_root": _pivot_root,
    "chroot": _chroot,
    "chdir": _chdir,
    "mkdir": _mkdir,
    "write": _write,
    "become_user": _become_user,
    "keep_capabilities": _keep_capabilities,
    "look": _look,
    "reap": _reap,
}

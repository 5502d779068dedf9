"""System calls that Python's `os` lacks (before 3.12, or at all): one function per call.

Each has the man page's name and arguments, goes through the recorder, and raises `KernelError`
when the kernel refuses. Calls that make or watch processes are in `process.py`, those that change
what is mounted in `mounts.py`.
"""

from __future__ import annotations

import os

from kernelbox.kernel import flags as k
from kernelbox.kernel.door import Symbol, request
from kernelbox.kernel.foreign import ctypes
from kernelbox.kernel.foreign import libc as libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# asm-generic numbers, the same on x86_64, arm64 and riscv64 for all calls from 424 on.
NR_CLONE3 = 435
# These have no wrapper in every libc, and their number depends on the machine.
_X86_64 = {
    **{"pivot_root": 155, "capset": 126, "capget": 125, "setns": 308},
    **{"keyctl": 250, "bpf": 321, "seccomp": 317, "sched_setattr": 314, "ioprio_set": 251},
    "set_mempolicy": 238,
}
_GENERIC = {
    **{"pivot_root": 41, "capset": 91, "capget": 90, "setns": 268},
    **{"keyctl": 219, "bpf": 280, "seccomp": 277, "sched_setattr": 274, "ioprio_set": 30},
    "set_mempolicy": 237,
}
_MACHINE = os.uname().machine  # as we began: personality(2) changes what is told
_MACHINE_NUMBERS = {"x86_64": _X86_64, "aarch64": _GENERIC, "riscv64": _GENERIC}


_CAPABILITY_VERSION_3 = 0x20080522


def checked(result: int) -> int:
    """Return `result`, or raise OSError from errno if it is -1."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def raw(number: int, *arguments: object) -> int:
    """Make system call `number` through syscall(2); raises OSError."""
    return checked(libc.syscall(ctypes.c_long(number), *arguments))


def by_name(name: str, *arguments: object) -> int:
    """Make a system call whose number depends on the machine; raises OSError."""
    return raw(_MACHINE_NUMBERS[_MACHINE][name], *arguments)


# --- namespaces ---------------------------------------------------------------------------------


def unshare(kinds: int) -> None:
    """Move the caller into new namespaces of the kinds in `kinds` (CLONE_NEW* bits).

    A new PID or time namespace takes effect for the next child, not for the caller.

    Raises:
        KernelError: EPERM without CAP_SYS_ADMIN; EINVAL for a user namespace in a process with
            threads; ENOSPC when a limit in /proc/sys/user is reached.

    Source: unshare(2); namespaces(7).
    """
    bits = k.Names("CLONE_", kinds)
    act = lambda: checked(libc.unshare(ctypes.c_int(kinds)))  # noqa: E731
    request("unshare", (bits,), act, unshare_command(kinds))


_UNSHARE_OPTIONS = {
    k.CLONE_NEWNS: "--mount",
    k.CLONE_NEWUTS: "--uts",
    k.CLONE_NEWIPC: "--ipc",
    k.CLONE_NEWNET: "--net",
    k.CLONE_NEWPID: "--pid",
    k.CLONE_NEWUSER: "--user",
    k.CLONE_NEWCGROUP: "--cgroup",
    k.CLONE_NEWTIME: "--time",
}


def unshare_command(kinds: int, *options: str) -> str:
    """Return the unshare(1) command line that makes new namespaces of `kinds`."""
    chosen = [option for bit, option in _UNSHARE_OPTIONS.items() if kinds & bit]
    return " ".join(["unshare", *options, *chosen])


def setns(fd: int, kinds: int, shell: str = "") -> None:
    """Move the caller into the namespace behind `fd`: a namespace file or a pidfd.

    Args:
        fd: An open /proc/PID/ns/* file, or a pidfd (then `kinds` may name several).
        kinds: CLONE_NEW* bits; 0 accepts any one namespace file.
        shell: The equivalent command, if the caller knows whose namespace it is.

    Raises:
        KernelError: EINVAL if the process has threads and the kind forbids it; EPERM without
            CAP_SYS_ADMIN in the target; ESRCH if the process behind a pidfd is gone.

    Source: setns(2).
    """
    request("setns", (fd, k.Names("CLONE_", kinds)), lambda: by_name("setns", fd, kinds), shell)


def sethostname(name: str) -> None:
    """Set the hostname of the caller's UTS namespace (at most 64 bytes).

    Raises:
        KernelError: EPERM without CAP_SYS_ADMIN; EINVAL if `name` is too long.

    Source: sethostname(2); uts_namespaces(7).
    """
    encoded = os.fsencode(name)
    request(
        "sethostname",
        (name, len(encoded)),
        lambda: checked(libc.sethostname(encoded, ctypes.c_size_t(len(encoded)))),
        f"hostname {name}",
    )


def setdomainname(name: str) -> None:
    """Set the NIS domain name of the caller's UTS namespace (at most 64 bytes): not that of DNS.

    Raises:
        KernelError: EPERM without CAP_SYS_ADMIN; EINVAL if `name` is too long.

    Source: setdomainname(2); uts_namespaces(7).
    """
    encoded = os.fsencode(name)
    request(
        "setdomainname",
        (name, len(encoded)),
        lambda: checked(libc.setdomainname(encoded, ctypes.c_size_t(len(encoded)))),
        f"domainname {name}",
    )


# --- what a process may do ----------------------------------------------------------------------


def prctl(option: int, argument: int = 0, argument3: int = 0, argument_name: str = "") -> int:
    """Change one property of the calling process.

    Args:
        option: PR_* constant.
        argument: Its first argument.
        argument3: Its second.
        argument_name: How to show the first argument, if it has a name of its own.

    Raises:
        KernelError: EINVAL for an unknown option or argument; EPERM.

    Source: prctl(2).
    """
    shown = Symbol(argument_name) if argument_name else argument
    return request(
        "prctl",
        (k.Name("PR_", option), shown),
        lambda: checked(
            libc.prctl(
                ctypes.c_int(option),
                ctypes.c_ulong(argument),
                ctypes.c_ulong(argument3),
                ctypes.c_ulong(0),
                ctypes.c_ulong(0),
            )
        ),
    )


def capabilities_known(guess: int) -> int:
    """Return how many capabilities this kernel has, asked of itself: a /proc may lie to us.

    Looking is not recorded.

    Args:
        guess: How many there probably are.

    Source: prctl(2), PR_CAPBSET_READ: EINVAL for a number that is no capability.
    """

    def known(number: int) -> bool:
        return bool(libc.prctl(ctypes.c_int(k.PR_CAPBSET_READ), ctypes.c_ulong(number)) >= 0)

    while known(guess):
        guess += 1
    while guess and not known(guess - 1):
        guess -= 1
    return guess


def join_session_keyring() -> int:
    """Give the caller a session keyring of its own, an empty one; return its number.

    Raises:
        KernelError: ENOSYS if the kernel has no keys; EDQUOT if the user has too many.

    Source: keyctl(2), KEYCTL_JOIN_SESSION_KEYRING; session-keyring(7).
    """
    return request(
        "keyctl",
        (k.Name("KEYCTL_", k.KEYCTL_JOIN_SESSION_KEYRING), None),
        lambda: by_name("keyctl", ctypes.c_int(k.KEYCTL_JOIN_SESSION_KEYRING), None),
        "keyctl session",
    )


def permitted_capabilities() -> int:
    """Return the caller's permitted capabilities, a mask of 1 << capability. Not recorded.

    Source: capget(2).
    """
    header, data = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    by_name("capget", ctypes.byref(header), ctypes.byref(data))
    return data[1] | data[4] << 32


def is_permitted(capability: int) -> bool:
    """Whether the caller has a capability among its permitted ones."""
    return bool(permitted_capabilities() >> capability & 1)


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set three of the caller's capability sets, each a mask of 1 << capability.

    Raises:
        KernelError: EPERM if a capability is not in the permitted set already.

    Source: capset(2); capabilities(7).
    """
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low, high = 0xFFFFFFFF, 32
    data = (ctypes.c_uint32 * 6)(
        effective & low, permitted & low, inheritable & low,
        effective >> high, permitted >> high, inheritable >> high,
    )  # fmt: skip
    shown = Symbol(
        f"{{effective={effective:#x}, permitted={permitted:#x}, inheritable={inheritable:#x}}}"
    )
    request(
        "capset",
        (Symbol("{version=_LINUX_CAPABILITY_VERSION_3, pid=0}"), shown),
        lambda: by_name("capset", ctypes.byref(header), ctypes.byref(data)),
    )


_MOST_SHOWN = 32  # groups: there may be 65536, and no message holds them


def setgroups(groups: Iterable[int]) -> None:
    """Set the caller's supplementary group ids.

    Raises:
        KernelError: EPERM without CAP_SETGID, or when /proc/PID/setgroups says deny.

    Source: setgroups(2); user_namespaces(7).
    """
    listed = list(groups)
    shown = [*listed[:_MOST_SHOWN], *([Symbol("...")] if len(listed) > _MOST_SHOWN else [])]
    request("setgroups", (len(listed), shown), lambda: os.setgroups(listed))


def setresgid(group: int) -> None:
    """Set the caller's real, effective and saved group ids to `group`.

    Raises:
        KernelError: EPERM without CAP_SETGID; EINVAL if the id has no mapping.

    Source: setresgid(2).
    """
    request("setresgid", (group, group, group), lambda: os.setresgid(group, group, group))


def setresuid(user: int) -> None:
    """Set the caller's real, effective and saved user ids to `user`.

    Leaving user id 0 clears the effective and permitted capabilities.

    Raises:
        KernelError: EPERM without CAP_SETUID; EINVAL if the id has no mapping.

    Source: setresuid(2); capabilities(7).
    """
    request("setresuid", (user, user, user), lambda: os.setresuid(user, user, user))

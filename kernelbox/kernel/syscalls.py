"""System calls that Python's `os` lacks (before 3.12, or at all): one function per call.

Each has the man page's name and arguments, goes through the recorder, and raises `KernelError`
when the kernel refuses. Calls that make or watch processes are in `process.py`.
"""

from __future__ import annotations

import ctypes
import os

from kernelbox.kernel import flags as k
from kernelbox.kernel.record import Structure, Symbol, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# PyDLL keeps the interpreter lock: a caller of this module is a process with a single thread
# (the agent, the command line, a container's init), and clone3 must not return without the lock.
libc = ctypes.PyDLL(None, use_errno=True)

# asm-generic numbers, the same on x86_64, arm64 and riscv64 for all calls from 424 on.
NR_OPEN_TREE = 428
NR_MOVE_MOUNT = 429
NR_FSOPEN = 430
NR_FSCONFIG = 431
NR_FSMOUNT = 432
NR_CLONE3 = 435
NR_OPENAT2 = 437
NR_MOUNT_SETATTR = 442
# pivot_root and capset have no wrapper in every libc and their number depends on the machine.
_MACHINE_NUMBERS = {
    "x86_64": {"pivot_root": 155, "capget": 125, "capset": 126, "setns": 308},
    "aarch64": {"pivot_root": 41, "capget": 90, "capset": 91, "setns": 268},
    "riscv64": {"pivot_root": 41, "capget": 90, "capset": 91, "setns": 268},
}


def checked(result: int) -> int:
    """Return `result`, or raise OSError from errno if it is -1."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def raw(number: int, *arguments: object) -> int:
    """Make system call `number` through syscall(2); raises OSError."""
    return checked(libc.syscall(ctypes.c_long(number), *arguments))


def _by_name(name: str, *arguments: object) -> int:
    return raw(_MACHINE_NUMBERS[os.uname().machine][name], *arguments)


def _bytes(path: str | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


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
    request("setns", (fd, k.Names("CLONE_", kinds)), lambda: _by_name("setns", fd, kinds), shell)


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


# --- mounts -------------------------------------------------------------------------------------


def mount(
    source: str | None,
    target: str,
    kind: str | None = None,
    flags: int = 0,
    data: str | None = None,
) -> None:
    """Mount, bind, remount or change the propagation of `target`, as `flags` say.

    Args:
        source: Device, directory to bind, or any word for a file system without a device.
        target: Where, in the caller's mount namespace.
        kind: File system type, as /proc/filesystems lists them.
        flags: MS_* bits.
        data: Options of the file system, comma separated (at most a page).

    Raises:
        KernelError: EPERM without CAP_SYS_ADMIN over the mount namespace; EINVAL for options the
            file system does not take; ENOENT, ENOTDIR, ENODEV, EBUSY.

    Source: mount(2); mount_namespaces(7).
    """
    raw_arguments = (_bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags))
    request(
        "mount",
        (source, target, kind, k.Names("MS_", flags), data),
        lambda: checked(libc.mount(*raw_arguments, _bytes(data))),
        _mount_command(source, target, kind, flags, data),
    )


_PROPAGATION = {
    k.MS_PRIVATE: "private",
    k.MS_SLAVE: "slave",
    k.MS_SHARED: "shared",
    k.MS_UNBINDABLE: "unbindable",
}
_MOUNT_OPTIONS = {
    k.MS_REMOUNT: "remount",
    k.MS_BIND: "bind",
    k.MS_RDONLY: "ro",
    k.MS_NOSUID: "nosuid",
    k.MS_NODEV: "nodev",
    k.MS_NOEXEC: "noexec",
    k.MS_NOATIME: "noatime",
}


def _mount_command(
    source: str | None, target: str, kind: str | None, flags: int, data: str | None
) -> str:
    for bit, word in _PROPAGATION.items():
        if flags & bit:
            return f"mount --make-{'r' if flags & k.MS_REC else ''}{word} {target}"
    if flags & k.MS_MOVE:
        return f"mount --move {source} {target}"
    if flags & k.MS_BIND and not flags & k.MS_REMOUNT:
        return f"mount --{'r' if flags & k.MS_REC else ''}bind {source} {target}"
    words = [word for bit, word in _MOUNT_OPTIONS.items() if flags & bit]
    options = ",".join(words + ([data] if data else []))
    parts = ["mount", f"-t {kind}" if kind else "", f"-o {options}" if options else ""]
    return " ".join(part for part in [*parts, source or "", target] if part)


def umount2(target: str, flags: int = 0) -> None:
    """Unmount `target`; with MNT_DETACH at once from the tree, later when no longer busy.

    Raises:
        KernelError: EINVAL if `target` is not a mount point; EBUSY if it is in use; EPERM.

    Source: umount2(2).
    """
    lazy = "-l " if flags & k.MNT_DETACH else ""
    request(
        "umount2",
        (target, k.Names("MNT_", flags)),
        lambda: checked(libc.umount2(os.fsencode(target), ctypes.c_int(flags))),
        f"umount {lazy}{target}",
    )


def pivot_root(new_root: str, put_old: str) -> None:
    """Make `new_root` the root of the mount namespace and move the old one to `put_old`.

    `pivot_root(".", ".")` stacks the old root over the new one, ready to be unmounted.

    Raises:
        KernelError: EINVAL if `new_root` is no mount point or its parent is shared; EBUSY; EPERM.

    Source: pivot_root(2).
    """
    request(
        "pivot_root",
        (new_root, put_old),
        lambda: _by_name("pivot_root", os.fsencode(new_root), os.fsencode(put_old)),
        f"pivot_root {new_root} {put_old}",
    )


def chroot(path: str) -> None:
    """Change where the caller's path lookups begin; it changes no mount and closes no door.

    Raises:
        KernelError: EPERM without CAP_SYS_CHROOT; ENOENT, ENOTDIR.

    Source: chroot(2).
    """
    request("chroot", (path,), lambda: os.chroot(path), f"chroot {path}")


def chdir(path: str) -> None:
    """Change the working directory.

    Raises:
        KernelError: ENOENT, ENOTDIR, EACCES.

    Source: chdir(2).
    """
    request("chdir", (path,), lambda: os.chdir(path), f"cd {path}")


def open_tree(path: str, flags: int) -> int:
    """Return a descriptor of a detached copy of the mount at `path` (with OPEN_TREE_CLONE).

    Nobody sees the copy until `move_mount` attaches it; it is gone when the descriptor closes.

    Raises:
        KernelError: ENOENT if there is no such path; EPERM without CAP_SYS_ADMIN.

    Source: open_tree(2), `Documentation/filesystems/mount_api.rst`.
    """
    bits = Symbol(
        "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC" + ("|AT_RECURSIVE" if flags & k.AT_RECURSIVE else "")
    )
    return request(
        "open_tree",
        (Symbol("AT_FDCWD"), path, bits),
        lambda: raw(
            NR_OPEN_TREE,
            k.AT_FDCWD,
            os.fsencode(path),
            ctypes.c_uint(flags | k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC),
        ),
    )


def mount_setattr(fd: int, *, attributes: int, propagation: int = 0, userns_fd: int = 0) -> None:
    """Set attributes on the detached mount `fd` and all mounts below it.

    Args:
        fd: From `open_tree` or `fsmount`.
        attributes: MOUNT_ATTR_* bits to set.
        propagation: 0, or MS_PRIVATE and its kin.
        userns_fd: With MOUNT_ATTR_IDMAP, the user namespace whose id maps the mount shall apply.

    Raises:
        KernelError: EINVAL if the file system cannot do it; EPERM without CAP_SYS_ADMIN.

    Source: mount_setattr(2).
    """
    structure = (ctypes.c_uint64 * 4)(attributes, 0, propagation, userns_fd)
    shown = Structure(
        attr_set=k.Names("MOUNT_ATTR_", attributes),
        attr_clr=0,
        propagation=k.Names("MS_", propagation),
        userns_fd=userns_fd,
    )
    request(
        "mount_setattr",
        (fd, "", Symbol("AT_EMPTY_PATH|AT_RECURSIVE"), shown, 32),
        lambda: raw(
            NR_MOUNT_SETATTR,
            fd,
            b"",
            ctypes.c_uint(k.AT_EMPTY_PATH | k.AT_RECURSIVE),
            ctypes.byref(structure),
            ctypes.c_size_t(32),
        ),
    )


def move_mount(fd: int, target_fd: int, shell: str = "") -> None:
    """Attach the detached mount `fd` onto the file or directory that `target_fd` is open on.

    Both ends are descriptors, so no symbolic link can send the mount elsewhere in between.

    Raises:
        KernelError: ENOTDIR if one is a directory and the other is not; EINVAL, EPERM.

    Source: move_mount(2).
    """
    bits = k.MOVE_MOUNT_F_EMPTY_PATH | k.MOVE_MOUNT_T_EMPTY_PATH
    request(
        "move_mount",
        (fd, "", target_fd, "", k.Names("MOVE_MOUNT_", bits)),
        lambda: raw(NR_MOVE_MOUNT, fd, b"", target_fd, b"", ctypes.c_uint(bits)),
        shell,
    )


def fsopen(kind: str) -> int:
    """Return a descriptor on which a new file system of type `kind` is configured.

    Raises:
        KernelError: ENODEV if the kernel lacks the type; EPERM.

    Source: fsopen(2), `Documentation/filesystems/mount_api.rst`.
    """
    return request(
        "fsopen",
        (kind, k.Names("FSOPEN_", k.FSOPEN_CLOEXEC)),
        lambda: raw(NR_FSOPEN, os.fsencode(kind), ctypes.c_uint(k.FSOPEN_CLOEXEC)),
    )


def fsconfig(fd: int, command: int, key: str | None = None, value: str | None = None) -> None:
    """Set one option of the file system being configured, or create it.

    Args:
        fd: From `fsopen`.
        command: FSCONFIG_SET_STRING, FSCONFIG_SET_FLAG or FSCONFIG_CMD_CREATE.
        key: Name of the option; None for CMD_CREATE.
        value: Its value, at most 255 bytes.

    Raises:
        KernelError: EINVAL for an unknown key or a bad value.

    Source: fsconfig(2).
    """
    request(
        "fsconfig",
        (fd, k.Name("FSCONFIG_", command), key, value, 0),
        lambda: raw(
            NR_FSCONFIG, fd, ctypes.c_uint(command), _bytes(key), _bytes(value), ctypes.c_int(0)
        ),
    )


def fsmount(fd: int, attributes: int = 0) -> int:
    """Return a descriptor of a detached mount of the file system configured on `fd`.

    Args:
        fd: From `fsopen`, after FSCONFIG_CMD_CREATE.
        attributes: MOUNT_ATTR_* bits.

    Raises:
        KernelError: EINVAL, EPERM.

    Source: fsmount(2).
    """
    return request(
        "fsmount",
        (fd, k.Names("FSMOUNT_", k.FSMOUNT_CLOEXEC), k.Names("MOUNT_ATTR_", attributes)),
        lambda: raw(NR_FSMOUNT, fd, ctypes.c_uint(k.FSMOUNT_CLOEXEC), ctypes.c_uint(attributes)),
    )


_PATIENCE = 1000  # times


def openat2(directory: int, path: str, flags: int, resolve: int) -> int:
    """Open `path` below the descriptor `directory` under the rules of `resolve`.

    Args:
        directory: An open directory, or AT_FDCWD.
        path: What to open.
        flags: O_* bits; O_CLOEXEC is added.
        resolve: RESOLVE_* bits, such as RESOLVE_NO_SYMLINKS.

    Returns:
        The new descriptor.

    Raises:
        KernelError: ELOOP if a symbolic link is met that `resolve` forbids; ENOENT, ENOTDIR.

    Source: openat2(2).
    """
    return request(
        "openat2",
        (
            directory,
            path,
            Structure(flags=Symbol(hex(flags)), resolve=k.Names("RESOLVE_", resolve)),
        ),
        lambda: open_below(directory, os.fsencode(path), flags, resolve),
    )


def open_below(directory: int, path: bytes, flags: int, resolve: int, mode: int = 0) -> int:
    """Do what `openat2` does for a file of the image store: that is storage, and not recorded.

    Args:
        directory: An open directory.
        path: What to open.
        flags: O_* bits; O_CLOEXEC is added.
        resolve: RESOLVE_* bits.
        mode: Permissions of a file that O_CREAT makes.

    Raises:
        OSError: EXDEV or ELOOP if `resolve` forbids the way; ENOENT, ENOTDIR, EEXIST.

    Source: openat2(2).
    """
    how = (ctypes.c_uint64 * 3)(flags | os.O_CLOEXEC, mode, resolve)
    arguments = (directory, path, ctypes.byref(how), ctypes.c_size_t(24))
    # EAGAIN: somewhere on the machine a mount or a rename came between, so that the kernel
    # cannot tell whether `..` has led out. It asks to be asked again.
    for _ in range(_PATIENCE):
        try:
            return raw(NR_OPENAT2, *arguments)
        except BlockingIOError:
            continue
    return raw(NR_OPENAT2, *arguments)


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


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set three of the caller's capability sets, each a mask of 1 << capability.

    Raises:
        KernelError: EPERM if a capability is not in the permitted set already.

    Source: capset(2); capabilities(7).
    """
    version_3 = 0x20080522
    header = (ctypes.c_uint32 * 2)(version_3, 0)
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
        lambda: _by_name("capset", ctypes.byref(header), ctypes.byref(data)),
    )


def setgroups(groups: Iterable[int]) -> None:
    """Set the caller's supplementary group ids.

    Raises:
        KernelError: EPERM without CAP_SETGID, or when /proc/PID/setgroups says deny.

    Source: setgroups(2); user_namespaces(7).
    """
    listed = list(groups)
    request("setgroups", (len(listed), listed), lambda: os.setgroups(listed))


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

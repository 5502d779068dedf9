"""System calls that change what is mounted where: mount(2) and its younger relatives.

mount(2) does all in one call, by names. The others, since Linux 5.2, work on descriptors of mounts
that nobody sees yet: `open_tree` or `fsopen` makes one, `move_mount` attaches it.
"""

from __future__ import annotations

import os

from kernelbox.kernel import flags as k
from kernelbox.kernel import mount_words
from kernelbox.kernel.door import Structure, Symbol, request
from kernelbox.kernel.foreign import ctypes
from kernelbox.kernel.syscalls import by_name, checked, libc, raw

# asm-generic numbers, the same on all machines.
NR_OPEN_TREE = 428
NR_MOVE_MOUNT = 429
NR_FSOPEN = 430
NR_FSCONFIG = 431
NR_FSMOUNT = 432
NR_MOUNT_SETATTR = 442


def _bytes(path: str | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


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
    arguments = (_bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags))
    request(
        "mount",
        (source, target, kind, k.Names("MS_", flags), data),
        lambda: checked(libc.mount(*arguments, _bytes(data))),
        mount_words.Command(source, target, kind, flags, data),
    )


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
        lambda: by_name("pivot_root", os.fsencode(new_root), os.fsencode(put_old)),
        f"pivot_root {new_root} {put_old}",
    )


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


def mount_setattr(
    fd: int,
    *,
    attributes: int,
    cleared: int = 0,
    propagation: int = 0,
    userns_fd: int = 0,
    recursive: bool = True,
) -> None:
    """Set attributes on the mount `fd`, and on all mounts below it.

    Args:
        fd: From `open_tree` or `fsmount`; or any descriptor of the root of a mount.
        attributes: MOUNT_ATTR_* bits to set.
        cleared: MOUNT_ATTR_* bits to take away before.
        propagation: 0, or MS_PRIVATE and its kin.
        userns_fd: With MOUNT_ATTR_IDMAP, the user namespace whose id maps the mount shall apply.
        recursive: Whether the mounts below it change as well.

    Raises:
        KernelError: EINVAL if the file system cannot do it; EPERM without CAP_SYS_ADMIN.

    Source: mount_setattr(2).
    """
    structure = (ctypes.c_uint64 * 4)(attributes, cleared, propagation, userns_fd)
    bits = k.AT_EMPTY_PATH | (k.AT_RECURSIVE if recursive else 0)
    shown = Structure(
        attr_set=k.Names("MOUNT_ATTR_", attributes),
        attr_clr=k.Names("MOUNT_ATTR_", cleared),
        propagation=k.Names("MS_", propagation),
        userns_fd=userns_fd,
    )
    request(
        "mount_setattr",
        (fd, "", k.Names("AT_", bits), shown, 32),
        lambda: raw(
            NR_MOUNT_SETATTR,
            fd,
            b"",
            ctypes.c_uint(bits),
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

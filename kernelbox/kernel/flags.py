"""The kernel's constants under their own names, and the way back from a number to names.

Source: the uapi headers `linux/sched.h`, `linux/mount.h`, `linux/prctl.h`, `linux/openat2.h`.
"""

from __future__ import annotations

# clone(2), unshare(2), setns(2)
CLONE_NEWTIME = 0x00000080
CLONE_PIDFD = 0x00001000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_INTO_CGROUP = 0x200000000

# mount(2), umount2(2)
MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_NOATIME = 0x400
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_UNBINDABLE = 0x20000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MNT_FORCE = 0x1
MNT_DETACH = 0x2

# open_tree(2), move_mount(2), mount_setattr(2), fsopen(2), fsconfig(2), fsmount(2)
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
AT_SYMLINK_NOFOLLOW = 0x100
OPEN_TREE_CLONE = 0x1
OPEN_TREE_CLOEXEC = 0x80000
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_IDMAP = 0x100000
FSOPEN_CLOEXEC = 0x1
FSMOUNT_CLOEXEC = 0x1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6

# openat2(2)
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

# prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4


class Names:
    """Bits, shown by their names: `MS_REC|MS_PRIVATE`; `0` if there are none.

    The names are looked up when somebody reads them. Most requests are never shown.

    Args:
        prefix: Which family of constants: `CLONE_`, `MS_`, `MNT_`, `MOUNT_ATTR_`, ...
        value: The bits; those without a name are shown in hexadecimal.
    """

    __slots__ = ("prefix", "value")

    def __init__(self, prefix: str, value: int) -> None:
        self.prefix = prefix
        self.value = value

    def __str__(self) -> str:
        found = []
        rest = self.value
        for name, bit in globals().items():
            if name.startswith(self.prefix) and bit > 0 and rest & bit == bit:
                found.append(name)
                rest &= ~bit
        if rest:
            found.append(hex(rest))
        return "|".join(found) or "0"


class Name(Names):
    """One constant, shown by its name: `PR_SET_DUMPABLE`."""

    __slots__ = ()

    def __str__(self) -> str:
        for name, number in globals().items():
            if name.startswith(self.prefix) and number == self.value:
                return name
        return str(self.value)

"""The kernel's constants under their own names, and the way back from a number to names.

Source: the uapi headers `linux/sched.h`, `linux/mount.h`, `linux/prctl.h`, `linux/openat2.h`,
`linux/keyctl.h`, `linux/seccomp.h`, `linux/if.h`, `linux/rtnetlink.h`, `linux/if_link.h`,
`linux/if_addr.h`, `linux/net_namespace.h`.
"""

from __future__ import annotations

import os

from kernelbox.plumbing.light import cache

# clone(2), unshare(2), setns(2)
CLONE_NEWTIME = 0x00000080
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
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
MNT_DETACH = 0x2

# open_tree(2), move_mount(2), mount_setattr(2), fsopen(2), fsconfig(2), fsmount(2)
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 0x1
OPEN_TREE_CLOEXEC = 0x80000
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR__ATIME = 0x70
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_IDMAP = 0x100000
MOUNT_ATTR_NOSYMFOLLOW = 0x200000
FSOPEN_CLOEXEC = 0x1
FSMOUNT_CLOEXEC = 0x1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6

# open(2), whose bits are not the same on every machine
O_WRONLY, O_RDWR, O_CREAT, O_EXCL = os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_EXCL
O_NOCTTY, O_TRUNC, O_APPEND, O_NONBLOCK = os.O_NOCTTY, os.O_TRUNC, os.O_APPEND, os.O_NONBLOCK
O_DIRECTORY, O_NOFOLLOW, O_PATH = os.O_DIRECTORY, os.O_NOFOLLOW, os.O_PATH
O_CLOEXEC = os.O_CLOEXEC

# openat2(2)
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

# ioctl_tty(2)
TIOCSCTTY, TIOCGWINSZ, TIOCSWINSZ = 0x540E, 0x5413, 0x5414

# statfs(2)
PROC_SUPER_MAGIC = 0x9FA0
DEVPTS_SUPER_MAGIC = 0x1CD1
OVERLAYFS_MAGIC = 0x794C7630
SYSFS_MAGIC = 0x62656572
CGROUP_SUPER_MAGIC = 0x27E0EB
CGROUP2_SUPER_MAGIC = 0x63677270

# getrlimit(2): resources, on all machines but Alpha, MIPS and SPARC (asm-generic/resource.h)
RLIMITS = {
    f"RLIMIT_{name}": number
    for number, name in enumerate(
        "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE "
        "RTPRIO RTTIME".split()
    )
}

# inotify(7)
IN_MOVED_TO = 0x80
IN_ONLYDIR = 0x1000000

# prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4

# capabilities(7): those without which the kernel is asked for something else
CAP_SETGID = 6
CAP_SYS_PTRACE = 19
CAP_SYS_ADMIN = 21
CAP_SYS_RESOURCE = 24

# seccomp(2)
SECCOMP_FILTER_FLAG_TSYNC = 0x1
SECCOMP_FILTER_FLAG_LOG = 0x2
SECCOMP_FILTER_FLAG_SPEC_ALLOW = 0x4
SECCOMP_FILTER_FLAG_NEW_LISTENER = 0x8
SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 0x20

# keyctl(2)
KEYCTL_JOIN_SESSION_KEYRING = 1

# netdevice(7)
IFF_UP = 0x1
IFF_LOOPBACK = 0x8
IFF_LOWER_UP = 0x10000
ARPHRD_ETHER = 1

# rtnetlink(7): requests; attributes of links, addresses and routes, and values of some
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTM_NEWQDISC = 36
RTM_GETNSID = 90
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER = 1, 3, 4, 5, 10
IFLA_PROTINFO, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_NET_NS_FD = 12, 16, 18, 28
IFLA_EXT_MASK, IFLA_LINK_NETNSID = 29, 37
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2  # within IFLA_LINKINFO
VETH_INFO_PEER = 1  # within IFLA_INFO_DATA
IFLA_MACVLAN_MODE = IFLA_VLAN_ID = 1  # likewise, each of its kind
TCA_KIND, TCA_OPTIONS = 1, 2
TCA_TBF_PARMS, TCA_TBF_BURST = 1, 6  # within TCA_OPTIONS
TCA_NETEM_LATENCY64 = 10  # likewise
IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED = 4, 33  # within IFLA_PROTINFO
RTEXT_FILTER_SKIP_STATS = 0x8
IF_OPER_UP = 6
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST = 1, 2, 4
IFA_F_PERMANENT = 0x80
RT_SCOPE_UNIVERSE = 0
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_MULTIPATH = 1, 4, 5, 6, 7, 9
RT_TABLE_MAIN = 254
RTPROT_STATIC = 4
RTN_UNICAST = 1
NETNSA_NSID, NETNSA_PID, NETNSA_FD = 1, 2, 3


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
        for name, bit in _family(self.prefix).items():
            if bit > 0 and rest & bit == bit:
                found.append(name)
                rest &= ~bit
        if rest:
            found.append(hex(rest))
        return "|".join(found) or "0"


class Name(Names):
    """One constant, shown by its name: `PR_SET_DUMPABLE`."""

    __slots__ = ()

    def __str__(self) -> str:
        for name, number in _family(self.prefix).items():
            if number == self.value:
                return name
        return str(self.value)


@cache
def _family(prefix: str) -> dict[str, int]:
    return {name: number for name, number in globals().items() if name.startswith(prefix)}

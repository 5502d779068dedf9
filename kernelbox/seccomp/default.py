"""A profile for containers, without another: what it refuses, and to whom.

It allows every call that is known but for those below. Each group says what would be won with it.
Some come back with a capability, without which the kernel would refuse them anyway: two locks on a
door, because one of them may have a hole.

The list is Docker's, as its documentation explains it, on the calls of these machines.

Source: Docker, "Seccomp security profiles for Docker"; capabilities(7).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from kernelbox.seccomp.machines import Machine

# What nobody gets: the kernel's oldest corners, and its newest.
_NEVER = {
    "a way around what the kernel counts and logs": ("io_uring_setup", "io_uring_enter"),
    "more of io_uring": ("io_uring_register",),
    "pages that are handled by a program: it stops the kernel half-way": ("userfaultfd",),
    "keys belong to no namespace": ("add_key", "keyctl", "request_key"),
    "memory of the host's nodes": ("get_mempolicy", "mbind", "move_pages", "set_mempolicy"),
    "and more of it": ("migrate_pages", "set_mempolicy_home_node"),
    "another kernel": ("kexec_load", "kexec_file_load"),
    "swap is the host's": ("swapon", "swapoff"),
    "interfaces that were given up": ("_sysctl", "uselib", "ustat", "sysfs", "nfsservctl"),
    "likewise": ("create_module", "get_kernel_syms", "query_module", "vserver", "tuxcall"),
    "and": ("afs_syscall", "security", "getpmsg", "putpmsg", "epoll_ctl_old", "epoll_wait_old"),
}

# What whoever has a capability gets, and nobody else.
_WITH = {
    "CAP_DAC_READ_SEARCH": ("open_by_handle_at",),
    "CAP_SYS_ADMIN": (
        *("bpf", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick"),
        *("lookup_dcookie", "mount", "mount_setattr", "move_mount", "open_tree", "open_tree_attr"),
        *("perf_event_open", "pivot_root", "quotactl", "quotactl_fd", "setdomainname"),
        *("sethostname", "setns", "syslog", "umount2", "unshare", "listmount", "statmount"),
    ),
    "CAP_SYS_BOOT": ("reboot",),
    "CAP_SYS_CHROOT": ("chroot",),
    "CAP_SYS_MODULE": ("delete_module", "finit_module", "init_module"),
    "CAP_SYS_PACCT": ("acct",),
    "CAP_SYS_PTRACE": ("kcmp", "pidfd_getfd", "process_madvise"),
    "CAP_SYS_RAWIO": ("ioperm", "iopl"),
    "CAP_SYS_TIME": ("clock_settime", "settimeofday"),
    "CAP_SYS_TTY_CONFIG": ("vhangup",),
    "CAP_SYSLOG": ("syslog",),
    "CAP_BPF": ("bpf",),
    "CAP_PERFMON": ("perf_event_open",),
}

_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)  # as programs of today have it, or ask
_AF_VSOCK = 40  # leads to the hypervisor, past every network namespace
_ENOSYS = 38


def profile(machine: Machine, capabilities: Collection[str]) -> dict[str, Any]:
    """Return the profile for a container with these capabilities, in OCI's form.

    Args:
        machine: On which it is to run.
        capabilities: With `CAP_`.
    """
    guarded = {name for names in _WITH.values() for name in names}
    granted = {name for cap, names in _WITH.items() if cap in capabilities for name in names}
    refused = {name for names in _NEVER.values() for name in names} | (guarded - granted)
    conditional = {"personality", "socket"} | ({"clone"} - _if_admin(capabilities, "clone"))
    allowed = [one for one in machine.numbers if one not in refused | conditional]
    rules: list[dict[str, Any]] = [{"names": allowed, "action": "SCMP_ACT_ALLOW"}]
    rules += [_where("personality", 0, "EQ", value) for value in _PERSONALITIES]
    rules += [_where("socket", 0, "NE", _AF_VSOCK)]
    if "clone" in conditional:
        rules += [_where("clone", 0, "MASKED_EQ", _NEW_NAMESPACES)]
        # Its flags lie in memory, where no filter looks: a C library then uses clone(2).
        rules += [{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS}]
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": [machine.oci],
        "syscalls": rules,
    }


def _if_admin(capabilities: Collection[str], name: str) -> set[str]:
    return {name} if "CAP_SYS_ADMIN" in capabilities else set()


def _where(name: str, index: int, operator: str, value: int) -> dict[str, Any]:
    test = {"index": index, "op": f"SCMP_CMP_{operator}", "value": value, "valueTwo": 0}
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [test]}

"""Kinds of requests: what a request is about, with a letter and a colour for each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kernelbox.kernel.door import Event


class Family(NamedTuple):
    """A kind of requests: its letter, the number of its colour, and its name."""

    letter: str
    hue: int
    name: str


NAMESPACES = Family("N", 0, "namespaces")
MOUNTS = Family("M", 1, "mounts")
CGROUPS = Family("C", 2, "control groups")
NETWORK = Family("L", 6, "links and rules")
PRIVILEGES = Family("U", 3, "users and privileges")
FILES = Family("F", 5, "files")
PROCESSES = Family("P", 4, "processes")

FAMILIES = (NAMESPACES, MOUNTS, CGROUPS, NETWORK, PRIVILEGES, FILES, PROCESSES)

_BY_NAME = {
    **dict.fromkeys(("clone3", "unshare", "setns", "sethostname"), NAMESPACES),
    **dict.fromkeys(
        ("mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "mount_setattr",
         "fsopen", "fsconfig", "fsmount"), MOUNTS,
    ),
    **dict.fromkeys(
        ("setresuid", "setresgid", "setgroups", "capset", "prctl", "seccomp"), PRIVILEGES
    ),
    **dict.fromkeys(("nft", "ioctl", "IPCTNL_MSG_CT_DELETE"), NETWORK),
    **dict.fromkeys(
        ("execve", "kill", "pidfd_open", "pidfd_send_signal", "setsid", "wait4"), PROCESSES
    ),
}  # fmt: skip


def family(event: Event) -> Family:
    """Return what a request is about, from its name and the path it names."""
    name, _, rest = event.request.partition("(")
    path = rest.partition('"')[2].partition('"')[0]
    if path.startswith("/sys/fs/cgroup") and name not in _BY_NAME:
        return CGROUPS
    if name.startswith("RTM_") or path.startswith("/proc/sys/net"):
        return NETWORK
    if name == "write" and path.endswith(("/uid_map", "/gid_map", "/setgroups")):
        return PRIVILEGES
    return _BY_NAME.get(name, FILES)

"""The guard at a student's door: a held process may not change the host, whatever path it takes.

What a student asks such a process to do is meant for namespaces of its own. By mistake it may reach
the host: because the process is still in the host's namespace, or because its copy of the host's
mounts still tells the host's of every change. Both are refused here, with the cure, for each
request that comes through the door. A program that the process starts or becomes makes its own
requests, and no door of ours is in its way.
"""

from __future__ import annotations

import os
import re

from kernelbox import namespaces, sysctls
from kernelbox.kernel import flags as k
from kernelbox.kernel import lookup
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import storage
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# How mounts spread is each mount namespace's own affair.
_SPREAD = k.MS_PRIVATE | k.MS_SLAVE | k.MS_SHARED | k.MS_UNBINDABLE
_CUT = k.MS_PRIVATE | k.MS_SLAVE | k.MS_UNBINDABLE

# Files of /proc/PID that set something of that process, or of the user namespace it has made.
# Source: proc(5); user_namespaces(7); time_namespaces(7).
_OF_A_PROCESS = set(
    "uid_map gid_map projid_map setgroups timens_offsets oom_score_adj comm autogroup "
    "coredump_filter clear_refs loginuid".split()
)
_CGROUP = (k.CGROUP_SUPER_MAGIC, k.CGROUP2_SUPER_MAGIC)


class Mount(NamedTuple):
    """One mount: the number of its parent, its device, where it is, and its peer groups."""

    parent: str
    device: str
    point: str
    peers: frozenset[str]


class Guard:
    """Refuses what would change the host; see `kernelbox.kernel.door`.

    Made by the agent, for all that it holds: what the agent sees is the host's.
    """

    def __init__(self) -> None:
        self._host = namespaces.of("self")
        # The kinds that were the host's when there last was a /proc to tell.
        self._shared = set(self._host)
        # Whether no mount of the process's tells the host's any more, whatever /proc shows.
        self._cut = False
        # Read anew each time: the kernel gives the number of a peer group that is gone to another.
        self._mountinfo = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor that a held process must not close: what the host has mounted."""
        return self._mountinfo

    def check(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Refuse a request that would change the host.

        Raises:
            UsageError: The process is in the host's namespace, or its mounts are peers of the
                host's; the cure is in the hint.
        """
        check = _CHECKS.get(name.partition("_")[0] if name.startswith("RTM_") else name)
        if check is not None:
            check(self, name, arguments)

    def note(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Hear of what was granted: namespaces left and joined, mounts made private."""
        if name == "unshare":
            self._shared -= _kinds(arguments[0].value)
        elif name == "setns":
            self._shared |= _kinds(arguments[1].value) or set(self._host)
            self._cut = self._cut and "mnt" not in _kinds(arguments[1].value)
        elif name == "mount":
            flags = arguments[3].value
            everything = arguments[1] == "/" and flags & k.MS_REC
            self._cut = self._cut or bool(everything and flags & _CUT and not flags & k.MS_BIND)

    # --- what is asked of a request ---------------------------------------------------------------

    def _mount(self, name: str, arguments: tuple[Any, ...]) -> None:
        self._refuse_on_host("mnt", "mount")
        _, target, _, flags, _ = arguments
        if flags.value & k.MS_REMOUNT:
            if not flags.value & k.MS_BIND:
                self._refuse_shared_file_system(target)
        elif flags.value & k.MS_BIND or not flags.value & _SPREAD:  # in the kernel's order
            self._refuse_leak("mount", target)

    def _umount(self, name: str, arguments: tuple[Any, ...]) -> None:
        self._refuse_on_host("mnt", "umount")
        self._refuse_leak("umount", arguments[0], lazily=bool(arguments[1].value & k.MNT_DETACH))

    def _move_mount(self, name: str, arguments: tuple[Any, ...]) -> None:
        self._refuse_on_host("mnt", name)
        self._refuse_leak(name, f"/proc/self/fd/{arguments[2]}")

    def _in_mount_namespace(self, name: str, arguments: tuple[Any, ...]) -> None:
        self._refuse_on_host("mnt", name)

    def _in_uts_namespace(self, name: str, arguments: tuple[Any, ...]) -> None:
        self._refuse_on_host("uts", name)

    def _in_network(self, name: str, arguments: tuple[Any, ...]) -> None:
        self._refuse_on_host("net", name)
        carried = re.search(r"\bnet_ns_fd=(\d+)", str(arguments[0]))
        if carried and os.fstat(int(carried[1])).st_ino == self._host.get("net"):
            raise UsageError(
                f"{name} would change the host itself: a link would be carried into its network",
                "Carry it to a process that has a network namespace of its own",
            )

    def _ioctl(self, name: str, arguments: tuple[Any, ...]) -> None:
        if arguments[1].startswith("SIOCS"):
            self._refuse_on_host("net", name)

    def _file(self, name: str, arguments: tuple[Any, ...]) -> None:
        """By the file system, not by the name: any of them may be seen in another place."""
        path = os.path.realpath(arguments[0])
        try:
            system = lookup.file_system(path if name == "write" else os.path.dirname(path))
        except OSError:  # the kernel will say so
            return
        if system in _CGROUP and "/kernelbox/" not in path:
            raise UsageError(
                f"{name} would change the host itself: {path} is no control group of kernelbox's",
                "Use one below /kernelbox of its hierarchy",
            )
        if name != "write":  # nobody makes or removes what is in the other two
            return
        if system == k.SYSFS_MAGIC:
            self._refuse_setting(name, path, "net" if "/net/" in path else "")
        if system == k.PROC_SUPER_MAGIC and os.path.basename(path) not in _OF_A_PROCESS:
            self._refuse_setting(name, path, sysctls.owner(path) or "")

    # --- answers ----------------------------------------------------------------------------------

    def _refuse_setting(self, name: str, path: str, kind: str) -> None:
        if kind:
            self._refuse_on_host(kind, name)
        else:
            raise UsageError(
                f"{name} would change the host itself: {path} is a setting of the whole machine",
                "No namespace has one of its own",
            )

    def _refuse_on_host(self, kind: str, request: str) -> None:
        if self._is_on_host(kind):
            raise UsageError(
                f"{request} would change the host itself: this process still shares its {kind} "
                "namespace",
                f"unshare it first: unshare({namespaces.kind(kind).oci!r})",
            )

    def _is_on_host(self, kind: str) -> bool:
        try:
            return namespaces.identity("self", kind) == self._host.get(kind)
        except OSError:  # it has changed its root, and mounts the new /proc just now, for example
            return kind in self._shared

    def _refuse_leak(self, request: str, target: str, *, lazily: bool = False) -> None:
        """Refuse to mount or unmount where the host's mount namespace would follow.

        Source: mount_namespaces(7), "Shared subtrees": a new namespace is a copy, peers and all.
        """
        try:
            on, mounts = _mount_at(target)
        except OSError:  # the kernel will say so
            return
        if on is None:
            if not self._cut:
                raise _leaks(request, target)
            return
        changed = [on]
        if request == "umount":  # it is the mount beneath that tells the others
            gone = [on, *(_below(on.point, mounts) if lazily else [])]
            changed = [mounts[one.parent] for one in gone if one.parent in mounts]
        theirs = {peer for one in self._host_mounts() for peer in one.peers}
        if any(one.peers & theirs for one in changed):
            raise _leaks(request, target)

    def _refuse_shared_file_system(self, target: str) -> None:
        """Refuse to change a file system, and not only one of its mounts, that the host has, too.

        Source: mount(2), "Remounting an existing mount".
        """
        try:
            on, _ = _mount_at(target)
        except OSError:  # the kernel will say so
            return
        if on is None or on.device in {one.device for one in self._host_mounts()}:
            raise UsageError(
                f"mount would change the host itself: the file system at {target} is the host's",
                "Change this mount of it alone: remount,bind",
            )

    def _host_mounts(self) -> list[Mount]:
        return list(_mounts(self._host_mountinfo()).values())

    def _host_mountinfo(self) -> str:
        # By position: the file is open once for all held processes, and so is its offset.
        text = b""
        while part := os.pread(self._mountinfo, 1 << 16, len(text)):
            text += part
        return text.decode(errors="surrogateescape")


_CHECKS: dict[str, Callable[[Guard, str, tuple[Any, ...]], None]] = {
    "mount": Guard._mount,
    "umount2": Guard._umount,
    "move_mount": Guard._move_mount,
    "pivot_root": Guard._in_mount_namespace,
    "mount_setattr": Guard._in_mount_namespace,
    "sethostname": Guard._in_uts_namespace,
    "setdomainname": Guard._in_uts_namespace,
    "RTM": Guard._in_network,
    "nft": Guard._in_network,
    "IPCTNL_MSG_CT_DELETE": Guard._in_network,
    "ioctl": Guard._ioctl,
    "write": Guard._file,
    "mkdir": Guard._file,
    "rmdir": Guard._file,
}


def _kinds(flags: int) -> set[str]:
    return {one.proc for one in namespaces.KINDS if flags & one.flag}


def _mount_at(path: str) -> tuple[Mount | None, dict[str, Mount]]:
    """Return the mount that a file is on, and all mounts by their numbers.

    There is none to see without /proc, nor in one that shows only what is below a changed root.

    Raises:
        OSError: There is no such file.

    Source: proc_pid_fdinfo(5), mnt_id.
    """
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        number = storage.read(f"/proc/self/fdinfo/{fd}").partition("mnt_id:")[2].split()[0]
        mounts = _mounts(storage.read("/proc/self/mountinfo"))
    except OSError:
        return None, {}
    finally:
        os.close(fd)
    return mounts.get(number), mounts


def _mounts(mountinfo: str) -> dict[str, Mount]:
    """Return each mount by its number. Source: proc_pid_mountinfo(5)."""
    found = {}
    for line in mountinfo.splitlines():
        number, parent, device, _root, point, *rest = line.partition(" - ")[0].split(" ")
        peers = frozenset(word for word in rest[1:] if word.startswith("shared:"))
        found[number] = Mount(parent, device, point, peers)
    return found


def _below(point: str, mounts: dict[str, Mount]) -> list[Mount]:
    return [one for one in mounts.values() if one.point.startswith(point.rstrip("/") + "/")]


def _leaks(request: str, target: str) -> UsageError:
    return UsageError(
        f"{request} would change the host itself: what is mounted at {target} here is still a peer "
        "of what the host has there",
        "Make all mounts private first: mount(None, '/', None, 'rprivate')",
    )

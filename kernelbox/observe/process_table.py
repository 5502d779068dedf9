"""What /proc says of every process, from one pass over it, and little of that read twice.

Most processes sleep from one look to the next: what they said then still holds. Leaves which of
them matter, and to whom they belong, to processes.py.

No psutil: it knows no namespaces, control groups, capabilities or pids inside a namespace; and
what it does know takes it longer than all of this (37 ms against 31, for 500 processes).
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from kernelbox.namespaces import KINDS
from kernelbox.observe.procfs import Kept, read, read_list
from kernelbox.plumbing import paths

_STATUS = re.compile(
    rb"Name:\t(.*)\n(?s:.*?)\nPPid:\t(\d+)\n(?s:.*?)\nUid:\t\d+\t(\d+)(?s:.*?)\nNSpid:\t(.*)\n"
    rb"(?s:.*?)\nCapEff:\t([0-9a-f]+)\n"
)
# A container's id is the first component that looks like one: `--cgroup-parent` puts others before.
_GROUP = re.compile(
    rb":(/(?:.*/)?kernelbox/(?:(?:[^/\n]+/)*?([0-9a-f]{12})(?![^/\n])|([^/\n]+)).*?)(?:/inside)?$",
    re.MULTILINE,
)
_LONGEST = 4096  # bytes of a command line
_KINDS = tuple(one.proc for one in KINDS)
# The kernel's own threads are idle instead, and that is counted as well.
_ASLEEP = re.compile(rb"\nState:\t[SI](?s:.*)\nvoluntary_ctxt_switches:")


class Memory:
    """What a process said of itself, which holds for as long as it sleeps.

    If it slept when it was read, and the kernel has not let it run since, it still is what it was:
    a process that does not run neither moves to another namespace nor becomes another program. How
    often it ran is in its schedstat; where the kernel keeps none, in its status: to fall asleep
    again, it would have switched voluntarily.

    Only its parent may end meanwhile, which gives it another.

    Source: kernel, `Documentation/scheduler/sched-stats.rst`, "/proc/<pid>/schedstat";
    proc_pid_status(5), voluntary_ctxt_switches.
    """

    __slots__ = (
        *("_command", "_namespaces", "_pid", "_root"),
        *("cgroup", "fields", "is_asleep", "ran", "seen"),
    )

    def __init__(self, pid: str, ran: bytes, status: bytes, fields: tuple[bytes, ...]) -> None:
        self.ran = ran
        self.fields = fields
        self.is_asleep = _ASLEEP.search(status) is not None
        # Others may move it to another control group while it sleeps.
        self.cgroup: bytes | None = None
        self.seen: Seen | None = None
        self._pid = pid
        self._command: tuple[str, ...] | None = None
        self._namespaces: dict[str, int] | None = None
        self._root: str | None = None

    def command(self) -> tuple[str, ...]:
        """Return its command line; nothing of a zombie, or if it is gone."""
        if self._command is None:
            text = read(f"/proc/{self._pid}/cmdline", _LONGEST) or b""
            words = text.removesuffix(b"\0").decode(errors="replace").split("\0") if text else ()
            self._command = tuple(words)
        return self._command

    def namespaces(self) -> dict[str, int] | None:
        """Return the inodes of its namespaces by kind; None if it is gone."""
        if self._namespaces is None:
            self._namespaces = _namespaces(self._pid)
        return self._namespaces

    def root(self) -> str:
        """Return the root that it works on, if it is kernelbox. Source: proc_pid_environ(5)."""
        if self._root is None:
            words = os.fsdecode(read_list(f"/proc/{self._pid}/environ") or b"").split("\0")
            variables = {name: value for name, _, value in (one.partition("=") for one in words)}
            self._root = paths.root_of(variables, 0)  # whoever works on one does so as root
        return self._root


class _Files(NamedTuple):
    """What is read of a process each time."""

    ran: Kept
    status: Kept
    cgroup: Kept


_known: dict[str, Memory] = {}
_files: dict[str, _Files] = {}


class Seen(NamedTuple):
    """What the pass over /proc finds out about every process.

    Attributes:
        name: As the kernel keeps it.
        ppid: Of its parent.
        uid: Its effective user id.
        nspid: Its pid in each PID namespace from the observer's to its own.
        capabilities: Its effective set.
        cgroup: Its control group.
        group: Which group of kernelbox's that is, or is in; empty for none.
        memory: What it says when it is asked for more.
    """

    name: str
    ppid: int
    uid: int
    nspid: tuple[int, ...]
    capabilities: int
    cgroup: str
    group: str
    memory: Memory


def scan() -> dict[int, Seen]:
    """Return what there is to know at a glance of every process but the kernel's own threads.

    Source: proc(5); proc_pid_status(5); cgroups(7), "/proc files".
    """
    # The parent of the kernel's threads; inside a PID namespace, 2 is somebody else.
    kthreadd = b"2" if read("/proc/2/comm") == b"kthreadd\n" else b""
    there = set(filter(str.isdigit, os.listdir("/proc")))
    _forget(_files.keys() - there)
    ran = {pid: _ran(pid) for pid in there}
    awake = {pid for pid in there if not _slept(pid, ran[pid])}
    # One whose parent has run may have another now. The first process is always the same, and who
    # looks is the parent of all that it has started.
    parents = {pid.encode() for pid in awake - {"1", str(os.getpid())}}
    orphans = {pid for pid, one in _known.items() if one.fields[1] in parents}
    for pid in awake | orphans:
        _remember(pid, ran[pid])
    found = {}
    for pid, memory in _known.items():
        one = _glance(pid, memory, kthreadd)
        if one is not None:
            found[int(pid)] = one
    return found


def _forget(ended: set[str]) -> None:
    """Forget these processes, and what is known of their children."""
    for pid in ended:
        _known.pop(pid, None)
        for file in _files.pop(pid):
            file.close()
    parents = {pid.encode() for pid in ended}
    for pid in [pid for pid, one in _known.items() if one.fields[1] in parents]:
        del _known[pid]


def _ran(pid: str) -> bytes:
    """Return how often, and how long, a process has run; or whatever tells that it did."""
    files = _files.get(pid)
    if files is None:
        names = ("schedstat", "status", "cgroup")
        files = _files[pid] = _Files(*(Kept(f"/proc/{pid}/{name}") for name in names))
    return files.ran.read() or files.status.read() or b""


def _slept(pid: str, ran: bytes) -> bool:
    """Whether a process is known, slept then, and has not run since."""
    memory = _known.get(pid)
    return memory is not None and memory.is_asleep and memory.ran == ran


def _remember(pid: str, ran: bytes) -> None:
    """Read anew what is known of a process; nothing, if it is gone."""
    status = _files[pid].status.read() or b""
    fields = _STATUS.match(status)
    if fields is None:
        _known.pop(pid, None)
    else:
        _known[pid] = Memory(pid, ran, status, fields.groups())


def _glance(pid: str, memory: Memory, kthreadd: bytes) -> Seen | None:
    """Return what matters about a process; None for one of the kernel's, or if it is gone."""
    cgroup = None if memory.fields[1] == kthreadd else _files[pid].cgroup.read()
    if cgroup is None:
        return None
    if memory.cgroup != cgroup or memory.seen is None:
        memory.cgroup = cgroup
        memory.seen = _spell(memory, cgroup)
    return memory.seen


def _spell(memory: Memory, cgroup: bytes) -> Seen:
    name, ppid, uid, nspid, capabilities = memory.fields
    ours = _GROUP.search(cgroup) if b"/kernelbox/" in cgroup else None
    return Seen(
        name=_plain(name),
        ppid=int(ppid),
        uid=int(uid),
        nspid=tuple(map(int, nspid.split())),
        capabilities=int(capabilities, 16),
        cgroup=ours[1].decode(errors="replace") if ours else _unified(cgroup),
        group=(ours[2] or ours[3]).decode(errors="replace") if ours else "",
        memory=memory,
    )


def _plain(name: bytes) -> str:
    """Undo what the kernel does to backslashes and line feeds in a name."""
    if b"\\" in name:
        name = name.replace(rb"\\", b"\0").replace(rb"\n", b"\n").replace(b"\0", b"\\")
    return name.decode(errors="replace")


def _unified(cgroup: bytes) -> str:
    """Return the path in cgroup v2, whose line is always there and comes last."""
    return cgroup.rpartition(b":")[2].strip().decode(errors="replace")


def _namespaces(pid: str) -> dict[str, int] | None:
    """Return the inodes of a process's namespaces; None if it is gone.

    A zombie has left most of them, a kernel may lack a kind, and a process may have privileges that
    this one lacks: those namespaces are not in the dict.
    """
    try:
        directory = os.open(f"/proc/{pid}/ns", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError:
        return {}
    found = {}
    try:
        for kind in _KINDS:
            try:
                # `mnt:[4026531841]`: reading the link is twice as fast as following it.
                link = os.readlink(kind, dir_fd=directory)
                found[kind] = int(link[len(kind) + 2 : -1])
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
    finally:
        os.close(directory)
    return found

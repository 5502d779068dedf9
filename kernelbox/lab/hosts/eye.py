"""The eye: a process of the lab's that stays outside, and reads what the kernel says.

It is root whoever runs the notebook, and in the host's own namespaces: what a service believes of
itself does not reach it. It looks at a service's files through /proc/PID/root, which is that
process's own view of the mounts. It changes nothing.

Source: proc_pid_root(5); proc_pid_ns(5); proc_pid_mountinfo(5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kernelbox.lab import reading

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab

_READ_ONLY = 1  # ST_RDONLY of statvfs(3)
_NO_SET_ID = 2  # ST_NOSUID

# What it is asked to evaluate: each returns None where there is nothing to be seen.
_TOOLS = """
import os, stat

def seen(function, *arguments):
    try:
        return function(*arguments)
    except (OSError, ValueError, IndexError):
        return None

def content(path):
    def read():
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 'rb') as file:
            return file.read(1 << 20)
    return seen(read)

def facts(path):
    def read():
        there = os.lstat(path)
        return there.st_mode, there.st_uid, there.st_gid, there.st_dev, there.st_ino, there.st_rdev
    return seen(read)

def tree(top):
    found = {}
    for where, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(where, name)
            mode, uid, gid, _, _, device = facts(path) or (0,) * 6
            said = content(path) if stat.S_ISREG(mode) else device
            found[os.path.relpath(path, top)] = stat.S_IFMT(mode), said, (mode, uid, gid)
    return found

def processes(namespace):
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
        if seen(os.readlink, f'/proc/{pid}/ns/pid') == namespace:
            lines = (content(f'/proc/{pid}/status') or b'').decode(errors='replace').splitlines()
            status = dict(line.split(':\\t', 1) for line in lines if ':\\t' in line)
            if {'NSpid', 'State'} <= status.keys():  # or it has ended meanwhile
                found.append((pid, int(status['NSpid'].split()[-1]), status['State'][0]))
    return found

def keepers(namespace):
    kind, _, inode = namespace.strip(']').partition(':[')
    file = os.stat('/proc/self/ns/net').st_dev, int(inode)
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
        links = [f'/proc/{pid}/ns/{kind}']
        links += [f'/proc/{pid}/fd/{one}' for one in seen(os.listdir, f'/proc/{pid}/fd') or ()]
        there = [seen(os.stat, one) for one in links]
        if file in [(one.st_dev, one.st_ino) for one in there if one]:
            found.append(pid)
    return found

def doors(pid):
    links = [f'/proc/{pid}/cwd', f'/proc/{pid}/root']
    links += [f'/proc/{pid}/fd/{one}' for one in seen(os.listdir, f'/proc/{pid}/fd') or ()]
    there = [seen(os.stat, one) for one in links]
    return {one.st_dev for one in there if one and stat.S_ISDIR(one.st_mode)}
"""


class Facts(NamedTuple):
    """What lstat(2) says of a file: mode, owner, group, file system, inode, and device number."""

    mode: int
    uid: int
    gid: int
    system: int
    inode: int
    device: int


class Task(NamedTuple):
    """A process: its id as the host counts, its id in its own namespace, its state's letter."""

    pid: int
    inner: int
    state: str


class Mount(NamedTuple):
    """A mount: device, root in its file system, where it is, peer groups, type."""

    device: str
    root: str
    point: str
    peers: frozenset[str]
    kind: str


class Eye:
    """See above; a method for each thing that can be seen.

    Attributes:
        process: The process that does the looking.
    """

    def __init__(self, box: Lab) -> None:
        self.process = box.hold()
        self.process.python(_TOOLS)

    def content(self, path: str) -> bytes | None:
        """Return what is in a file, a megabyte at most; None if it cannot be read."""
        found: bytes | None = self._ask("content", path)
        return found

    def facts(self, path: str) -> Facts | None:
        """Return what is known of a file, of a link itself; None if it is not there."""
        found = self._ask("facts", path)
        return found and Facts(*found)

    def tree(self, top: str) -> dict[str, tuple[int, bytes | int]]:
        """Return all below a directory by its path: its type, and its content or device number."""
        return {path: (kind, said) for path, (kind, said, _) in self._ask("tree", top).items()}

    def owners(self, top: str) -> dict[str, tuple[int, int, int]]:
        """Return of all below a directory, by its path, mode, owner and group."""
        return {path: whose for path, (_, _, whose) in self._ask("tree", top).items()}

    def names(self, directory: str) -> list[str] | None:
        """Return the names in a directory, in order; None if there is none."""
        found: list[str] | None = self._evaluate(f"seen(os.listdir, {directory!r})")
        return found if found is None else sorted(found)

    def namespace(self, pid: int | str, kind: str, proc: str = "/proc") -> str | None:
        """Return the identity of a namespace: `uts:[4026531838]`; None if there is none."""
        found: str | None = self._evaluate(f"seen(os.readlink, {f'{proc}/{pid}/ns/{kind}'!r})")
        return found

    def attribute(self, path: str, name: str) -> bytes | None:
        """Return an extended attribute of a file; None if it has none. Source: xattr(7)."""
        found: bytes | None = self._evaluate(f"seen(os.getxattr, {path!r}, {name!r})")
        return found

    def is_read_only(self, path: str) -> bool | None:
        """Say whether the mount that a path is on takes no writes; None if there is no such path.

        Source: statvfs(3), ST_RDONLY: of the mount or of its file system.
        """
        return self._mount_flag(path, _READ_ONLY)

    def is_without_set_id(self, path: str) -> bool | None:
        """Say the same of ST_NOSUID: set-user-ID bits mean nothing there."""
        return self._mount_flag(path, _NO_SET_ID)

    def _mount_flag(self, path: str, flag: int) -> bool | None:
        there: int | None = self._evaluate(f"getattr(seen(os.statvfs, {path!r}), 'f_flag', None)")
        return None if there is None else bool(there & flag)

    def mounts(self, pid: int) -> list[Mount]:
        """Return what is mounted, as a process sees it; nothing if it has ended."""
        text = (self.content(f"/proc/{pid}/mountinfo") or b"").decode(errors="replace")
        return [_mount(line) for line in text.splitlines()]

    def started(self, pid: int) -> str | None:
        """Return when a process started, in clock ticks since boot; None once it has ended.

        A number that was given again belongs to a process with another time. A zombie has ended,
        and so has whoever is about to become one.
        """
        fields = self._stat(pid)
        return fields[19] if fields and self.state(pid) not in ("", "Z", "X") else None

    def state(self, pid: int) -> str:
        """Return the letter of a process's state: `S`, `T`, `Z` ...; empty if there is none.

        One that was killed, and is not a zombie yet, is `X`.

        Source: proc_pid_stat(5), state and flags; proc_pid_status(5), ShdPnd.
        """
        status = (self.content(f"/proc/{pid}/status") or b"").decode(errors="replace")
        fields = self._stat(pid)
        if not fields:
            return ""
        return "X" if fields[0] != "Z" and reading.is_ending(fields, status) else fields[0]

    def _stat(self, pid: int) -> list[str]:
        """Return the fields of /proc/PID/stat from the third on; none if there is no process."""
        text = (self.content(f"/proc/{pid}/stat") or b"").decode(errors="replace")
        return text.rpartition(")")[2].split()

    def processes(self, namespace: str | None) -> list[Task]:
        """Return the processes in a PID namespace, zombies too; `namespace` as in /proc/PID/ns."""
        found = self._ask("processes", namespace)
        return [Task(*one) for one in found]

    def keepers(self, namespace: str) -> list[int]:
        """Return the processes that keep a namespace alive: that are in it, or have it open.

        Source: namespaces(7), "Namespace lifetime".
        """
        found: list[int] = self._ask("keepers", namespace)
        return found

    def doors(self, pid: int) -> set[int]:
        """Return the file systems a process has a directory of: root, working, or open."""
        found: set[int] = self._ask("doors", pid)
        return found

    def _ask(self, tool: str, argument: object) -> Any:
        return self._evaluate(f"{tool}({argument!r})")

    def _evaluate(self, expression: str) -> Any:
        return self.process.evaluate(expression)


def _mount(line: str) -> Mount:
    """Return what a line of mountinfo says. Source: proc_pid_mountinfo(5)."""
    front, _, back = line.partition(" - ")
    _, _, device, root, point, _, *rest = front.split(" ")
    peers = frozenset(one for one in rest if one.startswith(("shared:", "master:")))
    return Mount(device, root, point, peers, back.split(" ")[0])

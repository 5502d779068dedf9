"""What the checks of chapter 04 see: root directories, and whether somebody gets out of them."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from kernelbox.lab.exercises import outside

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab


def said(process: Held, source: str) -> list[str]:
    """Run Python in a held process; return the words it prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        process.python(source)
    return printed.getvalue().split()


def stat_of(eye: Held, pid: int, link: str) -> list[str]:
    """Return inode and device of what a link of /proc/PID leads to. Source: proc_pid_root(5)."""
    return said(eye, f"print(*os.stat('/proc/{pid}/{link}')[1:3])")


def all_mounts(box: Lab, process: Held) -> list[list[str]]:
    """Return the whole mountinfo of a process's mount namespace.

    Its own file shows no more than what lies below its root. A witness that enters the namespace
    gets the root of the namespace. Source: proc_pid_mountinfo(5); setns(2).
    """
    witness = box.hold()
    try:
        witness.setns(process, "mount")
        return outside.mounts(witness.pid)
    finally:
        witness.end()


def _hosts_root(box: Lab) -> list[str]:
    """Return device and directory of the file system that is the host's root."""
    return [line[2:4] for line in outside.mounts(box.agent) if line[4] == "/"][-1]


def has_old_root(box: Lab, process: Held) -> bool:
    """Say whether the host's root is among the mounts of a process's namespace."""
    return any(line[2:4] == _hosts_root(box) for line in all_mounts(box, process))


def of_the_host(box: Lab, mounts: list[list[str]]) -> str:
    """Return where the first of these mounts is that shows a file system of the host's, or "".

    However it came there: bound, moved, or mounted once more, its device is the same.
    """
    devices = {line[2] for line in outside.mounts(box.agent)}
    return next((line[4] for line in mounts if line[2] in devices), "")


_PLACES = """
import stat

def places(pid):
    found = {}
    for link in ("root", "cwd", *(f"fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd"))):
        fd = os.open(f"/proc/{pid}/{link}", os.O_PATH)
        try:
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                with open(f"/proc/self/fdinfo/{fd}") as file:
                    lines = dict(line.split(":") for line in file)
                found[link] = lines["mnt_id"].strip()
        finally:
            os.close(fd)
    return found
"""


def places(eye: Held, pid: int) -> dict[str, str]:
    """Return the mount ids of the directories that a process can reach by itself.

    Returns:
        The first field of the mount's line in mountinfo, by the link of /proc/PID: `root`, `cwd`,
        or `fd/N`.

    Source: proc_pid_fdinfo(5), mnt_id.
    """
    eye.python(_PLACES)
    found: dict[str, str] = eye.evaluate(f"places({pid})")
    return found


# Each way is tried by a child, which has what its parent has open, and says whether it got out.
_WAYS_OUT = """
def ways_out(goal, opened):
    NEWNS, NEWUSER = 0x20000, 0x10000000

    def climbed():
        os.chdir("../" * 1000)
        return list(os.stat(".")[1:3]) == goal

    def leads_out(request, *arguments):
        try:
            request(*arguments)
            return climbed()
        except OSError:
            return False

    def some_directory():
        return next(f"/{name}" for name in os.listdir("/") if os.path.isdir(f"/{name}"))

    def by_dots():
        return climbed()

    def by_chroot():
        os.chdir("/")
        return leads_out(os.chroot, some_directory())

    def enter(fd):
        if syscalls.libc.setns(fd, NEWNS) < 0:
            raise OSError

    def by_descriptor():
        return any(leads_out(os.fchdir, fd) or leads_out(enter, fd) for fd in opened)

    def by_namespace():
        above = os.open("/", os.O_RDONLY)
        if syscalls.libc.unshare(NEWNS) < 0:
            syscalls.libc.unshare(NEWUSER | NEWNS)
        return leads_out(os.fchdir, above) or leads_out(os.chroot, some_directory())

    def by_proc():
        place, mount = "/proc", syscalls.libc.mount
        if syscalls.libc.unshare(NEWNS) == 0:
            mount(None, b"/", None, flags.MS_REC | flags.MS_PRIVATE, None)
            if mount(b"proc", some_directory().encode(), b"proc", 0, None) == 0:
                place = some_directory()
        pids = filter(str.isdigit, os.listdir(place) if os.path.isdir(place) else [])
        links = [f"{place}/{pid}/{link}" for pid in pids for link in ("root", "cwd")]
        return any(leads_out(os.chdir, link) for link in links)

    def says(way):
        pid = os.fork()
        if pid == 0:
            out = False
            try:
                out = way()
            finally:
                os._exit(out)
        return os.waitpid(pid, 0)[1] == 256

    ways = (by_dots, by_chroot, by_descriptor, by_namespace, by_proc)
    return [way.__name__ for way in ways if says(way)]
"""

_WAYS = {
    "by_dots": "`chdir` with nothing but `..`",
    "by_chroot": "a second `chroot`",
    "by_descriptor": "a descriptor that it has open",
    "by_namespace": "a descriptor of its `/`, from before it unshared its mount namespace",
    "by_proc": "`/proc/PID/root` of another process, in a /proc that it has or mounts",
}


def way_out(box: Lab, process: Held) -> str:
    """Let children of a jailed process try to reach the host's root directory.

    They are children that inherit what is open, as those of `Held.fork` do not. A way that makes
    a mount does so in a mount namespace of the child's own.

    Returns:
        The first way by which one got there, in words; empty if none did.
    """
    eye = box.hold()
    try:
        goal = [int(number) for number in stat_of(eye, eye.pid, "root")]
        opened = [int(fd) for fd in said(eye, f"print(*os.listdir('/proc/{process.pid}/fd'))")]
    finally:
        eye.end()
    process.python(_WAYS_OUT)
    found: list[str] = process.evaluate(f"ways_out({goal}, {opened})")
    return _WAYS[found[0]] if found else ""

"""What the checks of chapter 09 make and look at: groups with a limit, and what they hold."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises.verdict import Verdict, failed
from kernelbox.lab.groups import Group
from kernelbox.lab.measuring import memory_groups, memory_max
from kernelbox.plumbing import paths

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.working import Load

MIB = 1 << 20
PATIENCE = 8.0  # seconds that a load may take for what it does in a moment on an idle machine


def limited(box: Lab, name: str, size: int) -> Group:
    """Make a control group that has so many bytes of memory, and no swap beside them."""
    group = box.cgroup(name)
    group.write("memory.max", size)
    with suppress(LabError):  # a host that does not count swap
        group.write("memory.swap.max", 0)
    return group


def not_a_group(thing: object, name: str) -> Verdict | None:
    """Return the verdict on what is no control group of the lab's that is there and runs."""
    if not isinstance(thing, Group):
        return failed(f"{name} is {thing!r:.80}", "what box.cgroup() returned")
    if not thing.found.exists():
        return failed(f"the control group {name} has been removed", "one that is there")
    if thing.events["frozen"]:
        return failed(f"{name} is frozen: nobody runs in there", "a group that runs")
    return None


def lies_in(pid: int, group: Group) -> bool:
    """Say whether a process is in a group, or in one below it."""
    return Path(group.directory("memory")) in memory_groups(pid)


def limit(pid: int) -> int | None:
    """Return the lowest `memory.max` of a process's groups, bytes; None if none has any."""
    found = [text for text in map(memory_max, memory_groups(pid)) if text != "max"]
    return min(map(int, found), default=None)


def kills(group: Group) -> int:
    """Return how many processes the OOM killer has ended in a group and below it."""
    return group.found.counter("memory.events", "oom_kill")


def reclaimable(group: Group) -> int:
    """Return the bytes of page cache that the kernel can take back: all but what is in a tmpfs."""
    stat = group.numbers("memory.stat")
    return stat["file"] - stat["shmem"]


def room(group: Group) -> int:
    """Return how many bytes more fit into a group, when its page cache has gone."""
    free = int(group.read("memory.max")) - int(group.read("memory.current"))
    return free + reclaimable(group)


def eaten(load: Load, size: int) -> bool:
    """Wait until a load has all its bytes, or has ended; say whether it has them."""
    reading.until(lambda: load.count >= size or not load.running, PATIENCE)
    return load.count >= size and load.running


def read_film(process: Held, size: int) -> None:
    """Let a process read a file of so many bytes: page cache of its group, and clean.

    The file has no name, and no blocks on the disk: it is gone with the process.
    """
    process.python(
        f"film = os.open({paths.root()!r}, os.O_TMPFILE | os.O_RDWR)\n"
        f"os.ftruncate(film, {size})\nwhile os.read(film, {MIB}): pass"
    )


def tmpfs(process: Held, target: str) -> None:
    """Mount a tmpfs in a process, in a mount namespace of its own."""
    process.unshare("mount")
    process.mount(None, "/", None, "rprivate")
    process.mount("check", target, "tmpfs")


def fill(process: Held, path: str, size: int) -> None:
    """Let a process write so many bytes, whole MiB, to a file that it makes."""
    process.python(
        f"file = os.open({path!r}, os.O_CREAT | os.O_WRONLY, 0o600)\n"
        f"for _ in range({-(-size // MIB)}): os.write(file, bytes({MIB}))"
    )


def told(size: float) -> str:
    """Return bytes as a verdict says them."""
    return f"{round(size / MIB)} MiB"

"""An exercise of chapter 10 about where a path is: the disk below."""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.working import Disk

MIB = 1 << 20

_WORDS = "barrel cellar drawer granary larder pantry shelf trunk".split()


@exercise(
    "disk-below",
    title="The disk below",
    points=3,
    seconds=40.0,
    hints=(
        "The check mounts two disks, a partition, a directory once more, overlays and memory, in a "
        "process's own mount namespace. Then it asks your function about files in each.",
        "Which line of `mountinfo(pid)` is the one for this path? What do its third field, and "
        "what stands behind the dash, say?",
        "What is written to an overlay goes to its upper directory, which has a path of its own. "
        "And what does /sys/dev/block have beside a partition, but not beside a disk?",
    ),
)
def disk_below(box: Lab, disk_of: object) -> Verdict:
    """Ask about files on all sorts of mounts; which disk each is on, the check has made itself."""
    with ExitStack() as ending:
        one, two = box.disk(4 * MIB), box.disk(8 * MIB)
        ending.callback(one.remove)
        ending.callback(two.remove)
        keeper = box.hold()
        ending.callback(keeper.end)
        top, asked = _furnished(keeper, one, two)
        random.shuffle(asked)
        for number, (what, path, wanted) in enumerate(asked):
            tried = attempt(disk_of, keeper.pid, f"{top}/{path}")
            if tried.failure:
                return failed(f"of a file on {what}: {tried.failure}")
            if tried.value != wanted:
                return failed(
                    f"of a file on {what}, your function says {tried.value!r:.80}",
                    f"{wanted!r}" if not number else "the numbers of the whole disk, or None",
                )
    return passed(f"{len(asked)} files: on a disk, a partition, overlays, memory, a second mount")


def _furnished(keeper: Held, one: Disk, two: Disk) -> tuple[str, list[tuple[str, str, str | None]]]:
    """Mount it all; return where, and of each file what it is on, its path, and its disk."""
    whole, part, again, over, above, memory = random.sample(_WORDS, 6)
    file = random.choice(_WORDS)
    two.partition(1, MIB, 6 * MIB)
    mounted = reading.mount_points(keeper.pid)
    top = next(one for one in ("/mnt", "/media", "/srv", "/opt", "/home") if one not in mounted)
    keeper.unshare("mount")
    keeper.mount(None, "/", None, "rprivate")
    keeper.mount("top", top, "tmpfs", "size=1m")
    for name in (whole, f"{whole}-old", part, again, over, above, memory):
        keeper.mkdir(f"{top}/{name}")
    keeper.shell(f"mke2fs -q {one.path} && mke2fs -q {two.path}p1")
    keeper.mount(one.path, f"{top}/{whole}", "ext2")
    keeper.mount(f"{two.path}p1", f"{top}/{part}", "ext2")
    keeper.mount("memory", f"{top}/{memory}", "tmpfs", "size=1m")
    for name in (part, memory):
        for inner in ("upper", "work"):
            keeper.mkdir(f"{top}/{name}/{inner}")
    keeper.mkdir(f"{top}/{whole}/inner")
    keeper.mount(f"{top}/{whole}/inner", f"{top}/{again}", None, "bind")
    for place, upper in ((over, part), (above, memory)):
        # The lower directory is on another disk than what is written.
        layers = f"lowerdir={top}/{whole}/inner,upperdir={top}/{upper}/upper"
        keeper.mount("layers", f"{top}/{place}", "overlay", f"{layers},workdir={top}/{upper}/work")
    return top, [
        ("a disk", f"{whole}/{file}", one.number),
        ("a partition", f"{part}/{file}", two.number),
        ("a directory that is mounted once more", f"{again}/{file}", one.number),
        ("an overlay", f"{over}/{file}", two.number),
        ("an overlay whose upper directory is in memory", f"{above}/{file}", None),
        ("a file system in memory", f"{memory}/{file}", None),
        ("what is beside a mount, in memory", f"{whole}-old/{file}", None),
    ]

"""Exercises of chapter 10 about what has reached a disk: an honest number, really written."""

from __future__ import annotations

import random
import re
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.measuring import io_counters

if TYPE_CHECKING:
    from kernelbox.lab.groups import Group
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.working import Disk, Load

MIB = 1 << 20

_WORDS = "barrel cellar drawer granary larder pantry shelf trunk".split()
_DOING = (
    "writes past the cache",
    "writes to the cache",
    "reads past the cache",
    "writes to another disk",
)
_SAVED = 0.3  # seconds: what the kernel lets through at once, since nobody has written before
_LONG = 0.3  # seconds that a function is to look
_TRIES = 3
_PATIENCE = 8.0  # seconds


@exercise(
    "honest-number",
    title="An honest number",
    seconds=60.0,
    hints=(
        "The check runs your command below a limit of the disk that it draws. It observes the size "
        "of the file, what `io.stat` has counted by then, and the speed that `dd` prints.",
        "When does a write end, as `dd` sees it? Where are the bytes in that moment?",
        "Before `dd` looks at the clock for the last time, somebody has to wait for the disk. "
        "`dd --help` has more than one word for that; one that looks like it means something else.",
    ),
)
def honest_number(box: Lab, honest: object) -> Verdict:
    """Run the command in a group with a limit; compare what it prints with what was counted."""
    limit = random.randint(18, 22) * (MIB // 10)
    # No one number of seconds is near what both take.
    sizes = [random.randint(20, 26) << 16, random.randint(44, 52) << 16]
    with ExitStack() as ending:
        disk = box.disk(8 * MIB)
        ending.callback(disk.remove)
        group = box.cgroup("check-honest")
        ending.callback(group.remove)
        writer = box.hold()
        writer.unshare("mount")
        writer.mount(None, "/", None, "rprivate")
        writer.shell(f"mke2fs -q {disk.path}")
        writer.mount(disk.path, "/mnt", "ext2")
        group.write("io.max", f"{disk.number} wbps={limit}")
        group.add(writer)
        for name, size in zip(random.sample(_WORDS, 2), random.sample(sizes, 2), strict=True):
            verdict = _dishonest(honest, writer, group, disk, f"/mnt/{name}", size, limit)
            if verdict is not None:
                return verdict
    return passed("dd says no more than the disk takes, and all bytes have reached it by then")


def _dishonest(
    function: object,
    writer: Held,
    group: Group,
    disk: Disk,
    path: str,
    size: int,
    limit: int,
) -> Verdict | None:
    """Return the verdict on a command of a function's; None if what it prints is true.

    Args:
        function: The student's.
        writer: Who runs the command.
        group: What the writer is in.
        disk: That the file is to be on.
        path: Of the file.
        size: Of the file, bytes.
        limit: Of the disk for the group, bytes a second.
    """
    tried = attempt(function, path, size)
    if tried.failure:
        return failed(tried.failure)
    words = tried.value
    if not isinstance(words, list) or not words or not all(isinstance(one, str) for one in words):
        return failed(f"your function says {words!r:.80}", "a list of words: dd, and so on")
    if not any(f"of={path}" in one for one in words):
        return failed(f"nothing in {' '.join(words):.80} writes to its path", "of= and the path")
    before = io_counters(group, disk.number)["wbytes"]
    printed, took, there = _ran(writer, words, path)
    reached = io_counters(group, disk.number)["wbytes"] - before
    if there != size:
        return failed(f"the file has {there} bytes then", f"{size} bytes")
    lines = re.findall(r"^(\d+) bytes.*? copied, ([\d.e-]+) s", printed, re.MULTILINE)
    if not lines:
        return failed(f"what it prints is no number of dd's: {printed.strip()[-80:]}")
    least = min(float(seconds) for _, seconds in lines)
    if reached < size or least < size / limit - _SAVED:
        return failed(
            f"dd says that it took {least:.2f} s; of {size} bytes, {min(reached, size)} have "
            "reached the disk when it ends",
            f"the time that the disk takes: {size / limit:.1f} s",
        )
    if any(float(seconds) > took for _, seconds in lines):
        return failed("it says more seconds than have passed", "what dd has measured")
    return None


_RUN = """
def run(words, seconds):
    import subprocess, time
    began = time.monotonic()
    try:
        done = subprocess.run(words, capture_output=True, timeout=seconds,
                              env={**os.environ, "LC_ALL": "C"})
        said = done.stdout + done.stderr
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        said = str(error).encode()
    return said.decode(errors="replace")[-999:], time.monotonic() - began
"""


def _ran(writer: Held, words: list[str], path: str) -> tuple[str, float, int]:
    """Run a command where a process is; return what it printed, its seconds, and a file's size."""
    writer.python(_RUN)
    printed, took = writer.evaluate(f"run({words!r}, {_PATIENCE})")
    there = writer.evaluate(f"os.stat({path!r}).st_size if os.path.exists({path!r}) else 0")
    return str(printed), float(took), int(there)


@exercise(
    "really-written",
    title="Really written",
    points=3,
    seconds=60.0,
    hints=(
        "The check lets your function look at four groups, one after the other, and reads their "
        "`io.stat` before and after.",
        "`io.stat` has a line for each disk, and a counter has counted since its group was made. "
        "Which line, which word of it, and since when?",
        "Two readings, and the seconds between them. What if the disk has no line yet, or the line "
        "has not that word?",
    ),
)
def really_written(box: Lab, written: object) -> Verdict:
    """Compare with the group's counters, read outside around each call."""
    with ExitStack() as ending:
        rate = random.randint(2, 4) * MIB
        block = random.choice((16, 32, 64)) << 10
        agreed = 0
        for what in random.sample(_DOING, len(_DOING)):
            group = box.cgroup("check-written")
            ending.callback(group.remove)
            # New ones for each: who reads past the cache, writes what is dirty in there first.
            disk, other = box.disk(MIB), box.disk(MIB)
            ending.callback(disk.remove)
            ending.callback(other.remove)
            for one in (disk, other):  # nothing is limited, and v1 begins to count: io_counters
                group.write("io.max", f"{one.number} wbps=max")
            begin = box.read if what.startswith("reads") else box.write
            place = other.path if what.endswith("another disk") else disk.path
            direct = not what.endswith("to the cache")
            load = begin(place, MIB, rate, block=block, direct=direct, group=group)
            # More than in the time of a look: or who tells of all until now could say the same.
            reading.until(partial(_has_done, load, 5 * rate // 4), _PATIENCE)
            verdict = None
            for _ in range(_TRIES):
                verdict = _compared(written, group, disk.number, what, rate, first=agreed == 0)
                if verdict is None:
                    break
            load.end()
            if verdict is not None:
                return verdict
            agreed += 1
    return passed(f"{agreed} groups: direct writes, cached ones, reads, and another disk")


def _has_done(load: Load, count: int) -> bool:
    return load.count >= count


def _compared(
    function: object, group: Group, disk: str, what: str, rate: int, *, first: bool
) -> Verdict | None:
    """Return the verdict on what a function says of a group; None if the counters say the same.

    Args:
        function: The student's.
        group: Who writes.
        disk: Numbers of the disk that is asked about.
        what: What the group does.
        rate: Bytes a second that it moves at most.
        first: Whether no other group has been asked about.
    """
    before = io_counters(group, disk)["wbytes"]
    tried = attempt(function, group.directory("io"), disk, _LONG, seconds=_LONG + 4, lasting=_LONG)
    really = io_counters(group, disk)["wbytes"] - before
    who = f"of a group that {what}"
    if tried.failure:
        return failed(f"{who}: {tried.failure}")
    if isinstance(tried.value, bool) or not isinstance(tried.value, int | float):
        return failed(f"{who}, your function says {tried.value!r:.80}", "a number")
    # It looks a little later than the check, and shorter: on a busy machine, much shorter.
    least, most = min(really / 2, 0.6 * rate * _LONG), min(really, 1.6 * rate * _LONG)
    if least <= tried.value <= most:
        return None
    return failed(
        f"{who}, your function says {tried.value:.0f} bytes",
        f"about {really} bytes" if first else "what the counters of this disk say",
    )

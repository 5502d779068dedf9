"""An exercise of chapter 09: what `free` should say below a limit."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.chapters.chapter09.looking import (
    MIB,
    PATIENCE,
    eaten,
    fill,
    kills,
    limited,
    read_film,
    room,
    tmpfs,
    told,
)
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.groups import Group
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

_NEAR = 5 * MIB  # that a function may be off
_MORE = 12 * MIB  # that no longer fits, when all has been taken that was said to be there


@exercise(
    "what-free-should-say",
    title="What free should say",
    points=3,
    seconds=60.0,
    hints=(
        "The check asks about a group full of page cache, about one with a tmpfs, and about one "
        "without a limit. Then it takes what your function says is available, and observes whether "
        "somebody is killed.",
        "What is in `memory.current`, and which part of it goes when somebody needs the room?",
        "Section 3: `file` of `memory.stat` counts what can go, and one kind of file that cannot. "
        "And where there is no limit, whose numbers count?",
    ),
)
def what_free_should_say(box: Lab, free_inside: object) -> Verdict:
    """Take what is said to be available, and see whether the kernel has it."""
    host = _meminfo()
    with ExitStack() as ending:
        asked = {}
        for name, make in random.sample(sorted(_CASES.items()), len(_CASES)):
            group = asked[name] = make(box, ending)
            verdict = _asked(box, ending, free_inside, group, name, host, first=len(asked) == 1)
            if verdict is not None:
                return verdict
    return passed(f"{len(asked)} groups: so much is there for each, and hardly more")


def _meminfo() -> dict[str, int]:
    """Return bytes of /proc/meminfo by name. Source: proc_meminfo(5)."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {name.rstrip(":"): int(number) * 1024 for name, number, *_ in lines}


def _full_of_cache(box: Lab, ending: ExitStack) -> Group:
    """Make one of which nearly all is there to be had; of the other one that is the smaller part.

    Whoever tells the same part of both, or the same difference, is far off with one of them.
    """
    group = limited(box, "check-cache", random.randrange(56, 72) * MIB)
    ending.callback(group.remove)
    _resident(box, ending, group, random.randrange(6, 12) * MIB)
    read_film(_resident(box, ending, group, MIB), 96 * MIB)
    return group


def _with_a_tmpfs(box: Lab, ending: ExitStack) -> Group:
    group = limited(box, "check-shm", random.randrange(72, 88) * MIB)
    ending.callback(group.remove)
    process = _resident(box, ending, group, random.randrange(4, 8) * MIB)
    read_film(process, random.randrange(8, 16) * MIB)
    tmpfs(process, "/mnt")
    fill(process, "/mnt/file", random.randrange(34, 40) * MIB)
    return group


def _without_a_limit(box: Lab, ending: ExitStack) -> Group:
    group = box.cgroup("check-free")
    ending.callback(group.remove)
    _resident(box, ending, group, random.randrange(4, 8) * MIB)
    return group


_CASES = {
    "that is full of page cache": _full_of_cache,
    "with files in a tmpfs": _with_a_tmpfs,
    "without a limit": _without_a_limit,
}


def _resident(box: Lab, ending: ExitStack, group: Group, size: int) -> Held:
    """Hold a process in a group, with so many bytes of its own."""
    process = box.hold()
    ending.callback(process.end)
    group.add(process)
    process.python(
        f"memory = mmap.mmap(-1, {size}, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
        "for page in range(0, len(memory), mmap.PAGESIZE): memory[page] = 1"
    )
    return process


def _asked(
    box: Lab,
    ending: ExitStack,
    function: object,
    group: Group,
    name: str,
    host: dict[str, int],
    *,
    first: bool,
) -> Verdict | None:
    """Return the verdict on what a function says of a group; None if the kernel agrees."""
    files = {file: group.read(file) for file in ("memory.max", "memory.current", "memory.stat")}
    tried = attempt(function, dict(files), dict(host))
    what = f"of a group {name}"
    if tried.failure:
        return failed(f"{what}: {tried.failure}")
    numbers = tried.value if isinstance(tried.value, list) else []
    if len(numbers) != 2 or not all(type(one) in (int, float) for one in numbers):
        return failed(f"{what}, your function says {tried.value!r:.80}", "total and available")
    total, available = numbers
    unlimited = files["memory.max"] == "max"
    wanted = host["MemTotal"] if unlimited else int(files["memory.max"])
    if abs(total - wanted) >= MIB:
        expected = f"{told(wanted)}" if first else "what it may have"
        return failed(f"{what}, your function says a total of {told(total)}", expected)
    said = f"{what}, your function says that {told(available)} are available"
    if unlimited:
        if abs(available - host["MemAvailable"]) < MIB:
            return None
        return failed(said, told(host["MemAvailable"]) if first else "what the machine has")
    expected = f"about {told(room(group))}" if first else "what it can still take"
    if not _NEAR < available <= total:
        return failed(said, expected)
    before = kills(group)
    size = round(available - _NEAR)
    eater = box.eat(size, group=group)
    ending.callback(eater.end)
    if not eaten(eater, size):
        return failed(f"{said}; when that was taken, somebody was killed", expected)
    if not _another_does_not_fit(box, ending, group, before):
        return failed(f"{said}; more than that was taken, and nobody was killed", expected)
    return None


def _another_does_not_fit(box: Lab, ending: ExitStack, group: Group, before: int) -> bool:
    """Let one more take what is too much for the group; say whether somebody was killed."""
    try:
        more = box.eat(_MORE, group=group)
    except LabError:  # it was killed before it was in there
        return kills(group) > before
    ending.callback(more.end)
    reading.until(lambda: kills(group) > before or more.count >= _MORE, PATIENCE)
    return kills(group) > before

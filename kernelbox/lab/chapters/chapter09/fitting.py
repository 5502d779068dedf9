"""Exercises of chapter 09 about room: just what fits, what `free` should say, cache given back."""

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
    lies_in,
    limit,
    limited,
    not_a_group,
    read_film,
    reclaimable,
    room,
    tmpfs,
)
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.groups import Group
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.working import Load

_SPARE = 8 * MIB  # that a limit may have beyond what is needed
_LITTLE = 8 * MIB  # page cache that may be left
_NEAR = 5 * MIB  # that a function may be off
_MORE = 12 * MIB  # that no longer fits, when all has been taken that was said to be there
WARM = 96 * MIB  # the limit of the group `warm`


@exercise(
    "just-fits",
    title="It just fits",
    seconds=40.0,
    hints=(
        "The check starts the program of `table` once more, in a group without a limit and in "
        "`snug`, and observes what it needs there, whether it lives, and the limit.",
        "What does `table` hold, and what does its group count? Which of the two has to fit?",
        "Section 1 has a file that remembers the highest number so far. A limit is met by a few "
        "more bytes than that, so leave a little.",
    ),
)
def just_fits(box: Lab, table: Load, snug: Group) -> Verdict:
    """Run the same program in there, and compare the limit with what it needs."""
    if wrong_thing := not_a_group(snug, "snug"):
        return wrong_thing
    size = table.count
    if there := snug.processes:
        return failed(f"in snug there are {len(there)} processes already", "nobody: end them first")
    with ExitStack() as ending:
        free = box.cgroup("check-free")
        ending.callback(free.remove)
        if not eaten(box.eat(size, group=free), size):
            return failed(f"without a limit the program did not get ready in {PATIENCE:g} s")
        needed = int(free.read("memory.current"))
        free.remove()
        again = box.eat(size, group=snug)
        ending.callback(again.end)
        most = limit(again.pid)
        if most is None:
            return failed("in snug a program may have all memory of the machine", "a limit")
        if not eaten(again, size):
            state = "hangs" if again.running else "was killed"
            return failed(
                f"with {most / MIB:.1f} MiB the program {state} at {again.count / MIB:.1f} MiB",
                "it lives",
            )
    if most < size:
        return failed(f"{(size - most) / MIB:.1f} MiB of the table are swapped out", "none")
    if most > needed + _SPARE:
        return failed(
            f"the limit is {(most - needed) / MIB:.1f} MiB more than the program needs",
            f"{_SPARE // MIB} MiB more at most",
        )
    return passed(f"it lives, and its limit is at most {_SPARE // MIB} MiB more than it needs")


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
    group = limited(box, "check-cache", random.randrange(56, 72) * MIB)
    ending.callback(group.remove)
    _resident(box, ending, group, random.randrange(12, 20) * MIB)
    read_film(_resident(box, ending, group, MIB), 96 * MIB)
    return group


def _with_a_tmpfs(box: Lab, ending: ExitStack) -> Group:
    group = limited(box, "check-shm", random.randrange(72, 88) * MIB)
    ending.callback(group.remove)
    process = _resident(box, ending, group, random.randrange(4, 8) * MIB)
    read_film(process, random.randrange(8, 16) * MIB)
    tmpfs(process, "/mnt")
    fill(process, "/mnt/file", random.randrange(20, 28) * MIB)
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
        expected = f"{_told(wanted)}" if first else "what it may have"
        return failed(f"{what}, your function says a total of {_told(total)}", expected)
    said = f"{what}, your function says that {_told(available)} are available"
    if unlimited:
        if abs(available - host["MemAvailable"]) < MIB:
            return None
        return failed(said, _told(host["MemAvailable"]) if first else "what the machine has")
    expected = f"about {_told(room(group))}" if first else "what it can still take"
    if not _NEAR < available <= total:
        return failed(said, expected)
    before = kills(group)
    size = round(available - _NEAR)
    eater = box.eat(size, group=group)
    ending.callback(eater.end)
    if not eaten(eater, size):
        return failed(f"{said}; when that was taken, somebody was killed", expected)
    more = box.eat(_MORE, group=group)
    ending.callback(more.end)
    reading.until(lambda: kills(group) > before or more.count >= _MORE, PATIENCE)
    if not reading.until(lambda: kills(group) > before, 0.5):
        return failed(f"{said}; more than that was taken, and nobody was killed", expected)
    return None


def _told(size: float) -> str:
    return f"{size / MIB:.0f} MiB"


@exercise(
    "give-it-back",
    title="Give it back",
    points=3,
    hints=(
        "The check observes the page cache that is charged to `warm`, its limit, whom the kernel "
        "has killed there, and what `keeper` has in memory.",
        "When does page cache go by itself? And who could bring that about, for a moment?",
        "Two ways: a limit can be changed while the group is in use, and changed again. Or read "
        "posix_fadvise(2): what does POSIX_FADV_DONTNEED say, and of which descriptor?",
    ),
)
def give_it_back(_box: Lab, warm: Group, keeper: Held, size: int) -> Verdict:
    """Look at the group's cache, its limit and its kills, and at what the process still has."""
    if wrong_thing := not_a_group(warm, "warm"):
        return wrong_thing
    if times := kills(warm):
        return failed(f"the kernel has killed {times} in warm", "nobody")
    if not lies_in(keeper.pid, warm):
        return failed("keeper is not in warm any more", "in there")
    most = warm.read("memory.max")
    if most != str(WARM):
        there = most if most == "max" else f"{int(most) / MIB:.1f} MiB"
        return failed(f"memory.max of warm says {there}", f"{WARM // MIB} MiB, as before")
    has = int(reading.status(keeper.pid)["RssAnon"].split()[0]) * 1024
    if has < size:
        return failed(f"keeper has {_told(has)} of its own in memory", f"its {_told(size)}")
    film = keeper.evaluate("os.fstat(film).st_size")
    if film < size:
        return failed(f"the file that keeper has open has {_told(film)}", "all of it")
    # The kernel adds up such numbers every few seconds.
    if not reading.until(lambda: reclaimable(warm) <= _LITTLE, 3):
        return failed(
            f"{_told(reclaimable(warm))} of page cache are charged to warm",
            f"{_told(_LITTLE)} at most",
        )
    return passed("the page cache has gone, and keeper has lost nothing")

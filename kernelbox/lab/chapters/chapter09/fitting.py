"""Exercises of chapter 09 about room: just what fits, and page cache given back."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.chapters.chapter09.looking import (
    MIB,
    PATIENCE,
    eaten,
    kills,
    lies_in,
    limit,
    not_a_group,
    reclaimable,
    told,
)
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.groups import Group
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.working import Load

_SPARE = 8 * MIB  # that a limit may have beyond what is needed
_LITTLE = 8 * MIB  # page cache that may be left
WARM = 96 * MIB  # the limit of the group `warm`
FILM, LAST = 48 * MIB, b"the end"  # how large the file of its keeper is, and how it ends


@exercise(
    "just-fits",
    title="It just fits",
    seconds=40.0,
    hints=(
        "The check starts the program of `table` once more, in a group without a limit and in "
        "`snug`, and observes what it needs there, whether it lives, and the limit.",
        "What does `table` hold, and what does its group count? Which of the two has to fit?",
        "Section 1 has a file that says what a group has now, and one that remembers the most. The "
        "next run may need a few pages more, so leave a little.",
    ),
)
def just_fits(box: Lab, table: Load, snug: Group) -> Verdict:
    """Run the same program in there, and compare the limit with what it needs."""
    if wrong_thing := not_a_group(snug, "snug"):
        return wrong_thing
    size = table.count
    if there := snug.processes:
        return failed(f"{len(there)} in snug before the check starts any", "nobody: end them")
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
        return failed(f"keeper has {told(has)} of its own in memory", f"its {told(size)}")
    try:
        film = keeper.evaluate("os.fstat(film).st_size")
        last = keeper.evaluate(f"os.pread(film, 99, {FILM - len(LAST)})")
    except LabError:
        return failed("keeper has no file open any more", "the one that it has read")
    if film < FILM:
        return failed(f"the file that keeper has open has {told(film)}", "all of it")
    if last != LAST:
        return failed("the file that keeper has open says something else", "what it has read")
    # The kernel adds up such numbers every two seconds.
    if not reading.until(lambda: reclaimable(warm) <= _LITTLE, 2.5):
        return failed(
            f"{told(reclaimable(warm))} of page cache are charged to warm",
            f"{told(_LITTLE)} at most",
        )
    return passed("the page cache has gone, and keeper has lost nothing")

"""Exercises of chapter 09 about the OOM killer: whom it takes, and whom it has taken."""

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
    limited,
    not_a_group,
    read_film,
    room,
    tmpfs,
)
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.groups import Group
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.working import Load

SHOP = 80 * MIB  # the limit of the group `shop`
_NEVER = -1000  # oom_score_adj of whoever is not to be killed at all
_BEYOND = 6 * MIB  # that is asked for and does not fit; less than either program has
_TINY = 8 * MIB  # a limit that is met in a moment


@exercise(
    "the-right-one",
    title="The right one",
    seconds=30.0,
    hints=(
        "The check lets one more process in `shop` ask for more than fits, and observes which of "
        "the two the kernel kills.",
        "How does the kernel choose, if nobody tells it anything? And what would it have to be "
        "told, of which of the two?",
        "`/proc/PID/oom_score_adj` goes from -1000 to 1000. The number counts thousandths of the "
        "limit: how much larger has the small one to look?",
    ),
)
def the_right_one(box: Lab, shop: Group, db: Load, report: Load) -> Verdict:
    """Let memory get short in the group, and see who is still there."""
    if wrong_thing := not_a_group(shop, "shop"):
        return wrong_thing
    both = {"db": db, "report": report}
    for name, load in both.items():
        if not load.running:
            return failed(f"the process {name} has ended", "both are there, before memory is short")
        if not lies_in(load.pid, shop):
            return failed(f"{name} is not in shop any more", "both in there")
    if (most := shop.read("memory.max")) != str(SHOP):
        there = most if most == "max" else f"{int(most) / MIB:.0f} MiB"
        return failed(f"memory.max of shop says {there}", f"{SHOP // MIB} MiB, as before")
    if all(_adjusted(load.pid) == _NEVER for load in both.values()):
        return failed("the kernel may kill neither of them", "report, if it must be")
    if _switched_off(shop):
        return failed("in shop the OOM killer is switched off", "that it can choose")
    before = kills(shop)
    try:
        _make_short(box, shop)
    except LabError:  # it is gone itself
        return failed("when memory was short, the kernel has killed whoever asked", "report alone")
    reading.until(lambda: not (db.running and report.running), PATIENCE)
    taken = [name for name, load in both.items() if not load.running]
    if taken != ["report"]:
        return failed(
            f"when memory was short, the kernel has killed {' and '.join(taken) or 'neither'}",
            "report alone",
        )
    return passed(f"the kernel has killed {kills(shop) - before}: report; and db lives")


def _make_short(box: Lab, group: Group) -> None:
    """Let a process need more than fits, and be smaller than anybody else.

    What it writes to a tmpfs is charged to the group, and adds nothing to its own size.

    Raises:
        LabError: It was killed.
    """
    asker = box.hold()
    try:
        group.add(asker)
        tmpfs(asker, "/mnt")
        fill(asker, "/mnt/file", room(group) + _BEYOND)
    finally:
        asker.end()


def _adjusted(pid: int) -> int:
    """Return what is added to a process's score. Source: proc_pid_oom_score_adj(5)."""
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def _switched_off(group: Group) -> bool:
    """Say whether whoever needs memory waits for ever; v1 alone knows that. Source: memory.rst."""
    file = Path(group.directory("memory"), "memory.oom_control")
    return file.exists() and "oom_kill_disable 1" in file.read_text()


@exercise(
    "who-was-killed",
    title="Who was killed?",
    seconds=40.0,
    hints=(
        "The check makes five groups, reads `memory.events` of each, lets things happen in there, "
        "and reads it again. In some of them the kernel kills; in others something else ends a "
        "process, or the limit is only met.",
        "Which line of the file counts processes that the kernel has killed, and since when?",
        "A counter begins when its group is made. You have two readings of it.",
    ),
)
def who_was_killed(box: Lab, killed: object) -> Verdict:
    """Let the kernel kill in some groups and not in others, and compare."""
    names = random.sample(["api", "batch", "cache", "db", "mail", "search", "web"], 5)
    earlier, once, often, struck, full = names
    times = random.randrange(3, 5)
    with ExitStack() as ending:
        reader = box.hold()
        ending.callback(reader.end)
        groups = {}
        for name in names:
            groups[name] = limited(box, f"check-{name}", _TINY)
            ending.callback(groups[name].remove)
        together = not groups[often].why_not("memory.oom.group")
        if together:
            groups[often].write("memory.oom.group", 1)
        for _ in range(random.randrange(1, 4)):
            _too_much(box, groups[earlier])
        _too_much(box, groups[often])
        before = {name: group.read("memory.events") for name, group in groups.items()}
        _too_much(box, groups[once])
        _several(box, groups[often], times, together=together)
        victim = box.eat(MIB, group=groups[struck])
        eaten(victim, MIB)
        victim.end()
        groups[full].add(reader)
        read_film(reader, 3 * _TINY)
        after = {name: group.read("memory.events") for name, group in groups.items()}
    order = random.sample(names, len(names))
    tried = attempt(
        killed, {name: before[name] for name in order}, {name: after[name] for name in order}
    )
    if tried.failure:
        return failed(tried.failure)
    if not isinstance(tried.value, dict) or not all(
        type(number) is int for number in tried.value.values()
    ):
        return failed(f"your function says {tried.value!r:.80}", "a number for each name")
    said = {name: number for name, number in tried.value.items() if number}
    really = {name: _counted(after[name]) - _counted(before[name]) for name in names}
    happened = {
        earlier: "where the kernel killed only before",
        once: "where the kernel killed one process",
        often: "where the kernel killed several, and one before",
        struck: "where somebody else killed one",
        full: "where page cache met the limit",
    }
    for name in order:
        if said.get(name, 0) != really[name]:
            return failed(
                f"of {name}, {happened[name]}, your function says {said.get(name, 0)}",
                "what the kernel has counted in between",
            )
    if strange := said.keys() - really.keys():
        return failed(f"your function names {', '.join(map(str, strange))}", "groups it was asked")
    return passed(f"{len(names)} groups, in two of which the kernel has killed")


def _too_much(box: Lab, group: Group) -> None:
    """Let a process be killed for what it asks for."""
    load = box.eat(4 * _TINY, group=group)
    reading.until(lambda: not load.running, PATIENCE)
    load.end()


def _several(box: Lab, group: Group, times: int, *, together: bool) -> None:
    """Let several be killed: one after the other, or where the group goes as a whole, at once."""
    if together:
        sleepers = [box.eat(MIB, group=group) for _ in range(times - 1)]
        for one in sleepers:
            eaten(one, MIB)
        _too_much(box, group)
        for one in sleepers:
            reading.until(lambda one=one: not one.running, PATIENCE)  # type: ignore[misc]
    else:
        for _ in range(times):
            _too_much(box, group)


def _counted(events: str) -> int:
    """Return `oom_kill` of a memory.events."""
    return next(int(line.split()[1]) for line in events.splitlines() if "oom_kill " in line)

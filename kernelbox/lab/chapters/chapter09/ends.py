"""Exercises of chapter 09 about limits on processes, and about limits further up."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.chapters.chapter09.looking import (
    MIB,
    PATIENCE,
    lies_in,
    limit,
    not_a_group,
)
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.groups import Group
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

_FORKS = 2000.0  # a second
_REFUSED = 3  # forks, until the bomb has surely come to its end
_BEYOND = 40  # processes more than asked for: then nothing holds it


@exercise(
    "so-many-more",
    title="So many more",
    seconds=30.0,
    hints=(
        "The check starts a bomb in `cell`, a process that forks again and again, and observes how "
        "many processes it comes to, itself included, until the kernel refuses.",
        "What does `pids.max` count? Compare `pids.current` of the group with its list of "
        "processes.",
        "The resident has threads, and they count, too. What is in there already, and what is to "
        "come, have to fit together.",
    ),
)
def so_many_more(box: Lab, cell: Group, resident: Held, more: int) -> Verdict:
    """Let a bomb go off in there, and count what it comes to."""
    if wrong_thing := not_a_group(cell, "cell"):
        return wrong_thing
    if not lies_in(resident.pid, cell):
        return failed("resident is not in cell any more", "in there")
    before, refused = len(cell.processes), cell.numbers("pids.events")["max"]
    threads = int(reading.status(resident.pid)["Threads"])
    try:
        bomb = box.fork_many(more + _BEYOND, _FORKS, group=cell)
    except LabError:
        return failed("the bomb came to no process at all", str(more))
    try:
        reading.until(
            lambda: (
                cell.numbers("pids.events")["max"] >= refused + _REFUSED
                or bomb.count >= more + _BEYOND
            ),
            PATIENCE,
        )
        came = len(cell.processes) - before
    finally:
        bomb.end()
    if came != more:
        told = f"{more + _BEYOND} and more" if came >= more + _BEYOND else str(came)
        return failed(f"the bomb came to {told} process{'es' * (came != 1)}", str(more))
    if int(reading.status(resident.pid)["Threads"]) < threads:
        return failed("resident has lost threads", "all of them")
    return passed("the bomb came to as many processes as asked for, and resident is as it was")


@exercise(
    "my-real-limit",
    title="My real limit",
    seconds=30.0,
    hints=(
        "The check makes processes with a limit of their group, with one of a group further up, "
        "with both, and with none. It asks your function about each.",
        "A limit holds for all below it. Which of several counts?",
        "`memory_groups(pid)` has every group up the tree. What is the number where `memory_max` "
        "says `max` all the way?",
    ),
)
def my_real_limit(box: Lab, limit_of: object) -> Verdict:
    """Compare with the lowest limit up the tree, and with the machine's memory."""
    small = random.randrange(20, 40) * MIB
    large = small + random.randrange(20, 40) * MIB
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with ExitStack() as ending:
        tree = {}
        for name, most in (("above", small), ("wide", large), ("middle", large), ("free", None)):
            outer = box.cgroup(f"check-{name}")
            ending.callback(outer.remove)
            outer.pass_down("memory")
            if most:
                outer.write("memory.max", most)
            tree[name] = outer.cgroup("inner")
        tree["wide"].write("memory.max", small)
        # Here the lowest is neither the nearest nor the highest.
        tree["middle"].write("memory.max", small)
        tree["middle"].pass_down("memory")
        tree["middle"] = tree["middle"].cgroup("innermost")
        tree["middle"].write("memory.max", large - MIB)
        narrow = tree["narrow"] = box.cgroup("check-narrow")
        ending.callback(narrow.remove)
        narrow.write("memory.max", large)
        who = {
            "above": "with a limit one group further up",
            "wide": "with a limit of its own group, and a larger one above",
            "middle": "with three limits, of which the one in the middle is the lowest",
            "free": "with no limit at all",
            "narrow": "with a limit of its own group",
        }
        agreed = 0
        for name in random.sample(sorted(who), len(who)):
            process = box.hold()
            ending.callback(process.end)
            tree[name].add(process)
            wanted = limit(process.pid) or machine
            tried = attempt(limit_of, process.pid)
            if tried.failure:
                return failed(f"of a process {who[name]}: {tried.failure}")
            if isinstance(tried.value, bool) or not isinstance(tried.value, int | float):
                return failed(f"of a process {who[name]}, your function says {tried.value!r:.80}")
            if abs(tried.value - min(wanted, machine)) > MIB:
                expected = "what holds for it" if agreed else f"{min(wanted, machine)}"
                return failed(
                    f"of a process {who[name]}, your function says {tried.value:.0f}", expected
                )
            agreed += 1
    return passed(f"{agreed} processes: no limit, one, one further up, two, and three")

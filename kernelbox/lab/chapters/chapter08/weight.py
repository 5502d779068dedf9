"""Exercises of chapter 08 about weights: two to one, shares; and how many CPUs a process has."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from kernelbox.lab.chapters.chapter08.wanting import (
    cpus,
    members,
    not_a_group,
    quota,
    wanting,
)
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.measuring import used

if TYPE_CHECKING:
    from kernelbox.lab.groups import Group
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.started import Container

_NEAR = 0.08  # of what all get together
_WINDOW = 0.5  # seconds
_ENOUGH = 0.25  # seconds of CPU time that are measured at least: others may want the CPU, too
_MOST = 8  # windows, for that
_TRIES = 3


@exercise(
    "two-to-one",
    title="Two to one",
    points=3,
    seconds=60.0,
    hints=(
        "The check observes which threads of both groups want to run all the time, on which CPUs "
        "they may, whether there is a quota above them, and what each group gets.",
        "Who competes with whom? A weight says nothing to a process that has a CPU of its own.",
        "Section 4 had both: a place that two loads share, and two numbers that tell how. Which "
        "numbers are as two to one?",
    ),
)
def two_to_one(_box: Lab, twice: object, once: object) -> Verdict:
    """Look at who wants to run and where; then measure what each group gets."""
    groups: list[Group | Container] = []
    for thing, name in ((twice, "twice"), (once, "once")):
        if wrong_thing := not_a_group(thing, name):
            return wrong_thing
        groups.append(thing)  # type: ignore[arg-type]  # `not_a_group` has seen it
    if twice is once:
        return failed("twice and once are one and the same", "two of them")
    if set(members(groups[0])) & set(members(groups[1])):
        return failed("somebody in the one is in the other as well", "two, side by side")
    places = []
    for group, name in zip(groups, ("twice", "once"), strict=True):
        wants = wanting(group)
        if not wants:
            return failed(f"nobody in {name} wants to run all the time", "a load in each")
        if any(quota(pid) for pid in members(group)):
            return failed(f"{name} is below a quota", "weights alone")
        places.append(cpus(wants))
    if places[0] != places[1] or len(places[0]) != 1:
        there = " and ".join(",".join(map(str, sorted(one))) for one in places)
        return failed(f"those that want to run may do so on CPU {there}", "one CPU for all of them")
    share = 0.0
    for _ in range(_TRIES):
        share = _shares(groups)[0]
        if abs(share - 2 / 3) <= _NEAR / 2:
            return passed("one CPU, no quota, and two thirds of what both get are for twice")
    return failed(f"of what both get, {share:.0%} are for twice", "two thirds")


def _shares(groups: list[Group | Container]) -> list[float]:
    """Return which part of what all of them get each one gets, measured until it is enough."""
    sums = [0.0] * len(groups)
    for _ in range(_MOST):
        sums = [old + new for old, new in zip(sums, used(*groups, seconds=_WINDOW), strict=True)]
        if sum(sums) >= _ENOUGH / _WINDOW:
            break
    return [one / (sum(sums) or 1.0) for one in sums]


@exercise(
    "not-a-limit",
    title="Not a limit",
    seconds=60.0,
    hints=(
        "The check makes four groups with weights drawn anew. Burners run in some of them, all on "
        "one CPU, and it measures what each gets; then others run.",
        "Section 4: what did the group with the smallest weight get when nobody else was there?",
        "A share is a part of a sum. Who belongs in that sum?",
    ),
)
def not_a_limit(box: Lab, shares: object) -> Verdict:
    """Compare with what burners in groups of such weights get from the kernel."""
    names = random.sample(["api", "batch", "cache", "db", "mail", "web"], 4)
    weights = dict(zip(names, random.sample([50, 100, 200, 400, 800], 4), strict=True))
    # The heaviest sleeps once: in a wrong sum it weighs most. And once one is alone.
    heaviest, lightest = (
        max(weights, key=weights.__getitem__),
        min(weights, key=weights.__getitem__),
    )
    rounds = [sorted(set(names) - {heaviest}), [lightest]]
    random.shuffle(rounds)
    cpu = min(os.sched_getaffinity(0))
    with ExitStack() as ending:
        groups = {}
        for name, weight in weights.items():
            groups[name] = box.cgroup(f"check-{name}")
            ending.callback(groups[name].remove)
            groups[name].write("cpu.weight", weight)
        for number, running in enumerate(rounds):
            tried = attempt(shares, dict(weights), list(running))
            if tried.failure:
                return failed(tried.failure)
            if not isinstance(tried.value, dict) or tried.value.keys() != weights.keys():
                return failed(f"your function says {tried.value!r:.80}", "a share for each name")
            burners = [box.burn(group=groups[name], cpus=(cpu,)) for name in running]
            try:
                verdict = _measured(groups, tried.value, running, first=number == 0)
            finally:
                for one in burners:
                    one.end()
            if verdict is not None:
                return verdict
    return passed("four groups, of which three and then one want to run: as the kernel shares")


def _measured(
    groups: dict[str, Group], told: dict[str, object], running: list[str], *, first: bool
) -> Verdict | None:
    """Return the verdict on the shares that a function tells; None if the kernel gives these."""
    for name, value in told.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            return failed(f"of {name}, your function says {value!r:.40}", "a number from 0 to 1")
    wrong = ("", 0.0)
    for _ in range(_TRIES):
        found = dict(zip(groups, _shares(list(groups.values())), strict=True))
        off = {name: abs(float(str(told[name])) - found[name]) for name in groups}
        worst = max(off, key=off.__getitem__)
        if off[worst] <= _NEAR:
            return None
        wrong = (worst, found[worst])
    name, really = wrong
    wants = "wants to run" if name in running else "is idle"
    return failed(
        f"{len(running)} of 4 want to run; of {name}, which {wants}, your function says "
        f"{float(str(told[name])):.2f}",
        f"{really:.2f}" if first else "what it gets",
    )


@exercise(
    "how-many-cpus",
    title="How many CPUs?",
    points=3,
    seconds=30.0,
    hints=(
        "The check makes processes with an affinity, with a quota of their group, with one of a "
        "group further up, with both, and with none. It asks your function about each.",
        "Two things limit a process: where it may run, and how long. Which is the smaller one?",
        "`cpu_groups(pid)` has every group up the tree, and a quota in any of them counts. What is "
        "the number if `cpu_max` begins with `max`?",
    ),
)
def how_many_cpus(box: Lab, cpus_of: object) -> Verdict:
    """Compare with the affinity, and with the lowest quota up the tree."""
    few = random.choice([one for one in range(22, 80) if one % 10]) / 100
    fewer = few / 2
    one = (min(os.sched_getaffinity(0)),)
    with ExitStack() as ending:
        outer = box.cgroup("check-outer")
        ending.callback(outer.remove)
        outer.pass_down("cpu")
        inner, tight, free = outer.cgroup("inner"), outer.cgroup("tight"), box.cgroup("check-free")
        ending.callback(free.remove)
        outer.write("cpu.max", f"{round(few * 50_000)} 50000")
        tight.write("cpu.max", f"{round(fewer * 100_000)} 100000")
        free.write("cpu.max", f"{3 * 100_000} 200000")
        asked = [
            ("with no limit of its own", box.hold(), _unlimited()),
            ("that may run on one CPU, below a quota of 1.5", _on_one(box, free, one), 1.0),
            ("with a quota one group further up", _in(box, inner), few),
            ("with a quota of its own group, and a larger one above", _in(box, tight), fewer),
        ]
        with suppress(LabError):  # v1 allows no quota that is larger than one further up
            wide = outer.cgroup("wide")
            wide.write("cpu.max", f"{round(few * 100_000) + 10_000} 100000")
            asked.append(
                ("with a quota of its own group, and a smaller one above", _in(box, wide), few)
            )
        for _, process, _ in asked:
            ending.callback(process.end)
        agreed = 0
        for who, process, wanted in random.sample(asked, len(asked)):
            tried = attempt(cpus_of, process.pid)
            if tried.failure:
                return failed(f"of a process {who}: {tried.failure}")
            if isinstance(tried.value, bool) or not isinstance(tried.value, int | float):
                return failed(f"of a process {who}, your function says {tried.value!r:.80}")
            if abs(tried.value - wanted) > 0.001:
                expected = "what limits it most" if agreed else f"{wanted:g}"
                return failed(f"of a process {who}, your function says {tried.value:.4g}", expected)
            agreed += 1
    return passed(f"{agreed} processes: no limit, an affinity, a quota, and one further up")


def _unlimited() -> float:
    """Return how many processors somebody has whom the check does not limit."""
    most = quota(os.getpid())
    host = float(len(os.sched_getaffinity(0)))
    return min(host, float(most.processors)) if most else host


def _in(box: Lab, group: Group) -> Held:
    process = box.hold()
    group.add(process)
    return process


def _on_one(box: Lab, group: Group, cpu: tuple[int, ...]) -> Held:
    process = _in(box, group)
    process.python(f"os.sched_setaffinity(0, {set(cpu)})")
    return process

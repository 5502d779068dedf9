"""Exercises of chapter 08 about quotas: half a core, how often throttled, in time."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.chapters.chapter08.wanting import (
    cpu_time,
    members,
    not_a_group,
    quota,
    wanting,
)
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.groups import Group
from kernelbox.lab.measuring import cpu_groups, cpu_max
from kernelbox.lab.started import Container

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.working import Load

_HALF = Fraction(1, 2)
_FIFTH = Fraction(1, 5)
_WINDOW = 1.0  # seconds
_OVER = 0.1  # processors above the quota that may be measured: a slice for each CPU, and ticks
_NEAR = 0.15  # of the periods: a function looks a little later than the check
_LONG = 0.8  # seconds that a function is to look
_LOOKS = 4  # until both agree: between two, others may have come and gone
_TRIES = 3
_TIGHT = "1000 50000"  # met in each period in which somebody runs at all
_TIGHT_EARLIER = "1000 10000"  # likewise; so short a period that many have passed before the look
_EARLIER = 60  # periods that have passed by then
_SOME = 2000  # µs of each 20 ms, for a job that needs two and a half times as much
_NOW_AND_THEN = "now and then"
_TELLING = (0.25, 0.75)  # then it is: a job that gets little of a busy machine is never throttled
_JOBS = 20  # that are waited for
_FORGIVEN = 5  # one throttled period to so many jobs; a wrong quota throttles each of them
_OVERCHARGED = 1.3  # times what the jobs have asked for
_PATIENCE = 8.0  # seconds, for that


@exercise(
    "half-a-core",
    title="Half a core",
    seconds=40.0,
    hints=(
        "The check observes the quotas of the groups that the container's processes lie in, how "
        "many of their threads are in state R at nine looks of ten, and what they use together.",
        "Which number of section 1 was the quota, and which the period? And how many processes "
        "want to run in your container, while the check is looking?",
        "`kernelbox run --help` has an option for a number of processors. A weight is no quota; "
        "and a container that sleeps wants nothing.",
    ),
)
def half_a_core(_box: Lab, half: object) -> Verdict:
    """Look at the quota above its processes, at who wants to run, and at what is used."""
    if not isinstance(half, Container):
        return failed(f"half is {half!r:.80}", "a container that box.start() returned")
    if wrong_thing := not_a_group(half, "half"):
        return wrong_thing
    wants, inside = wanting(half, least=2), members(half)
    began, before = time.monotonic(), cpu_time(inside)
    time.sleep(_WINDOW)
    used = (cpu_time(inside) - before) / (time.monotonic() - began)
    quotas = {quota(pid) for pid in inside}
    for one in quotas:
        if one is None or one.processors != _HALF:
            there = "no quota" if one is None else f"{float(one.processors):g} processors"
            return failed(f"what its processes may use is {there}", "0.5 processors")
    if len(quotas) != 1:
        return failed("its processes have several quotas, each for some", "one for all together")
    if len(wants) < 2:
        return failed(f"of its processes, {len(wants)} want to run all the time", "two")
    if used > _HALF + _OVER:
        return failed(f"its processes use {used:.2f} processors", "0.5 at most")
    return passed(f"{len(wants)} want to run all the time, below one quota of 0.5 processors")


@exercise(
    "how-often",
    title="How often?",
    points=3,
    seconds=60.0,
    hints=(
        "The check lets your function look at four groups, one after the other, and reads their "
        "`cpu.stat` before and after. Which of its lines are about periods?",
        "A counter has counted since its group was made. What has happened since your function was "
        "called?",
        "Two readings, and the seconds between them; then one difference is divided by another. "
        "What if there was no period at all?",
    ),
)
def how_often(box: Lab, throttled: object) -> Verdict:
    """Compare with the group's counters, read outside around each call."""
    wide = random.randint(20, 30)
    # By what a verdict calls them: the quota at first, and the one that they are looked at with.
    quotas = {
        "always": (f"{wide}000 10000", _TIGHT),
        "never": (_TIGHT_EARLIER, f"{wide}0000 100000"),
        _NOW_AND_THEN: (f"{wide}000 10000", f"{_SOME} 20000"),
        "at no time: it has none": (_TIGHT_EARLIER, "max 50000"),
    }
    groups: dict[str, Group] = {}
    with ExitStack() as ending:
        for name, (before, _) in quotas.items():
            group = groups[name] = box.cgroup(f"check-{len(groups)}")
            ending.callback(group.remove)
            group.write("cpu.max", before)
            if name == "always":
                box.burn(group=group)
            elif name == _NOW_AND_THEN:
                # Each job meets its quota in two periods of three, and none is counted while it
                # rests: neither never nor always, nor the same part of the time, or of the quota.
                box.serve(2.5e-6 * _SOME, random.uniform(0.17, 0.21), group=group)
            else:
                box.serve(0.002, 0.01, group=group)
        old = [group for name, group in groups.items() if name != _NOW_AND_THEN]
        reading.until(lambda: all(map(_is_old, old)), _PATIENCE)
        for name, (_, now) in quotas.items():
            groups[name].write("cpu.max", now)
        agreed = 0
        for name in random.sample(sorted(groups), len(groups)):
            verdict = None
            for _ in range(_LOOKS):
                found, part = _compared(throttled, groups[name], name, first=agreed == 0)
                telling = name != _NOW_AND_THEN or _TELLING[0] < part < _TELLING[1]
                if telling or verdict is None:
                    verdict = found
                if telling and verdict is None:
                    break
            if verdict is not None:
                return verdict
            agreed += 1
    return passed(
        f"{agreed} groups, with a quota that is met always, now and then, never, and none"
    )


def _is_old(group: Group) -> bool:
    """Say whether a group's counters have counted much more by now than they will in one look."""
    return group.numbers("cpu.stat")["nr_periods"] > _EARLIER


def _compared(
    function: object, group: Group, name: str, *, first: bool
) -> tuple[Verdict | None, float]:
    """Return the verdict on what a function says of a group; and what the counters say.

    The verdict is None if they say the same.
    """
    before = group.numbers("cpu.stat")
    tried = attempt(function, group.directory("cpu"), _LONG, seconds=_LONG + 4, lasting=_LONG)
    after = group.numbers("cpu.stat")
    periods, times = (after[one] - before[one] for one in ("nr_periods", "nr_throttled"))
    really = times / periods if periods else 0.0
    what = f"of a group whose quota is met {name}"
    if tried.failure:
        return failed(f"{what}: {tried.failure}"), really
    if isinstance(tried.value, bool) or not isinstance(tried.value, int | float):
        return failed(f"{what}, your function says {tried.value!r:.80}", "a number"), really
    if abs(tried.value - really) <= _NEAR:
        return None, really
    expected = f"about {really:.1f}" if first else "what its counters say"
    return failed(f"{what}, your function says {tried.value:.3g}", expected), really


@exercise(
    "in-time",
    title="In time",
    points=3,
    seconds=40.0,
    hints=(
        "The check observes `cpu.max` of your group. Then it starts a job in there that needs 4 to "
        "6 ms of CPU time, sleeps 40 to 50 ms, and comes again, and observes `nr_throttled`.",
        "Within one period, how much may the group use? And how much does one job need?",
        "A fifth can be a small quota in a short period, or a large one in a long period. Which of "
        "them lets a whole job through?",
    ),
)
def in_time(box: Lab, prompt: object) -> Verdict:
    """Look at the quota; then let a job come twenty times, and count throttled periods."""
    if not isinstance(prompt, Group):
        return failed(f"prompt is {prompt!r:.80}", "what box.cgroup() returned")
    if wrong_thing := not_a_group(prompt, "prompt"):
        return wrong_thing
    work, pause = random.uniform(0.004, 0.006), random.uniform(0.04, 0.05)
    with ExitStack() as ending:
        job = box.serve(work, pause, group=prompt)
        ending.callback(job.end)
        limit = quota(job.pid)
        if limit is None:
            return failed("its processes may use every processor", "0.2 processors at most")
        if limit.processors > _FIFTH:
            return failed(
                f"its processes may use {float(limit.processors):g} processors", "0.2 at most"
            )
        above = list(map(Path, cpu_groups(job.pid)))
        for _ in range(_TRIES):
            done, times, charged = _twenty(job, above)
            # A machine that is itself kept waiting charges a job with time that it did not get.
            overcharged = charged > _OVERCHARGED * done * work
            if times <= done // _FORGIVEN:
                break
        if prompt.events["frozen"]:
            return failed("the group is frozen: nobody runs in there", "a group that runs")
    if done < _JOBS // 2 and times == 0:
        return failed(f"{done} jobs were done in {_PATIENCE:g} s", f"{_JOBS}, as fast as they come")
    # Few are forgiven: where others had the processor, two jobs may have met in one period.
    few = times <= done // _FORGIVEN
    if not few and not (overcharged and all(_has_room(one, work, pause) for one in above)):
        return failed(f"while {done} jobs came, the group was throttled {times} times", "never")
    return passed(
        f"a quota of {float(limit.processors):g} processors, and "
        + ("at most one job in five was throttled" if few else "room for the jobs of each period")
    )


def _twenty(job: Load, groups: list[Path]) -> tuple[int, int, float]:
    """Wait for so many jobs; return how many came, how often they were throttled, and CPU time.

    A quota of any of the groups throttles, whichever is the lowest.
    """
    jobs, times, charged = job.count, sum(map(_throttled, groups)), cpu_time([job.pid])
    reading.until(lambda: job.count >= jobs + _JOBS, _PATIENCE)
    throttled = sum(map(_throttled, groups)) - times
    return job.count - jobs, throttled, cpu_time([job.pid]) - charged


def _has_room(directory: Path, work: float, pause: float) -> bool:
    """Say whether the jobs of one period fit into a group's quota, with what may be saved."""
    words = cpu_max(directory).split()
    if words[0] == "max":
        return True
    most, period = (int(word) / 1e6 for word in words)
    bursts = [directory / name for name in ("cpu.max.burst", "cpu.cfs_burst_us")]  # v2, v1
    saved = sum(int(file.read_text()) for file in bursts if file.exists()) / 1e6
    return work * max(period / (work + pause), 1) <= most + saved


def _throttled(directory: Path) -> int:
    """Return `nr_throttled` of a group, as in v1; 0 if it has no quota to be passed down to it."""
    lines = (directory / "cpu.stat").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("nr_throttled ")), 0)

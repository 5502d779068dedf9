"""Exercises of chapter 15 about all that holds a container: hold it, what it lacks, one lock."""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from kernelbox.lab import attacks, reading
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.users import capabilities

if TYPE_CHECKING:
    from kernelbox.container.option_types import ContainerOptions
    from kernelbox.lab.notebook import Lab

# A dozen processes at a time, and a file where one may write: a container's work.
_WORK = "for one in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.2 & done; wait; echo > /dev/shm/file"
_STAYS = "one kernel"
_DEFENCES = ("walls", "filter", "mask", "quota", "seal")


@exercise(
    "hold-it",
    title="Hold it",
    points=4,
    seconds=90.0,
    hints=(
        "The check starts containers with your options: in one, a service runs a dozen processes "
        "and writes to `/dev/shm`; in another, all attacks of the grid are made.",
        "Which attacks get through a default container? For each of them: is it a right, a number, "
        "or a place where something can be written?",
        "`attacks.attack(box, **options)` tells what became of each. The last column of the grid "
        "holds, with more than is needed; `attacks.DEFENCES` says with what.",
    ),
)
def hold_it(box: Lab, options: object) -> Verdict:
    """Run a service in such a container, and make all attacks in another."""
    if not isinstance(options, dict) or not all(isinstance(one, str) for one in options):
        return failed(f"options is {options!r:.80}", "a dict: options of box.run by name")
    asked: Any = dict(options)
    try:
        done = box.run(
            "busybox", ["sh", "-c", _WORK], **{"network": "none", **asked, "quiet": True}
        )
        if done.code != 0 or "can't" in done.stderr:
            return failed("the service does not work in such a container", "it works")
        found = attacks.attack(box, **asked)
    except (LabError, TypeError) as error:
        return failed(f"no container runs with these options: {error}", "one that runs")
    through = [name for name, one in found.items() if one.through and name != _STAYS]
    if through:
        return failed(f"got through: {', '.join(through)}", "nothing but the kernel itself")
    return passed(f"the service works, and of {len(found)} attacks one got through: {_STAYS}")


@exercise(
    "what-it-lacks",
    title="What it lacks",
    points=3,
    seconds=45.0,
    hints=(
        "The check starts four containers with options that are drawn, and asks your function "
        "about the first process of each. It reads itself what the kernel says.",
        "`/proc/PID/status` has a line for three of the four words. Which of the five sets of "
        "capabilities is the limit for whatever is run in there, whoever the user is now?",
        "`/proc/PID/uid_map` maps 0 to 0, and all the rest, for who is in the host's namespace. "
        "`Seccomp` has three values: seccomp(2), SECCOMP_MODE_FILTER.",
    ),
)
def what_it_lacks(box: Lab, lacks: object) -> Verdict:
    """Ask about containers that are drawn, and compare with what the kernel says."""
    extra = random.sample(["SYS_PTRACE", "SYS_NICE", "NET_ADMIN", "SYS_ADMIN"], 2)
    drawn: list[ContainerOptions] = [
        {"network": "none"},
        {"cap_drop": ["CHOWN"]},
        {"userns": "auto", "cap_add": extra[:1]},
        {"user": "1000", "cap_add": extra[1:], "cap_drop": ["MKNOD"]},
    ]
    # A filter, and new privileges: each with and without the other.
    held = [
        ["no-new-privileges"],
        ["seccomp=unconfined"],
        ["seccomp=unconfined", "no-new-privileges"],
    ]
    for options, more in zip(random.sample(drawn, len(held)), held, strict=True):
        options["security_opt"] = more
    seen = 0
    with ExitStack() as ending:
        for options in random.sample(drawn, len(drawn)):
            container = box.start("busybox", "sleep 1000", **options)
            ending.callback(container.remove)
            wanted = _lacking(box, container.pid)
            tried = attempt(lacks, container.pid)
            said = ", ".join(f"{name}={value}" for name, value in options.items())
            if tried.failure:
                return failed(f"of one with {said}: {tried.failure}")
            if not isinstance(tried.value, list | set | tuple):
                return failed(f"your function says {tried.value!r:.80}", "a set of words")
            if {*map(str, tried.value)} != wanted:
                told = ", ".join(sorted(map(str, tried.value))) or "nothing"
                expected = ", ".join(sorted(wanted)) if not seen else "what the kernel says"
                return failed(f"of one with {said}, your function says {told}", expected)
            seen += 1
    return passed(f"{seen} containers: it lacks what the kernel says that it lacks")


def _lacking(box: Lab, pid: int) -> set[str]:
    said = reading.status(pid)
    more = {*capabilities.names(int(said["CapBnd"], 16))} - {*capabilities.DEFAULT}
    lacking = {
        "filter": said["Seccomp"] != "2",
        "no new privileges": said["NoNewPrivs"] != "1",
        "user namespace": "user" not in outside.own(box, pid),
        "capabilities": bool(more),
    }
    return {name for name, lacks in lacking.items() if lacks}


@exercise(
    "one-lock",
    title="One lock",
    points=2,
    hints=(
        "The check draws grids: for each defence, which attacks get through it. It observes for "
        "which attacks your function names a defence, and which one.",
        "What is to become of an attack that two defences stop, and of one that none stops?",
        "Turn the grid round first: for each attack the list of defences where its cell is False. "
        "How long is the list of those that hang on one lock?",
    ),
)
def one_lock(box: Lab, one_lock: object) -> Verdict:
    """Draw grids, and compare."""
    for number in range(5):
        grid = _drawn()
        attacked = list(next(iter(grid.values())))
        locks = {name: [one for one in grid if not grid[one][name]] for name in attacked}
        wanted = {name: found[0] for name, found in locks.items() if len(found) == 1}
        tried = attempt(one_lock, grid)
        if tried.failure:
            return failed(tried.failure)
        if tried.value != wanted:
            expected = f"{wanted}" if number == 0 else "each attack that one defence alone stops"
            return failed(f"your function says {tried.value!r:.120}", expected)
    return passed("five grids: the attacks that hang on one lock, and which")


def _drawn() -> dict[str, dict[str, bool]]:
    """Draw a grid where each kind of attack is there: stopped by none, by one, and by several."""
    defences = random.sample(_DEFENCES, 4)
    counts = [0, 1, 1, 2, 3, *random.choices(range(5), k=3)]
    names = random.sample(list(attacks.ATTACKS), len(counts))
    stopped = {
        name: random.sample(defences, count) for name, count in zip(names, counts, strict=True)
    }
    return {one: {name: one not in stopped[name] for name in names} for one in defences}

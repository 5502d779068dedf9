"""Exercises of chapter 02 about births and numbers, and what /proc makes of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.exercises import outside, parsons
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab


def _private_mounts(process: Held) -> None:
    """Give it mounts of its own; what it mounts does not spread to the host (chapter 03)."""
    process.unshare("mount")
    process.mount(None, "/", None, "rprivate")


PUZZLES = (
    parsons.puzzle(
        "birth",
        ("fork()", lambda process: process.fork()),
        ("mount('proc', '/proc', 'proc')", lambda process: process.mount("proc", "/proc", "proc")),
        ("unshare('mount'), and make every mount private", _private_mounts),
        ("unshare('pid')", lambda process: process.unshare("pid")),
    ),
)


@exercise(
    "birth-order",
    title="The order of a birth",
    hints=(
        "The check really makes the requests, and looks at the process that made the last one: its "
        "PID inside, and whose processes its `/proc` lists.",
        "In section 1 the process that unshared *pid* was observed to keep its own number. Who got "
        "the new one?",
        "In section 2 `/proc` listed the processes of the namespace in which it was mounted. So "
        "who has to mount it? And what of the host's `/proc`, if its mounts were still the host's?",
    ),
)
def birth_order(box: Lab, order: object) -> Verdict:
    """Make the requests in that order, and look at the process they made."""
    if why := parsons.not_in_order(order):
        return failed(why)
    letters = parsons.letters(order)
    if twice := sorted(letter for letter in set(letters) if letters.count(letter) > 1):
        return failed(f"more than once there is: {', '.join(twice)}", "each request once")
    with parsons.made(box, PUZZLES[0], letters) as run:
        if run.refusal:
            return failed(run.refusal)
        inside = reading.status(run.process.pid)["NSpid"].split()[1:]
        if inside != ["1"]:
            have = " ".join(inside) or "none: it is in the host's PID namespace"
            return failed(f"its PID inside is {have}", "1")
        if "mnt" not in outside.own(box, run.process.pid):
            return failed("its mounts are the host's")
        if not _fresh(box, run.process):
            return failed("its /proc numbers the processes as another PID namespace does")
    return passed("PID 1, with a /proc that counts as it does")


def _fresh(box: Lab, process: Held) -> bool:
    """Say whether /proc and the kernel give one number to a process that joins another one."""
    witness = box.hold()
    try:
        witness.setns(process, "pid", "mount")
        inside = witness.fork()
        try:
            return inside.shell('read pid rest < /proc/self/stat && [ "$pid" = $$ ]') == 0
        finally:
            inside.end()
            witness.reap()  # or the namespace could not end: its init waits for everybody
    finally:
        witness.end()


@exercise(
    "a-list-that-lies",
    title="A list that lies",
    hints=(
        "The check looks at two things: the PID namespace of `liar`, and what stands in the "
        "directory that is *its* `/proc`.",
        "`room` has a `/proc` that lists the right processes. It is a mount; in which namespace of "
        "`room`'s are the mounts?",
        "`setns` enters namespaces of another process: any kinds of them, and only those.",
    ),
)
def a_list_that_lies(box: Lab, liar: Held, room: Held) -> Verdict:
    """Look at its PID namespace; let one be born beside room, and compare what its /proc lists."""
    if wrong_thing := outside.not_held(liar, "liar") or outside.not_held(room, "room"):
        return wrong_thing
    if "pid" in outside.own(box, liar.pid):
        return failed("liar is in a PID namespace of its own", "one that is in the host's")
    with _newborn(box, room) as newborn:
        host = box.hold()
        try:
            theirs = _listed(host, f"/proc/{liar.pid}/root/proc")
        finally:
            host.end()
        newborn.unshare("mount")
        newborn.mount(None, "/", None, "rprivate")
        newborn.mount("proc", "/proc", "proc")
        truth = _listed(newborn, "/proc")
    if box.agent in theirs - truth:
        return failed("its /proc lists the host's processes: the lab's agent, for one")
    if missing := len(truth - theirs):
        text = f"of {len(truth)} processes of room's namespace its /proc does not list {missing}"
        return failed(text, "all of them, and one that was born there a moment ago")
    if strange := len(theirs - truth):
        return failed(f"its /proc lists {strange} processes that are not in room's namespace")
    return passed("in the host's PID namespace, and its /proc lists room's processes")


@contextmanager
def _newborn(box: Lab, process: Held) -> Iterator[Held]:
    """Hold a process that is born in another's PID namespace."""
    parent = box.hold()
    try:
        parent.setns(process, "pid")
        child = parent.fork()
        try:
            yield child
        finally:
            child.end()
            parent.reap()  # or the namespace could not end: its init waits for everybody
    finally:
        parent.end()


def _listed(process: Held, proc: str) -> set[int]:
    """Return the PIDs that a directory lists as /proc does; none if there is no such directory."""
    names = process.evaluate(f"os.listdir({proc!r}) if os.path.isdir({proc!r}) else []")
    return {int(name) for name in names if name.isdigit()}


@exercise(
    "third-and-first",
    title="Third and first",
    points=3,
    hints=(
        "The check reads `NSpid`. For `inner` in section 8 it would observe `2 1` after the host's "
        "number.",
        "The numbers in a PID namespace are given in the order of birth. What had number 2 in the "
        "namespace above `inner`'s?",
        "One birth more there. It has to happen before the namespace below is asked for: "
        "afterwards, the first one born would be its PID 1.",
    ),
)
def third_and_first(_box: Lab, deep: Held) -> Verdict:
    """Read its numbers."""
    if wrong_thing := outside.not_held(deep, "deep"):
        return wrong_thing
    inside = reading.status(deep.pid)["NSpid"].split()[1:]
    if inside != ["3", "1"]:
        return failed(f"after the host's, its numbers are: {' '.join(inside) or 'none'}", "3 1")
    return passed("the third one in the namespace above, the first in its own")

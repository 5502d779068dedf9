"""Chapter 02, PID namespaces, init and signals: what it asks."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.lab.exercises import outside, parsons
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.predictions import choice, number
from kernelbox.lab.exercises.quiz import question, right, wrong
from kernelbox.lab.exercises.registry import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.client import Lab
    from kernelbox.lab.held import Held
    from kernelbox.lab.running import Container

PREDICTIONS = (
    number("births", "born until the kernel refuses, if the first one ends"),
    choice("ps", "in a new PID namespace, ps lists", "its own processes", "the host's"),
    number("stop", "seconds to stop sleep, with 2 s of patience", unit="s"),
    choice(
        "orphan",
        "who adopts an orphan in a PID namespace",
        "its grandparent", "the host's init", "PID 1 of its namespace",
    ),
    number("depth", "levels of PID namespaces, one in the other"),
    number("survivors", "of three processes, those that outlive their init"),
)  # fmt: skip


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
    with parsons.made(box, PUZZLES[0], order) as run:
        if run.refusal:
            return failed(run.refusal)
        inside = outside.status(run.process.pid)["NSpid"].split()[1:]
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
    """Look at its PID namespace, and walk into its /proc."""
    if wrong_thing := outside.not_held(liar, "liar") or outside.not_held(room, "room"):
        return wrong_thing
    if "pid" in outside.own(box, liar.pid):
        return failed("liar is in a PID namespace of its own", "one that is in the host's")
    witness = box.hold()
    try:
        witness.setns(liar, "mount")
        if witness.shell(f"[ -e /proc/{box.agent} ]") == 0:
            return failed("its /proc lists the host's processes: the lab's agent, for one")
        inits = f"pid:[{box.namespaces(room.pid)['pid']}]"
        if witness.shell(f'[ "$(readlink /proc/1/ns/pid)" = "{inits}" ]') != 0:
            return failed("the PID 1 that its /proc lists is not room, or there is none")
    finally:
        witness.end()
    return passed("in the host's PID namespace, and its /proc lists room's processes")


@exercise(
    "who-listens",
    title="Who listens?",
    hints=(
        "The check asks for processes that catch one signal, ignore another, and leave the rest as "
        "it is. Three lines of `/proc/PID/status` tell these apart.",
        "`SigCgt: 0000000000000200` was observed for a process that catches signal 10 and nothing "
        "else. It is a number in base 16; write it in base 2.",
        "Signal 1 is the lowest bit. `int(text, 16)` reads it, `mask >> n & 1` is bit n, counted "
        "from 0.",
    ),
)
def who_listens(box: Lab, catches: object) -> Verdict:
    """Compare with processes of which it is known what they catch."""
    process = box.hold()
    try:
        process.python(
            "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
        )
        for name, number, truth in (
            ("USR1, which is caught", signal.SIGUSR1, True),
            ("HUP, which is left as it is", signal.SIGHUP, False),
            ("TERM, which is ignored", signal.SIGTERM, False),
            ("signal 64, which is caught", signal.SIGRTMAX, True),
        ):
            tried = attempt(catches, process.pid, int(number))
            if tried.failure:
                return failed(f"for {name}: {tried.failure}")
            if tried.value not in (0, 1) or bool(tried.value) is not truth:
                return failed(f"for {name}: {tried.value!r}", repr(truth))
    finally:
        process.end()
    return passed("it tells apart what is caught, ignored, and left as it is")


@exercise(
    "goes-when-asked",
    title="It goes when asked",
    seconds=30,
    hints=(
        "The check starts the command as a container's PID 1, stops it with 2 s of patience, and "
        "reads the exit code: 137 is KILL's, and 0 is what a program says that went by itself.",
        "Without a handler, PID 1 was observed not to get TERM at all. Which program of busybox "
        "can have a handler, and what word sets it?",
        "A shell runs its handler when the program it waits for has ended. `wait`, which is its "
        "own, is interrupted; a program in the foreground is not.",
    ),
)
def goes_when_asked(box: Lab, polite: object) -> Verdict:
    """Start it, stop it, and read how it ended."""
    if not isinstance(polite, list) or not all(isinstance(word, str) for word in polite):
        return failed(f"polite is {polite!r:.80}", "a list of words: a program and its arguments")
    container = box.start("busybox", polite, network="none")
    try:
        # A handler may be set a while after the start. Without one, there is nothing to wait for.
        _soon(lambda: not outside.alive(container.pid) or _listens(container), seconds=1.5)
        if not outside.alive(container.pid):
            return failed("it has ended before anybody asked it to", "a program that goes on")
        container.stop(seconds=2)
        code = container.wait()
    finally:
        container.remove()
    if code == 137:
        return failed("2 s after TERM its PID 1 still ran, and was killed: exit code 137")
    if code:
        return failed(f"it went when asked, with exit code {code}", "exit code 0")
    return passed("TERM was sent, and it went by itself with exit code 0")


def _listens(container: Container) -> bool:
    """Say whether a container's PID 1 catches TERM."""
    caught = int(outside.status(container.pid)["SigCgt"], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@exercise(
    "a-good-init",
    title="A good init",
    hints=(
        "The check sends three orphans to `nurse`, and counts the zombies among its children. It "
        "does so each time it looks: what was collected before does not help it.",
        "`nurse.python(code)` runs Python in `nurse` itself. What does a parent get when a child "
        "has ended? A signal, the one called CHLD.",
        "wait(2), under NOTES, names two ways: a handler that waits for the children, or telling "
        "the kernel beforehand that nobody is going to ask.",
    ),
)
def a_good_init(box: Lab, nurse: Held) -> Verdict:
    """Send it orphans, and count the zombies."""
    if wrong_thing := outside.not_held(nurse, "nurse"):
        return wrong_thing
    inside = outside.status(nurse.pid)["NSpid"].split()[1:]
    if inside[-1:] != ["1"]:
        return failed("nurse is PID 1 of no PID namespace of its own: no orphan comes to it")
    before = set(_children(nurse.pid))
    _send_orphans(box, nurse)
    _soon(lambda: set(_children(nurse.pid)) <= before, seconds=2)
    states = [state for state in _children(nurse.pid).values() if state.startswith("Z")]
    if states:
        return failed(f"zombies among its children: {len(states)}", "none")
    return passed("three orphans came and ended, and no zombie is left")


def _send_orphans(box: Lab, init: Held) -> None:
    """Let three processes of its PID namespace lose their parent, and end soon after."""
    witness = box.hold()
    try:
        witness.setns(init, "pid")
        inside = witness.fork()
        try:
            inside.shell("for number in 1 2 3; do sleep 0.1 > /dev/null 2>&1 & done")
        finally:
            inside.end()
            witness.reap()
    finally:
        witness.end()


def _children(pid: int) -> dict[int, str]:
    """Return the state of each child of a process, by its pid."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status = outside.status(path.name)
        except OSError:  # it has just ended
            continue
        if status["PPid"] == str(pid):
            found[int(path.name)] = status["State"]
    return found


def _soon(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds, for so long at most; say whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@exercise(
    "third-and-first",
    title="Third and first",
    hints=(
        "The check reads `NSpid`. For `inner` in section 6 it would observe `2 1` after the host's "
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
    inside = outside.status(deep.pid)["NSpid"].split()[1:]
    if inside != ["3", "1"]:
        return failed(f"after the host's, its numbers are: {' '.join(inside) or 'none'}", "3 1")
    return passed("the third one in the namespace above, the first in its own")


QUIZ = (
    question(
        "In a container `ps` lists three processes. This proves ...",
        wrong("that it is isolated from the others", "Exercise 2 has made the list lie: `ps` reads "
              "whatever is mounted at `/proc`, and may itself be elsewhere."),
        right("which PID namespace its /proc was mounted in", "A `/proc` lists the processes of "
              "the PID namespace of whoever mounted it (section 2)."),
        wrong("that the host has hidden the others", "Nothing is hidden: they have no number in "
              "this namespace."),
    ),
    question(
        "In a shell from `unshare --pid sh`, without `--fork`, the second command fails: `Cannot "
        "fork`. Why?",
        wrong("the machine is short of memory", "The error number is ENOMEM, for want of a better "
              "one. Memory has nothing to do with it."),
        wrong("a namespace may have one process only", "It may have as many as you like, as long "
              "as its first one lives."),
        right("the first command was PID 1, and has ended", "A PID namespace dies with its init, "
              "and nobody can be born in it any more (section 1)."),
    ),
    question(
        "`docker stop` takes ten seconds for your container. The likely reason is ...",
        wrong("that stopping a container is slow", "Two of the four in section 4 were gone at "
              "once; all that took time was waiting."),
        right("that its PID 1 has no handler for TERM", "The kernel drops the signal; the runtime "
              "waits in vain, and then sends KILL (section 4)."),
        wrong("that its processes save their data", "With exit code 137 nobody has saved "
              "anything: it was killed."),
    ),
    question(
        "What does `--init` change?",
        right("PID 1 is a small program that passes signals on and collects orphans", "Your own "
              "program is then an ordinary process, for which TERM means what it means elsewhere."),
        wrong("the container gets a systemd", "It gets one process that starts one program: "
              "`tini`, here as with Docker."),
        wrong("the program starts before the others", "It starts as a child of PID 1; there are no "
              "others yet."),
    ),
    question(
        "A zombie is ...",
        wrong("a process that does not react any more", "It cannot react: it has ended, and runs "
              "no code."),
        wrong("a process without a parent", "That is an orphan. A zombie has a parent, which has "
              "not asked for it."),
        right("what is kept of an ended process until its parent asks", "Its number and its exit "
              "code; KILL does nothing to it (section 5)."),
    ),
    question(
        "You kill a container's PID 1 from the host. Its other processes ...",
        wrong("go on, as orphans of the host's init", "An orphan stays in its PID namespace, and "
              "there nobody is left to adopt it."),
        wrong("get TERM, and can clean up", "They get KILL; no handler runs."),
        right("are killed by the kernel", "A PID namespace ends with its init, whatever the others "
              "catch or ignore (section 7)."),
    ),
)  # fmt: skip

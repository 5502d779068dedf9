"""Exercises of chapter 02 about signals: who hears them, who goes, who collects."""

from __future__ import annotations

import random
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.plain import plain
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.started import Container


# What a held process may be told to treat in some way: not KILL and STOP, which nobody catches, nor
# those that stop a process or tell of a child, nor what Python or the C library treat themselves.
# Nor 63, so that 64, which each of them catches, has no neighbour that is caught.
_SIGNALS = (1, *range(3, 9), 10, 11, 12, 14, 15, 16, *range(35, 63))


@exercise(
    "who-listens",
    title="Who listens?",
    seconds=30,
    hints=(
        "The check asks for processes that catch some signals, ignore or block others, and leave "
        "the rest as it is. A line of `/proc/PID/status` for each of these tells them apart.",
        "`SigCgt: 0000000000000200` was observed for a process that catches signal 10 and nothing "
        "else. It is a number in base 16; write it in base 2.",
        "Which place has the one bit of that number, counted from the right? What does your "
        "function say for the signals just below and above it, and for 64, the highest?",
    ),
)
def who_listens(box: Lab, catches: object) -> Verdict:
    """Compare with processes of which it is known what they catch: something else each time."""
    made = [box.hold(), box.hold()]
    try:
        for count, (process, number, kind) in enumerate(_questions(made)):
            truth = kind == "caught"
            tried = attempt(catches, process.pid, number)
            about = f"for signal {number}, which is {kind}"
            if tried.failure:
                return failed(f"{about}: {tried.failure}")
            if not isinstance(tried.value, bool | int) or bool(tried.value) is not truth:
                return failed(f"{about}: {tried.value!r}", repr(truth) if count == 0 else "")
    finally:
        for process in made:
            process.end()
    return passed(f"of {count + 1} signals it tells apart what is caught, and what is not")


def _questions(processes: list[Held]) -> list[tuple[Held, int, str]]:
    """Let processes treat signals in several ways, drawn anew; return which, how, in some order.

    The first question is about one that is caught, and those beside it are not: whoever reads one
    bit too far is told of one that was missed. The highest signal is always among them.
    """
    found, lonely = [], []
    for process in processes:
        caught, ignored, blocked, left = _drawn(3, 2, 2, 2)
        caught.append(64)
        process.python(
            "def caught(*_): pass\n"
            f"for number in {caught}: signal.signal(number, caught)\n"
            f"for number in {ignored}: signal.signal(number, signal.SIG_IGN)\n"
            f"signal.pthread_sigmask(signal.SIG_BLOCK, {blocked})\n"
            f"for number in {blocked}: os.kill(os.getpid(), number)"
        )
        for kind, numbers in (
            ("caught", caught),
            ("ignored", ignored),
            ("blocked", blocked),
            ("left as it is", left),
        ):
            found += [(process, number, kind) for number in numbers]
        lonely += [
            (process, number, "caught")
            for number in caught
            if not {number - 1, number + 1} & set(caught)
        ]
    random.shuffle(found)
    first = random.choice(lonely)
    found.remove(first)
    return [first, *found]


def _drawn(*sizes: int) -> list[list[int]]:
    """Return lists of these sizes, of signals none of which is in two of them."""
    numbers = random.sample(_SIGNALS, sum(sizes))
    return [[numbers.pop() for _ in range(size)] for size in sizes]


@exercise(
    "goes-when-asked",
    title="It goes when asked",
    seconds=40,
    points=3,
    hints=(
        "The check starts the command twice, as the PID 1 of two containers. It stops the one with "
        "2 s of patience, and reads the exit code: 137 is KILL's, and 0 is what a program says "
        "that went by itself. The other has to run on until it is asked as well.",
        "Without a handler, PID 1 was observed not to get TERM at all. Which program of busybox "
        "can have a handler, and what word sets it?",
        "Does your PID 1 catch TERM (exercise 3), and goes late all the same? Then observe what it "
        "waits for: how long has a program in the foreground to run until the handler does?",
    ),
)
def goes_when_asked(box: Lab, polite: object) -> Verdict:
    """Start it twice, stop one and later the other, and read how they ended."""
    words = plain(polite)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return failed(f"polite is {polite!r:.80}", "a list of words: a program and its arguments")
    pair = [box.start("busybox", words, network="none") for _ in range(2)]
    first, second = random.sample(pair, 2)
    try:
        # Without a handler, there is nothing to wait for.
        _soon(lambda: all(_listens(one) or not reading.alive(one.pid) for one in pair), seconds=1.5)
        if not reading.alive(first.pid):
            return failed("it has ended before anybody asked it to", "a program that goes on")
        if wrong := _goes(first):
            return wrong
        # What ends by itself within the first one's 2 s ends here as well, now or in a moment.
        _soon(lambda: not reading.alive(second.pid), seconds=random.uniform(0.8, 1.6))
        if not reading.alive(second.pid):
            return failed("a second one, which nobody had asked, has ended as well", "it runs on")
        if wrong := _goes(second):
            return wrong
    finally:
        for one in pair:
            one.remove()
    return passed("two got TERM, the second one later: each went then, with exit code 0")


def _goes(container: Container) -> Verdict | None:
    """Stop a container; return the verdict on one that does not go as it should."""
    listens = _listens(container)
    container.stop(seconds=2)
    code = container.wait()
    if code == 137:
        heard = "it catches TERM, but" if listens else "it does not catch TERM:"
        return failed(f"{heard} after 2 s its PID 1 still ran, and was killed: exit code 137")
    if code:
        return failed(f"it went when asked, with exit code {code}", "exit code 0")
    return None


def _listens(container: Container) -> bool:
    """Say whether a container's PID 1 has a handler for TERM, or waits for it with TERM blocked."""
    try:
        status = reading.status(container.pid)
    except OSError:  # it has ended
        return False
    masks = int(status["SigCgt"], 16) | int(status["SigBlk"], 16)
    return bool(masks >> (signal.SIGTERM - 1) & 1)


@exercise(
    "a-good-init",
    title="A good init",
    points=3,
    seconds=40,
    hints=(
        "The check sends orphans to `nurse`, and counts the zombies among its children. It does so "
        "each time it looks: what was collected before does not help it.",
        "`nurse.python(code)` runs Python in `nurse` itself. What does a parent get when a child "
        "has ended? A signal, the one called CHLD. And when three have ended at the same time?",
        "wait(2), under NOTES, names two ways: a handler that waits for the children, or telling "
        "the kernel beforehand that nobody is going to ask.",
    ),
)
def a_good_init(box: Lab, nurse: Held) -> Verdict:
    """Send it orphans one after the other, then some that end all at once; count the zombies."""
    if wrong_thing := outside.not_held(nurse, "nurse"):
        return wrong_thing
    inside = reading.status(nurse.pid)["NSpid"].split()[1:]
    if inside[-1:] != ["1"]:
        return failed("nurse is PID 1 of no PID namespace of its own: no orphan comes to it")
    before = set(reading.children(nurse.pid))
    for together in (False, True, False):
        count = random.randint(3, 6) + 12 * together  # more than whoever asks a few times may hope
        _send_orphans(box, nurse, count, together=together)
        _soon(lambda: set(reading.children(nurse.pid)) <= before, seconds=2)
        if not reading.alive(nurse.pid):
            return failed("nurse has ended when orphans came", "it collects them, and lives on")
        zombies = [one for one in reading.children(nurse.pid).values() if one.startswith("Z")]
        if zombies:
            how = "that ended while nurse slept" if together else "that ended one by one"
            text = f"zombies among its children: {len(zombies)}, after {count} orphans {how}"
            return failed(text, "none")
    return passed("orphans came and ended, one by one and all at once, and no zombie is left")


def _send_orphans(box: Lab, init: Held, count: int, *, together: bool) -> None:
    """Let some processes of its PID namespace lose their parent, and end.

    Those that end together do so while the init is stopped: of the signals that tell it of them,
    the kernel keeps one. Source: signal(7), "Queueing and delivery semantics for standard signals".
    """
    witness = box.hold()
    try:
        witness.setns(init, "pid")
        inside = witness.fork()
        try:
            naps = "sleep 0.3" if together else "sleep 0.$number"
            numbers = " ".join(map(str, range(1, count + 1)))
            inside.shell(f"for number in {numbers}; do {naps} > /dev/null 2>&1 & done")
            if together:
                _end_while_stopped(box, init)
        finally:
            inside.end()
            witness.reap()
    finally:
        witness.end()


def _end_while_stopped(box: Lab, init: Held) -> None:
    """Stop a process until all its children that sleep have ended, and let it go on."""
    host = box.hold()
    try:
        host.shell(f"kill -STOP {init.pid}")
        _soon(lambda: not _sleeping(init.pid), seconds=3)
        host.shell(f"kill -CONT {init.pid}")
    finally:
        host.end()


def _sleeping(pid: int) -> list[int]:
    """Return the children of a process that are `sleep`, and no zombies."""
    found = []
    for child, state in reading.children(pid).items():
        with suppress(OSError):  # it has just ended
            if state[0] not in "ZX" and reading.status(child)["Name"] == "sleep":
                found.append(child)
    return found


def _soon(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds, for so long at most; say whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True

"""Exercises of chapter 14 about what is shared: counted once, one copy."""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.experiments import page_cache
from kernelbox.lab.started import Container

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

KIB, MIB = 1 << 10, 1 << 20

_NEAR = 0.01
_ALL = 0.95  # of a file: the kernel may take a page back at any time


@exercise(
    "counted-once",
    title="Counted once",
    points=2,
    seconds=30.0,
    hints=(
        "The check lets processes share memory, so much as it draws, reads their `smaps_rollup`, "
        "and observes what your function adds up.",
        "Which of the lines may be added up over processes that share pages? And in which unit "
        "does the kernel write?",
        "proc_pid_smaps(5): `Pss` is the process's proportional share. There are more lines that "
        "begin with these letters; and `kB` are 1024 bytes.",
    ),
)
def counted_once(box: Lab, memory_of: object) -> Verdict:
    """Let processes share memory in several ways; compare with the sum of their shares."""
    for number in range(3):
        with ExitStack() as ending:
            texts = _family(box, ending, 2 + number, random.randint(4, 9), random.randint(1, 6))
        wanted = sum(
            int(line.split()[1]) * KIB
            for text in texts
            for line in text.splitlines()
            if line.startswith("Pss:")
        )
        tried = attempt(memory_of, texts)
        who = f"of {len(texts)} processes that share memory"
        if tried.failure:
            return failed(f"{who}: {tried.failure}")
        if isinstance(tried.value, bool) or not isinstance(tried.value, int | float):
            return failed(f"{who}, your function says {tried.value!r:.80}", "bytes: a number")
        if abs(tried.value - wanted) > _NEAR * wanted:
            return failed(
                f"{who}, your function says {tried.value:.0f} bytes",
                f"{wanted} bytes" if not number else "each page counted once",
            )
    return passed("three families of processes: each page is counted once, whoever has it")


def _family(box: Lab, ending: ExitStack, count: int, shared: int, own: int) -> list[str]:
    """Return the rollups of so many processes: with common memory, and one's own; MiB."""
    parent = box.hold()
    ending.callback(parent.end)
    parent.python(f"common = mmap.mmap(-1, {shared * MIB}); common.write(bytes({shared * MIB}))")
    everyone = [parent]
    for _ in range(count - 1):
        child = parent.fork()
        ending.callback(child.end)
        child.python(f"sum(common[::4096]); mine = bytearray(os.urandom({own * MIB}))")
        everyone.append(child)
    paths = [f"/proc/{one.pid}/smaps_rollup" for one in everyone]
    texts: list[str] = parent.evaluate(f"[open(one).read() for one in {paths}]")
    return texts


@exercise(
    "one-copy",
    title="One copy",
    points=3,
    seconds=60.0,
    hints=(
        "The check has the kernel forget the file's pages, reads it in one container, and observes "
        "how much of it the other finds in memory; then the other way round.",
        "To the page cache a file is an inode of a real file system, and not a path. When do two "
        "containers have the same one below?",
        "Containers of one image share its layers until they write. A directory of the host can be "
        "mounted into both as well: `volume` of `box.start`.",
    ),
)
def one_copy(box: Lab, twins: object, film: str, size: int) -> Verdict:
    """Read in the one, look in the other; both ways."""
    if not isinstance(twins, list | tuple) or len(twins) != 2:
        return failed(f"twins is {twins!r:.80}", "two containers")
    for one in twins:
        if not isinstance(one, Container):
            return failed(f"in twins there is {one!r:.60}", "what box.start() returned")
        if outside.has_ended(one.pid):
            return failed("one of twins has ended", "two containers that run")
    if twins[0].id == twins[1].id:
        return failed("twins is one container, twice", "two")
    if any("mnt" not in outside.own(box, one.pid) for one in twins):
        return failed("one of twins has the host's mounts", "its own")
    readers = [page_cache.reader(box, one) for one in twins]
    try:
        for one in readers:
            one.python(_LOOKED)
        return _shared(readers, film, size)
    finally:
        for one in readers:
            one.end()


def _shared(readers: list[Held], film: str, size: int) -> Verdict:
    names = ("the first", "the second")
    found = []
    for name, one in zip(names, readers, strict=True):
        try:
            # They are forks of one agent, whose hashes of the same bytes are the same.
            found.append(one.evaluate(f"looked({film!r})"))
        except LabError:
            return failed(f"{name} of twins has no file {film}", f"a file of {size} bytes")
        if found[-1][0] != size:
            return failed(f"{film} of {name} has {found[-1][0]} bytes", f"{size} bytes")
    if found[0][:2] != found[1][:2]:
        return failed("the two files say different things", "the same")
    said = f"what {names[0]} reads, {names[1]} finds in memory, and the other way round"
    if found[0] == found[1]:  # one inode of one file system: it may live in memory, too
        return passed(said)
    for number in (0, 1):
        first, second = readers[number], readers[1 - number]
        for name, one in ((names[number], first), (names[1 - number], second)):
            if not page_cache.dropped(one, film):
                return failed(
                    f"{film} of {name} has just been written there, or lives in memory alone: it "
                    "is a copy of its own",
                    "one file, which both have from somewhere else",
                )
        page_cache.read(first, film)
        share = page_cache.cached(second, film)
        if share < _ALL:
            return failed(
                f"after {names[number]} has read {film}, the other finds {share:.0%} in memory: it "
                "has a copy of its own",
                "all of it: there is but one",
            )
    return passed(said)


# What a reader is asked to evaluate: the size of a file, a hash of its bytes, and which file it is.
_LOOKED = """
def looked(path):
    there = os.stat(path)
    with open(path, "rb") as file:
        return there.st_size, hash(file.read()), there.st_dev, there.st_ino
"""

"""Exercises of chapter 10 about limits: a slow lane, how long, the quiet neighbour."""

from __future__ import annotations

import random
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.chapters.chapter10.holding import limits, not_a_group
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.measuring import moved
from kernelbox.lab.working import Disk, Load

if TYPE_CHECKING:
    from kernelbox.lab.groups import Group
    from kernelbox.lab.notebook import Lab

MIB = 1 << 20

_LANE = 3 * MIB  # bytes a second
_ROUND = 0.07  # of it: three million are meant as well
_OVER = 1.25  # times what a window may show: the kernel counts in slices of a tenth of a second
_WINDOW = 0.8  # seconds
_TRIES = 3
_PATIENCE = 8.0  # seconds
_NEAR = 0.1  # of the seconds that a function tells
_LESS = 0.7  # of the time of the limit that bites, the other one asks for
_SCAN = 8 * MIB  # bytes a second
_PROMPT = 0.1  # seconds
_SMALL = 4096  # bytes of an answer of the shop
_ANSWERS = 8  # of the shop, that are looked at
_LOOKS = 2


@exercise(
    "slow-lane",
    title="A slow lane",
    seconds=30.0,
    hints=(
        "The check observes which limits of the disk hold for a process that is born in `lane`, "
        "and what `io.stat` counts while it writes there.",
        "A line of `io.max` begins with a disk, and has up to four limits. Which of them is for "
        "bytes, and which for writes?",
        "How many bytes are 3 MiB? And what has to stand for what is not to be limited?",
    ),
)
def slow_lane(box: Lab, lane: object, disk: object) -> Verdict:
    """Let a direct writer be born in the group; read its limits, and what reaches the disk."""
    assert isinstance(disk, Disk)  # it has been given
    if wrong_thing := not_a_group(lane, "lane"):
        return wrong_thing
    group: Group = lane  # type: ignore[assignment]  # `not_a_group` has seen it
    if group.events["frozen"]:
        return failed("the group is frozen: nobody writes in there", "a group that runs")
    block = random.choice((16, 32, 64, 128)) << 10
    with ExitStack() as ending:
        witness = box.hold()
        ending.callback(witness.end)
        group.add(witness)
        most = limits(witness.pid, disk.number)
        if verdict := _no_lane(most):
            return verdict
        writer = box.write(disk.path, disk.size, block=block, direct=True, group=group)
        ending.callback(writer.end)
        reading.until(lambda: writer.count > MIB // 2, _PATIENCE)
        rate = 0.0
        for _ in range(_TRIES):
            rate = moved(group, disk.number, _WINDOW)["wbytes"]
            if 0 < rate <= _OVER * _LANE:
                return passed(f"{most['wbps']} bytes a second, and io.stat shows that this is kept")
    if not rate:
        return failed("a direct writer in lane writes nothing", "3 MiB a second")
    return failed(f"io.stat of lane shows {rate / MIB:.1f} MiB a second", "3 at most")


def _no_lane(found: dict[str, int]) -> Verdict | None:
    """Return the verdict on limits that are not those of the exercise."""
    if "wbps" not in found:
        there = ", ".join(found) or "none"
        return failed(f"limits of the disk that hold for a writer in lane: {there}", "wbps")
    if abs(found["wbps"] - _LANE) > _ROUND * _LANE:
        may = f"a writer in lane may write {found['wbps']} bytes a second"
        return failed(may, "3 MiB a second")
    if more := [key for key in ("rbps", "riops") if key in found]:
        return failed(f"reading is limited as well: {', '.join(more)}", "no limit for reading")
    if found.get("wiops", 1000) < 1000:
        return failed("the number of its writes is limited as well", "one limit, of bytes")
    return None


@exercise(
    "how-long",
    title="How long?",
    points=3,
    seconds=60.0,
    hints=(
        "The check lets writers work below limits that it draws: of bytes, of requests, of both. "
        "It compares what your function says with what they have taken.",
        "A direct writer sends one request for each block. How many are that, and how many may it "
        "send in a second? And the same for bytes?",
        "Both limits hold at once. Which of two waits ends last? A limit that is None makes nobody "
        "wait.",
    ),
)
def how_long(box: Lab, least: object) -> Verdict:
    """Compare with what writers take in groups with such limits."""
    disk = box.disk(4 * MIB)
    # No one number is near both a short time and a long one.
    times = [random.uniform(*one) for one in ((0.2, 0.3), (0.6, 0.9)) for _ in range(2)]
    random.shuffle(times)
    kinds = [(draw, both) for draw in (_bytes_bite, _requests_bite) for both in (False, True)]
    cases = [draw(time, both) for (draw, both), time in zip(kinds, times, strict=True)]
    random.shuffle(cases)
    with ExitStack() as ending:
        ending.callback(disk.remove)
        group = box.cgroup("check-long")
        ending.callback(group.remove)
        for number, (size, block, most) in enumerate(cases):
            tried = attempt(least, size, block, dict(most))
            if tried.failure:
                return failed(tried.failure)
            if isinstance(tried.value, bool) or not isinstance(tried.value, int | float):
                return failed(f"your function says {tried.value!r:.80}", "seconds, a number")
            by_rule = max(
                size / (most["wbps"] or size * 1e6), size / block / (most["wiops"] or 1e9)
            )
            if abs(tried.value - by_rule) <= _NEAR * by_rule and number:
                continue  # the rule is the kernel's: the first case has shown that, and it is slow
            took = _took(box, group, disk, size, block, most)
            if not (1 - _NEAR) * by_rule <= tried.value <= (1 + _NEAR) * max(by_rule, took):
                said = ", ".join(f"{key}={value}" for key, value in most.items())
                return failed(
                    f"{size // block} blocks of {block >> 10} KiB, with {said}: your function says "
                    f"{tried.value:.3g} s",
                    "what the slowest limit asks for" if number else f"{took:.2g} s, as it took",
                )
        tried = attempt(least, MIB, 4096, {"wbps": None, "wiops": None})
    if tried.failure or tried.value != 0:
        said = tried.failure or f"your function says {tried.value!r:.40}"
        return failed(f"without any limit: {said}", "0: nobody has to wait")
    return passed("four writers, below limits of bytes, of requests, and both; and one with none")


def _bytes_bite(seconds: float, both: bool) -> tuple[int, int, dict[str, int | None]]:
    """Draw a writer that its limit of bytes keeps waiting: its size, its blocks, its limits.

    With `both` there is a limit of requests, too, which asks for less of that time.
    """
    block, number = random.choice((64, 128)) << 10, random.randint(8, 12)
    wiops = round(number / (_LESS * seconds)) if both else None
    return block * number, block, {"wbps": round(block * number / seconds), "wiops": wiops}


def _requests_bite(seconds: float, both: bool) -> tuple[int, int, dict[str, int | None]]:
    """Draw a writer that its limit of requests keeps waiting, likewise."""
    block, number = random.choice((4, 8)) << 10, random.randint(16, 30)
    wbps = round(block * number / (_LESS * seconds)) if both else None
    return block * number, block, {"wbps": wbps, "wiops": round(number / seconds)}


def _took(
    box: Lab, group: Group, disk: Disk, size: int, block: int, most: dict[str, int | None]
) -> float:
    """Return how long a direct writer takes below some limits, seconds."""
    words = " ".join(f"{key}={'max' if value is None else value}" for key, value in most.items())
    group.write("io.max", f"{disk.number} {words}")
    writer = box.write(disk.path, disk.size, block=block, direct=True, group=group)
    try:
        number = size // block
        reading.until(lambda: len(writer.measured) >= number, _PATIENCE)
        return sum(writer.measured[:number])
    finally:
        writer.end()


@exercise(
    "quiet-neighbour",
    title="The quiet neighbour",
    points=3,
    seconds=40.0,
    hints=(
        "The check observes which limit of the disk holds for `scan`, how much it reads, and how "
        "long the next answers of `shop` take.",
        "Why does `shop` wait, though it reads next to nothing? Whose bytes stand before its own?",
        "A limit is one queue for all who are in the group. Does `shop` have to stand in the "
        "queue of `scan`?",
    ),
)
def quiet_neighbour(_box: Lab, scan: object, shop: object, disk: object) -> Verdict:
    """Look at what limits the one, and at the next answers of the other."""
    assert isinstance(scan, Load) and isinstance(shop, Load) and isinstance(disk, Disk)
    for name, load in (("scan", scan), ("shop", shop)):
        if not load.running:
            return failed(f"{name} has ended", "both go on")
    most = limits(scan.pid, disk.number).get("rbps")
    if most is None or most > _SCAN:
        there = "as much as it likes" if most is None else f"{most / MIB:.3g} MiB a second"
        return failed(f"scan may read {there}", "8 MiB a second at most")
    slowest = 0.0
    for _ in range(_LOOKS):
        read, answers = scan.count, _next_answers(shop)
        if not answers:
            return failed("shop gets no answer any more", "answers within a tenth of a second")
        if not reading.until(partial(_has_moved_on, scan, read), _PATIENCE / 2):
            return failed("scan reads nothing any more", "it gets on")
        slowest = max(answers)
        if slowest <= _PROMPT:
            return passed("scan gets on within its limit; shop is answered in a tenth of a second")
    return failed(
        f"of {_ANSWERS} answers of shop, the slowest took {slowest:.2f} s", "0.1 s at most"
    )


def _has_moved_on(load: Load, count: int) -> bool:
    return load.count > count


def _next_answers(load: Load) -> list[float]:
    """Return how long the next requests of the shop take, seconds: some, or what comes."""
    before = load.count
    reading.until(lambda: load.count >= before + _ANSWERS * _SMALL, _PATIENCE)
    number = (load.count - before) // _SMALL
    return load.measured[-number:] if number else []

"""Exercises of chapter 14 about figures: how sure, per call, the dearest."""

from __future__ import annotations

import random
import statistics
from typing import TYPE_CHECKING

from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.experiments import interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.notebook import Lab

# --- how sure -------------------------------------------------------------------------------------

_SERIES = 40  # in one round; where that does not tell, there is another
# How many intervals fewer than which is too few, and from how many on it is enough, after one round
# and more. Of 90 % sure ones fewer are held once in many thousand times; of those that are as wide
# as one standard error, enough are once in five hundred.
_HELD = ((27, 36), (60, 71), (94, 104), (128, 128))
_QUIET, _LOUD = 0.03, 0.3  # what the pairs of a series differ by: no one width is right for both
_WIDE = 1.5  # times what ranks give


@exercise(
    "how-sure",
    title="How sure?",
    points=3,
    seconds=90.0,
    hints=(
        "The check draws series of pairs whose true ratio it knows, with the moments and the "
        "stragglers of a busy machine, and observes how many of your intervals hold that ratio, "
        "and how wide they are.",
        "Two neighbours share a moment, and so their ratio is free of it. How many of the ratios "
        "lie below the true one? Of so many coins, how many show heads?",
        "From the sorted ratios take one below and one above the middle, about 0.8 times the root "
        "of their number away from it. Or draw from them, with replacement, many times, and look "
        "between which values nine of ten medians lie.",
    ),
)
def how_sure(box: Lab, ratio: object) -> Verdict:
    """Let the function conclude from series whose truth is known; count how often it is right."""
    found: list[tuple[float, float]] = []
    truths: list[float] = []
    wide: list[float] = []
    held = 0
    for few, enough in _HELD:
        new = [random.uniform(0.4, 30) for _ in range(_SERIES)]
        series = [_series(true, random.randint(30, 50)) for true in new]
        told = _told(ratio, series, alone=not found)
        if isinstance(told, Verdict):
            return told
        found, truths = found + told, truths + new
        for (low, high), one in zip(told, series, strict=True):
            ours = interval.of_ratio(*one)
            wide.append((high - low) / (ours.high - ours.low))
        held = sum(low <= true <= high for (low, high), true in zip(found, truths, strict=True))
        if not few <= held < enough:
            break
    if held < few:
        (low, high), true = found[0], truths[0]
        return failed(
            f"{held} of {len(found)} intervals hold the true ratio; one is from {low:.3g} to "
            f"{high:.3g}, where {true:.3g} is true",
            "about nine of ten",
        )
    if (times := statistics.mean(wide)) > _WIDE:
        return failed(
            f"{held} of {len(found)} intervals hold the true ratio, but they are {times:.2g} times "
            "as wide as what is known allows",
            f"{_WIDE:g} times at most",
        )
    return passed("as many intervals hold the true ratio as should, and none is vague")


def _told(
    function: object, series: list[tuple[list[float], list[float]]], *, alone: bool
) -> list[tuple[float, float]] | Verdict:
    """Return the intervals that a function tells; or the verdict on what is none.

    With `alone` it is called once by itself: what goes wrong is told as it is.
    """
    tried = attempt(function, *series[0], seconds=5) if alone else None
    if tried is not None and not tried.failure and not _is_interval(tried.value):
        return failed(
            f"your function says {tried.value!r:.80}", "two numbers: the lower one, the higher one"
        )
    if tried is None or not tried.failure:
        tried = attempt(lambda: [function(*one) for one in series], seconds=15)  # type: ignore[operator]
    if tried.failure:
        return failed(tried.failure)
    if wrong := [one for one in tried.value if not _is_interval(one)]:
        return failed(f"your function says {wrong[0]!r:.80}", "two numbers, each time")
    return [(float(low), float(high)) for low, high in tried.value]


def _series(true: float, count: int) -> tuple[list[float], list[float]]:
    """Return times of two things that were measured in turns on a busy machine, seconds."""
    ones, others = [], []
    spread = random.choice((_QUIET, _LOUD))
    for _ in range(count):
        moment = random.lognormvariate(-5, 0.5)  # what the machine does concerns both alike
        ones.append(true * moment * random.lognormvariate(0, spread) * _straggles())
        others.append(moment * random.lognormvariate(0, spread) * _straggles())
    return ones, others


def _straggles() -> float:
    return 6.0 if random.random() < 0.06 else 1.0


def _is_interval(value: object) -> bool:
    """Whether these are two numbers, the lower one first."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
        return False
    return bool(value[0] <= value[1])


# --- per call -------------------------------------------------------------------------------------

_MOST = 5_000_000  # calls of one program: nobody waits longer
_NEAR = 0.1


@exercise(
    "per-call",
    title="The price of one call",
    points=2,
    seconds=30.0,
    hints=(
        "The check plays the program: it draws what a call costs, what a start costs, and now and "
        "then a moment in which the machine was busy. It observes what your function makes of it.",
        "What does a program take that makes no call at all? And how many calls must it make "
        "before the start hardly matters?",
        "The difference of two runs, one with many calls and one with none, is free of the start. "
        "One run may have been unlucky: of several, take the middle one, or the quickest.",
    ),
)
def per_call(box: Lab, price: object) -> Verdict:
    """Be a program whose prices are known, and compare."""
    for number in range(4):
        call, start = random.uniform(6e-8, 1.5e-7), random.uniform(0.04, 0.08)
        luck = _luck(2 * number)

        def took(
            count: int, call: float = call, start: float = start, luck: Iterator[bool] = luck
        ) -> float:
            if not isinstance(count, int) or not 0 <= count <= _MOST:
                raise ValueError(f"a whole number of calls, {_MOST} at most, not {count!r:.20}")
            unlucky = 0.3 if next(luck) else 0.0
            return start * random.uniform(1, 1.1) + count * call + unlucky

        tried = attempt(price, took, seconds=5)
        if tried.failure:
            return failed(tried.failure)
        if isinstance(tried.value, bool) or not isinstance(tried.value, int | float):
            return failed(f"your function says {tried.value!r:.80}", "seconds: a number")
        if abs(tried.value - call) > _NEAR * call:
            return failed(
                f"your function says {tried.value * 1e9:.0f} ns for a call",
                f"{call * 1e9:.0f} ns" if not number else "what it costs, within a tenth",
            )
    return passed("the price of a call, without the start and without the unlucky moments")


def _luck(first: int) -> Iterator[bool]:
    """Yield whether the machine is busy: once in ten runs, the first time soon after so many.

    Whoever trusts a single difference must not be lucky each time, whichever run it begins with.
    """
    place = first + random.randrange(2)
    while True:
        yield from (run == place for run in range(10))
        place = random.randrange(10)


# --- the dearest ----------------------------------------------------------------------------------

_CALLS = tuple("mount mknod write openat2 mkdir symlink capset sethostname chown umount2".split())
_OTHERS = ("clone3", "pivot_root", "execve", "setsid", "unshare", "fchdir", "rmdir", "bpf")
_BIRTHS = 20
_STOOD_STILL = 8  # of them: whoever looks at one or a few of them meets some
_ROUNDS = 10


@exercise(
    "dearest",
    title="Where the time goes",
    points=3,
    seconds=30.0,
    hints=(
        "The check draws twenty births: which calls are made how often, how long each takes, and "
        "in some births a moment in which the machine stood still.",
        "A call that is made twenty times costs twenty times. And in some of the twenty births the "
        "machine stood still: what would a mean make of it, or a look at one birth?",
        "Add up each call within a birth; then of each call take the median over the births; then "
        "the three largest.",
    ),
)
def dearest(box: Lab, three: object) -> Verdict:
    """Draw births, and compare the names."""
    for number in range(_ROUNDS):
        births, wanted = _births()
        tried = attempt(three, births)
        if tried.failure:
            return failed(tried.failure)
        names = tried.value
        if not isinstance(names, list | tuple | set) or len(names) != 3:
            return failed(f"your function says {names!r:.80}", "three names")
        if set(names) != wanted:
            return failed(
                f"your function says {', '.join(sorted(map(str, names)))}",
                ", ".join(sorted(wanted)) if not number else "what a usual birth takes longest for",
            )
    return passed("the three, however often they are made, and whatever one birth had to wait for")


def _births() -> tuple[list[list[tuple[str, int]]], set[str]]:
    """Return drawn births, each a list of calls with their microseconds; and the three dearest."""
    often, seldom = random.sample(_CALLS, len(_CALLS)), random.sample(_OTHERS, len(_OTHERS))
    # By name: how often, and how long each, µs. Two are dear by their number, one by itself.
    prices = {often[0]: (24, 100), often[1]: (15, 110), seldom[0]: (1, 2000)}
    # One is made more often than all, another is dearer than what is made often; both cost little.
    prices |= {often[2]: (40, 8), often[3]: (30, 10), seldom[1]: (1, 600), seldom[2]: (1, 500)}
    prices |= {name: (random.randint(1, 9), 15) for name in (*often[4:], *seldom[3:])}
    found = []
    for number in range(_BIRTHS):
        calls = [
            (name, round(each * random.uniform(0.8, 1.25)))
            for name, (times, each) in prices.items()
            for _ in range(times)
        ]
        if number < _STOOD_STILL:  # the machine stands still, in the middle of something cheap
            calls.append((seldom[3], random.randint(80_000, 120_000)))
        random.shuffle(calls)
        found.append(calls)
    random.shuffle(found)
    return found, {often[0], often[1], seldom[0]}

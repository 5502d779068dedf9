"""Calling a student's function: in a process of its own, so that nothing it does reaches the lab.

The function may look at the kernel, and answers with plain data. It may loop for ever, catch every
exception, fork without end, print a megabyte, take more memory than the machine has, end its
process or call `os.system("sleep 1000")`: what it is in is killed, all of it, and what was seen is
told in a sentence. What the check knows is on no stack that it can climb.
"""

from __future__ import annotations

import ast
import builtins
import mmap
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from kernelbox.kernel.errors import KernelboxError, shortened
from kernelbox.lab import notebook, reading
from kernelbox.lab.exercises.keeper import Keeper
from kernelbox.lab.exercises.plain import plain
from kernelbox.lab.exercises.time_limit import patient
from kernelbox.lab.exercises.verdict import cut

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 65536  # characters of an answer
_MOST_BYTES = 4 * _LONGEST + 8  # of an answer: whoever writes more is not heard to the end
_SECONDS = 3.0
_UNWRITTEN = NotImplementedError.__name__  # what a function raises in which nothing is done yet
_MEMORY = 1 << 30  # bytes of data more than it begins with, in each of its processes
_FORKS = 100  # of the child and all its descendants: thousands a second would fill the machine


@dataclass(frozen=True)
class Attempt:
    """What became of a call.

    Attributes:
        value: What the function returned, as `plain` makes it: numbers, texts, None, and lists,
            sets and dicts of these. None if it failed.
        failure: What went wrong, as a sentence that can be an observation; empty if nothing did.
    """

    value: Any
    failure: str


def attempt(
    function: object, *args: Any, seconds: float = _SECONDS, lasting: float = 0.0
) -> Attempt:
    """Call a student's function in a child process, for so long at most.

    What it changes in Python stays in the child, and the lab cannot be used there: this is for
    functions that look, count or compute.

    Args:
        function: What the student made; anything else is told as what it is.
        *args: For it.
        seconds: How long it may take, where nothing else runs.
        lasting: How long it takes at least, in seconds: of a function that is to look for so long,
            the answer is kept until then. Or who looks for no time at all, and says that nothing
            happened, would be compared with a moment in which nothing did.
    """
    began = time.monotonic()
    name = getattr(function, "__name__", "") or "the function"
    if not callable(function):
        return Attempt(None, cut(f"it is {shortened(repr(function), 80)}, and no function"))
    given = ", ".join(shortened(repr(argument), 80) for argument in args)
    told = _in_a_child(function, args, seconds)
    time.sleep(max(0.0, began + lasting - time.monotonic()))
    return _understood(told, f"{name}({given})", seconds)


def _in_a_child(function: Callable[..., Any], args: tuple[Any, ...], seconds: float) -> str | None:
    """Return what the child told; None if it was not in time."""
    reader, writer = os.pipe()

    def child() -> NoReturn:
        os.close(reader)
        _child(function, args, writer)

    keeper = Keeper(child, closing=(reader, writer))
    os.close(writer)
    try:
        # To where forks have an end. Without a lab, its own count of them is all there is.
        with suppress(KernelboxError):
            notebook.current().confine(keeper.pid)
        keeper.go()
        return _heard(reader, time.monotonic() + patient(seconds))
    finally:
        os.close(reader)
        keeper.end()


def _child(function: Callable[..., Any], args: tuple[Any, ...], writer: int) -> NoReturn:
    """Call the function and tell what it returned. Nothing is left to whoever forked us."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGALRM):  # the second one ends a check that hangs
            signal.signal(number, signal.SIG_DFL)
        _count_forks(writer)
        _limit_memory()
        builtins.input = _nobody_answers
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        try:
            told = f"v{plain(function(*args))!r}"
        except BaseException as error:
            told = f"e{type(error).__name__}: {error}".removesuffix(": ")
        with open(writer, "w", encoding="utf-8", errors="replace") as out:
            out.write(told[: _LONGEST + 2])
    finally:
        os._exit(0)


def _nobody_answers(_prompt: object = "", /) -> str:
    raise EOFError("nobody answers here")


def _count_forks(writer: int) -> None:
    """See to it that everybody in this group is killed when they fork too often together.

    Source: mmap(2), MAP_SHARED | MAP_ANONYMOUS: the forked share it.
    """
    forks = mmap.mmap(-1, 1)

    def before() -> None:
        forks[0] += 1
        if forks[0] > _FORKS:
            os.write(writer, b"f")
            os.killpg(0, signal.SIGKILL)

    os.register_at_fork(before=before)


def _limit_memory() -> None:
    """See to it that whoever takes too much gets no more, rather than all that the machine has.

    Source: getrlimit(2), RLIMIT_DATA; proc_pid_status(5), VmData, in KiB.
    """
    has = int(reading.status("self")["VmData"].split()[0]) << 10
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = has + _MEMORY if hard == resource.RLIM_INFINITY else min(has + _MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _heard(reader: int, deadline: float) -> str | None:
    """Return what comes through a pipe until its end; None if that does not come in time."""
    told = b""
    poller = select.poll()
    poller.register(reader, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0 and poller.poll(left * 1000):
        data = os.read(reader, _LONGEST)
        if not data or len(told) > _MOST_BYTES:
            return told.decode("utf-8", "replace")
        told += data
    return None


def _understood(told: str | None, call: str, seconds: float) -> Attempt:
    if told is None:
        return Attempt(None, f"{call} did not return within {seconds:g} s")
    kind, text = told[:1], told[1:]
    if kind == "e" and text == _UNWRITTEN:
        return Attempt(None, f"{call.partition('(')[0]} is not written yet")
    if kind == "e":
        return Attempt(None, cut(f"{call} raised {text}"))
    if kind == "f":
        return Attempt(None, f"{call} forked more than {_FORKS} times, and was killed")
    if kind != "v":
        return Attempt(None, f"{call} ended its process, or was killed")
    if len(text) > _LONGEST:
        return Attempt(None, f"{call} returned more than {_LONGEST} characters")
    try:
        return Attempt(set() if text == "set()" else ast.literal_eval(text), "")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return Attempt(None, cut(f"{call} returned {shortened(text, 80)}, which is no plain data"))

"""Calling a student's function: in a process of its own, so that nothing it does reaches the lab.

The function may look at the kernel, and answers with plain data. It may loop for ever, catch every
exception, fork without end, print a megabyte, end its process or call `os.system("sleep 1000")`:
what it is in is killed, all of it, and what was seen is told in a sentence.
"""

from __future__ import annotations

import ast
import builtins
import mmap
import os
import select
import signal
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab import client
from kernelbox.lab.exercises.verdict import cut

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 65536  # characters of an answer
_SECONDS = 3.0
_FORKS = 100  # of the child and all its descendants: thousands a second would fill the machine


@dataclass(frozen=True)
class Attempt:
    """What became of a call.

    Attributes:
        value: What the function returned: numbers, texts, None, and lists, tuples, sets and dicts
            of these. None if it failed.
        failure: What went wrong, as a sentence that can be an observation; empty if nothing did.
    """

    value: Any
    failure: str


def attempt(function: object, *args: Any, seconds: float = _SECONDS) -> Attempt:
    """Call a student's function in a child process, for so long at most.

    What it changes in Python stays in the child, and the lab cannot be used there: this is for
    functions that look, count or compute.

    Args:
        function: What the student made; anything else is told as what it is.
        *args: For it.
        seconds: How long it may take.
    """
    name = getattr(function, "__name__", "") or "the function"
    if not callable(function):
        return Attempt(None, cut(f"it is {function!r:.80}, and no function"))
    given = ", ".join(f"{argument!r:.40}" for argument in args)
    told = _in_a_child(function, args, seconds)
    return _understood(told, f"{name}({given})", seconds)


def _in_a_child(function: Callable[..., Any], args: tuple[Any, ...], seconds: float) -> str | None:
    """Return what the child told; None if it was not in time."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    with warnings.catch_warnings():
        # Python warns of threads: the child starts none, and asks for nothing that they may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(function, args, writer)
    os.close(writer)
    try:
        _confine(pid)
        return _heard(reader, time.monotonic() + seconds)
    finally:
        os.close(reader)
        _kill(pid)


def _confine(pid: int) -> None:
    """Move the child, which stands still, to where forks have an end; let it go on.

    Without a lab, its own count of forks is all there is.
    """
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    with suppress(KernelboxError):
        client.current().call("confine", pid=pid)
    os.kill(pid, signal.SIGCONT)


def _child(function: Callable[..., Any], args: tuple[Any, ...], writer: int) -> NoReturn:
    """Call the function and tell what it returned. Nothing is left to whoever forked us."""
    try:
        os.setsid()
        os.kill(os.getpid(), signal.SIGSTOP)  # until we are where forks have an end
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _count_forks(writer)
        builtins.input = _nobody_answers
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        try:
            told = f"v{function(*args)!r}"
        except BaseException as error:
            told = f"e{type(error).__name__}: {error}"
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


def _heard(reader: int, deadline: float) -> str | None:
    """Return what comes through a pipe until its end; None if that does not come in time."""
    told = b""
    poller = select.poll()
    poller.register(reader, select.POLLIN)
    while poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
        data = os.read(reader, _LONGEST)
        if not data:
            return told.decode("utf-8", "replace")
        told += data
    return None


def _kill(pid: int) -> None:
    """Kill the child and what is in its session's first group; collect it."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    os.waitpid(pid, 0)


def _understood(told: str | None, call: str, seconds: float) -> Attempt:
    if told is None:
        return Attempt(None, f"{call} did not return within {seconds:g} s")
    kind, text = told[:1], told[1:]
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
        return Attempt(None, cut(f"{call} returned {text:.80}, which is no plain data"))

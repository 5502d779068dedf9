"""The door itself: what every request to the kernel passes through, and what a trace is made of.

A request is counted, then (only when somebody asked) paused before and shown after it is made.
Five things can happen to it here, and nowhere else:

- *record*: `sink` receives one `Event` per request;
- *explain*: a refused request becomes a `KernelError` that carries a hint;
- *pause*: `gate` is called before the request and blocks until the student says go;
- *forbid*: `guard` is shown the request before all else, and refuses it by raising;
- *break*: tests kill this process, or inject an errno, before request number N
  (`KERNELBOX_BREAK=container:12:SIGKILL`, `KERNELBOX_BREAK=runtime:3:ENOSPC`).

There are three sides: `runtime` (where the container is made from), `container` (its first
process, before it becomes the program) and `held` (a process under a student's control). Each side
is one process, so the state is module state.

A request is whatever changes the kernel's state for others, or what the program will find itself
in: namespaces, mounts, control groups and settings, links and rules, signals to other processes,
files of a container's root and directories for it; in the container also its session, terminal and
standard streams, file modes, user, capabilities and working directory. Not recorded:

- looking, which changes nothing;
- descriptors and memory of the process itself, which end with execve or with it;
- what a monitor does before it has its order, to part from whoever forked it;
- kernelbox's own files below its root, but for upperdir and workdir, and messages: storage, and no
  part of a container;
- what other programs ask that are run on the way, such as `nft`: they show as one request.

A test holds this against strace.
"""

from __future__ import annotations

import os
import time

from kernelbox.kernel import explain
from kernelbox.kernel.errors import KernelError, errno_name
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    Result = TypeVar("Result")

    class Guard(Protocol):
        """Decides which requests this process may make."""

        def check(self, name: str, arguments: tuple[object, ...]) -> None:
            """Refuse a request that is about to be made, by raising a KernelboxError."""

        def note(self, name: str, arguments: tuple[object, ...]) -> None:
            """Hear of a request that the kernel has granted."""


class Event(NamedTuple):
    """One request to the kernel, as it was made.

    Attributes:
        side: `runtime`, `container` or `held`.
        number: Position on its side, from 1.
        request: The call with its arguments, in strace's notation.
        result: What came back: a number, `0`, or the name of an errno; empty while it is pending.
        microseconds: How long the kernel took.
        shell: The command that asks the same at a prompt; empty where there is none.
    """

    side: str
    number: int
    request: str
    result: str
    microseconds: int
    shell: str

    @property
    def failed(self) -> bool:
        """Whether the kernel refused the request."""
        return self.result.startswith("E")


sink: Callable[[Event], None] | None = None
gate: Callable[[Event], None] | None = None
guard: Guard | None = None

_side = "runtime"
_count = 0
_break: tuple[str, int, str] | None = None


def become(side: str) -> None:
    """Say which side this process is from now on; its requests are counted from 1."""
    global _side, _count
    _side, _count = side, 0


def arm(instruction: str | None) -> None:
    """Set where to break: `SIDE:NUMBER:SIGKILL` or `SIDE:NUMBER:ERRNO`; None to disarm."""
    global _break
    _break = None
    if instruction:
        side, number, what = instruction.split(":")
        _break = (side, int(number), what)


arm(os.environ.get("KERNELBOX_BREAK"))


def request(
    name: str, shown: tuple[object, ...], act: Callable[[], Result], shell: object = ""
) -> Result:
    """Make one request to the kernel and return its result.

    Args:
        name: The system call, as its man page is called.
        shown: Its arguments as a person should see them; formatted only when needed.
        act: Makes the request; raises OSError when the kernel refuses.
        shell: The equivalent command line, or what `str` makes one of when somebody reads it.

    Raises:
        KernelError: The kernel refused; carries request, errno and a hint.
        KernelboxError: The guard refused; the kernel has not been asked.
    """
    global _count
    if guard is not None:
        guard.check(name, shown)
    _count += 1
    if gate is not None:
        gate(Event(_side, _count, spell(name, shown), "", 0, str(shell)))
    started = time.perf_counter_ns()
    try:
        if _break is not None:
            _break_here(*_break)
        result = act()
    except OSError as refusal:
        number = refusal.errno or 0
        if sink is not None:
            sink(_event(name, shown, errno_name(number), started, shell))
        hint = explain.why(name, number)
        raise KernelError(spell(name, shown), number, hint) from refusal
    if guard is not None:
        guard.note(name, shown)
    if sink is not None:
        sink(_event(name, shown, _spell_result(result), started, shell))
    return result


def announce(name: str, shown: tuple[object, ...], shell: str = "") -> Event:
    """Count, pause before and return a request whose result this process cannot live to see.

    That is `execve`: when it works, there is nobody left to record it. The other side completes
    the event once the close-on-exec socket has closed.
    """
    global _count
    _count += 1
    event = Event(_side, _count, spell(name, shown), "", 0, shell)
    if gate is not None:
        gate(event)
    try:
        if _break is not None:
            _break_here(*_break)
    except OSError as refusal:
        raise KernelError(event.request, refusal.errno or 0) from refusal
    return event


def spell(name: str, shown: tuple[object, ...]) -> str:
    """Write a request as strace does: strings in quotes, None as NULL."""
    return f"{name}({', '.join(_spell_argument(argument) for argument in shown)})"


class Symbol(str):
    """An argument that is shown bare, such as `CLONE_NEWPID|CLONE_NEWNS`."""


class Structure:
    """A C structure as strace shows it: `{flags=CLONE_NEWPID, cgroup=5}`; spelled when read."""

    __slots__ = ("fields",)

    def __init__(self, **fields: object) -> None:
        self.fields = fields

    def __str__(self) -> str:
        parts = [f"{name}={_spell_argument(value)}" for name, value in self.fields.items()]
        return "{" + ", ".join(parts) + "}"


def _spell_argument(argument: object) -> str:
    if argument is None:
        return "NULL"
    if isinstance(argument, Symbol):
        return argument
    if isinstance(argument, str):
        return '"' + argument.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(argument, (list, tuple)):
        return "[" + ", ".join(_spell_argument(part) for part in argument) + "]"
    return str(argument)


def _spell_result(result: object) -> str:
    return str(result) if isinstance(result, int) else "0"


def _event(name: str, shown: tuple[object, ...], result: str, started: int, shell: object) -> Event:
    elapsed = (time.perf_counter_ns() - started) // 1000
    return Event(_side, _count, spell(name, shown), result, elapsed, str(shell))


def _break_here(side: str, number: int, what: str) -> None:
    """Do what `KERNELBOX_BREAK` asks for, if this is the request it names."""
    if (side, number) != (_side, _count):
        return
    if what == "SIGKILL":
        os.kill(os.getpid(), 9)
        os._exit(128 + 9)  # PID 1 of a PID namespace does not hear a signal from inside it
    import errno  # only a test that breaks something comes here

    raise OSError(getattr(errno, what), "broken on request")

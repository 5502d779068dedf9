"""Programs in a held process: a shell beside it, Python in it, and a program in its place.

A cell may be interrupted at any moment, so signals are seen to here, too.
"""

from __future__ import annotations

import io
import mmap
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, redirect_stdout

from kernelbox.kernel import files, mounts, pages, process, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# What the kernel sends when the agent is gone. Students' own signals keep their meaning.
ALONE = signal.SIGRTMAX
LONGEST_ERROR = 4000  # characters
_shells: set[int] = set()  # that run now; each leads a process group
_at_work = False


def begin_signals() -> None:
    """Give signals the meaning that any program finds, whatever the agent and nohup ignore."""
    process.default_signals()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)  # as Python does: an exception tells of them


def heed_signals() -> None:
    """Heed SIGINT, and the kernel's word that the agent is gone."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(ALONE, _leave)
    syscalls.prctl(k.PR_SET_PDEATHSIG, ALONE, argument_name="SIGRTMAX")


def _interrupt(_number: int, _frame: object) -> None:
    """Interrupt the request that is being made; one that has ended meanwhile is left in peace."""
    global _at_work
    if _at_work:
        _at_work = False
        raise KeyboardInterrupt


def _leave(_number: int, _frame: object) -> None:
    for leader in _shells:
        os.killpg(leader, signal.SIGKILL)
    os._exit(0)


@contextmanager
def at_work() -> Iterator[None]:
    """Be interrupted by SIGINT while the block runs, and only then."""
    global _at_work
    try:
        _at_work = True
        yield
    finally:
        _at_work = False


def _shell(fds: list[int], script: str) -> int:
    """Run a shell script as a child, its output to the descriptors given; return its exit code.

    Its standard input is this process's, which is the agent's /dev/null: the root that this
    process has walked into may have none.
    """
    command = ["/bin/sh", "-c", script]
    # A process group of its own: when it is interrupted, so are its children.
    child = subprocess.Popen(command, stdout=fds[0], stderr=fds[1], process_group=0)
    _shells.add(child.pid)
    try:
        return child.wait()
    except KeyboardInterrupt:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    finally:
        _shells.discard(child.pid)


# What the code of `python` sees, and what it leaves for the next.
_SCOPE: dict[str, Any] = {
    "mmap": mmap,
    "os": os,
    "sys": sys,
    "signal": signal,
    "syscalls": syscalls,
    "mounts": mounts,
    "flags": k,
    "files": files,
    "pages": pages,
}


def _python(fds: list[int], source: str) -> str:
    """Run Python in this very process; return what it failed with, or nothing."""
    output = io.StringIO()
    failure = ""
    with redirect_stdout(output):
        try:
            exec(compile(source, "<inside>", "exec"), _SCOPE)
        except BaseException as error:
            failure = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
    with open(fds[0], "w", encoding="utf-8", closefd=False) as out:
        out.write(output.getvalue())
    return failure


def _exec(fds: list[int], args: list[str]) -> None:
    """Become a program; the answer is the socket's closing, or an error."""
    before = [os.dup(1), os.dup(2)]
    for fd, wanted in zip(fds, (1, 2), strict=True):
        os.dup2(fd, wanted)
    process.die_with_parent()  # the kernel may have forgotten, and a program needs SIGKILL
    event = process.announce_exec(args[0], args)
    process.default_signals()
    try:
        process.execve(args[0], args, dict(os.environ))
    except OSError as error:
        begin_signals()
        signal.signal(signal.SIGINT, _interrupt)
        hint = "Give its whole path: nobody looks in $PATH here" if "/" not in args[0] else ""
        raise KernelError(event.request, error.errno or 0, hint) from error
    finally:
        for fd, wanted in zip(before, (1, 2), strict=True):
            os.dup2(fd, wanted)
            os.close(fd)


PROGRAMS: dict[str, Callable[..., Any]] = {"shell": _shell, "python": _python, "exec": _exec}

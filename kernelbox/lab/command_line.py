"""The command line from a notebook: `kernelbox ...`, typed in a cell instead of a terminal.

Everything about images is asked for in this way: a notebook has no second way to load, pull or tag
one, so what is learnt here is what is typed there. It is a process of its own, with the lab's
rights and its root; the agent has no part in it. Leaves containers to client.py.
"""

from __future__ import annotations

import select
import signal
import subprocess
import sys
from contextlib import closing, suppress

from kernelbox.lab.connect import privileged
from kernelbox.lab.conversation import LabError, Pipe
from kernelbox.lab.started import Result
from kernelbox.lab.traces import Trace

_PATIENCE = 2.0  # seconds


def command(words: list[str], *, quiet: bool = False) -> Result:
    """Run a command of kernelbox's to its end, and print what it prints.

    Args:
        words: As in a terminal, without `kernelbox` itself: `["load", "-i", "box.tar"]`.
        quiet: Whether to print nothing: what it prints is in the result anyway.

    Raises:
        LabError: The command failed; the message and the hint are its own.
    """
    # What it complains of is the error's message, if it fails: not printed a second time.
    with closing(Pipe("stdout", echo=not quiet)) as out, closing(Pipe("stderr", echo=False)) as err:
        process = _started(words, out.writer, err.writer)
        try:
            _follow(out, err)
        except BaseException:
            _interrupt(process)
            raise
        finally:
            code = process.wait()
    if code:
        said = " ".join(err.text.split()).removeprefix("kernelbox: ")
        raise LabError(said or f"kernelbox {words[0]} ended with exit code {code}", code=code)
    if not quiet:
        print(err.text, end="", file=sys.stderr)
    return Result(code, out.text, err.text, Trace())


def _started(words: list[str], stdout: int, stderr: int) -> subprocess.Popen[bytes]:
    argv = privileged([sys.executable, "-I", "-m", "kernelbox", *words])
    try:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
    except OSError as error:
        raise LabError("kernelbox did not start", "It needs root, or sudo") from error


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C; whoever does not end then is killed, which no command minds."""
    with suppress(OSError):  # it is sudo's: Jupyter has interrupted all of our children
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def _follow(stdout: Pipe, stderr: Pipe) -> None:
    """Take what comes through both pipes until both have ended."""
    ahead = {pipe.reader: pipe for pipe in (stdout, stderr)}
    for pipe in ahead.values():
        pipe.close_writer()
    poller = select.poll()
    for fd in ahead:
        poller.register(fd, select.POLLIN)
    while ahead:
        for fd, _ in poller.poll():
            if not ahead[fd].take():
                poller.unregister(fd)
                del ahead[fd]

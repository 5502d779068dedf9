"""Recording which system calls a container's programs make: `run --record-seccomp`.

    container   its filter asks about each call that it allows, and stands still until it may go on
    recorder    a process that says so, and notes the number in memory that it shares with
    monitor     who makes a profile of them when the container has ended

A process of its own, because it has to answer while the monitor waits for the container's birth.
If it ends, every call that is left to it fails (ENOSYS), so the container cannot outlive it long;
and it ends with its monitor. The file is written in the end, whole or not at all.

What it does to a program: each call takes longer; and a call that a signal meets before the
recorder has taken it up fails with EINTR, where the handler was set without SA_RESTART, even one
that else never does. The kernel has no flag against that: WAIT_KILLABLE_RECV holds from then on. So
the recorder is as quick as can be (`listening.be_first`), which leaves the moments in which it is
with another thread's call; and the calls that threads are made of are not asked about at all.

Source: seccomp_unotify(2). The record itself needs no trust in the arguments' memory, which it
warns of: nothing is decided by it.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import stat

from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Watched
from kernelbox.kernel import door, listening, process
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing import whole
from kernelbox.plumbing.channel import Channel
from kernelbox.seccomp import machines, recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_NUMBERS = 4096  # far above any call's
_SOON = 1  # milliseconds until a listener is looked for again that is about to be made
_HINT = "Name a file in a directory that can be written to"


class Recorder:
    """The recorder of one life of a container, as its monitor has it."""

    def __init__(self) -> None:
        self._seen = mmap.mmap(-1, _NUMBERS)  # shared: a byte for each number
        self._channel, theirs = Channel.pair()
        self._pid = os.fork()
        if self._pid == 0:
            _record(theirs, self._seen)
        theirs.close()

    def watch(self, pidfd: int, number: int) -> None:
        """Listen to a filter that a process is about to install.

        Args:
            pidfd: Of the process.
            number: Of the descriptor that it will have.
        """
        messages.send(self._channel, Watched(number, [pidfd]))

    def end(self) -> list[int]:
        """Return the numbers of the calls that were made, once nobody makes any more.

        Raises:
            KernelboxError: It has ended before.
        """
        self._channel.close()
        if process.wait_exit(self._pid) != 0:
            raise KernelboxError(
                "the recorder of system calls was ended before the container", "Run it again"
            )
        return [number for number, is_seen in enumerate(self._seen[:]) if is_seen]


def check(plain: dict[str, Any] | None, path: str) -> None:
    """See to it that a run can be recorded, before it is made.

    Args:
        plain: The profile that is in force; None without one.
        path: Where the recorded one is to be.

    Raises:
        UsageError: What is allowed cannot be narrowed; there can be no such file.
    """
    recording.check(plain)
    try:
        if os.path.lexists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            raise UsageError(f"--record-seccomp {path!r:.200} is no file", "Name another")
        directory = os.open(
            os.path.dirname(os.path.realpath(path)), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        )
        try:
            with whole.Draft(directory):
                pass
        finally:
            os.close(directory)
    except OSError as error:
        raise _unwritten(path, error) from error


def keep(recorder: Recorder, plain: dict[str, Any] | None, path: str) -> KernelboxError | None:
    """Write down what a run has used, now that it is over; return why that failed, if it did.

    Args:
        recorder: Who was listening.
        plain: The profile that was in force; None without one.
        path: Of the file; one that is there is replaced.
    """
    try:
        found = recording.narrowed(plain, recorder.end(), machines.this())
        whole.replace(path, f"{json.dumps(found, indent=1)}\n".encode())
    except KernelboxError as error:
        return error
    except OSError as error:
        return _unwritten(path, error)
    return None


def _unwritten(path: str, error: OSError) -> UsageError:
    reason = (error.strerror or "").lower()
    return UsageError(f"cannot write --record-seccomp {path!r:.200}: {reason}", _HINT)


def _record(channel: Channel, seen: mmap.mmap) -> NoReturn:
    """Be the recorder, until the monitor hangs up or ends."""
    status = 1
    try:
        door.become("recorder")
        door.sink = door.gate = None
        process.close_all_but([channel.fileno()])
        process.die_with_parent()
        process.rename("recorder")
        listening.be_first()
        _listen(channel, seen)
        status = 0
    finally:
        os._exit(status)


def _listen(channel: Channel, seen: mmap.mmap) -> None:
    poller = select.poll()
    poller.register(channel, select.POLLIN)
    listeners: set[int] = set()
    coming: list[Watched] = []
    while True:
        for fd, events in poller.poll(_SOON if coming else None):
            if fd in listeners:
                if events & select.POLLIN:
                    number = listening.let_go_on(fd)
                    if number is not None and 0 <= number < _NUMBERS:
                        seen[number] = 1
                else:  # nobody is left who has this filter
                    poller.unregister(fd)
                    listeners.remove(fd)
                    os.close(fd)
                continue
            message = messages.receive(channel)
            if not isinstance(message, Watched):
                return
            coming.append(message)
        for one in list(coming):
            found = _fetched(one)
            if found is None:
                continue
            coming.remove(one)
            os.close(one.fds[0])
            if found >= 0:
                listeners.add(found)
                poller.register(found, select.POLLIN)


def _fetched(one: Watched) -> int | None:
    """Return a listener; None if it is still to come, and -1 if it never will."""
    try:
        return listening.listener(one.fds[0], one.number)
    except ProcessLookupError:
        return -1

"""A monitor with nothing to do sleeps without its interpreter: what it has to know when it wakes.

After some quiet, when nobody is at the program's streams, nothing is to be asked of it at a time
of its own, and nobody waits at the reception, a monitor becomes a sleeper (kernel/sleeper.py): it
is the same process, parent of the program, and holds the container's lock, but in a few pages of
memory. Whatever comes (output, a guest, the end) wakes it: it is an interpreter again, and goes on
where it was. What it had in its memory is on the disk, or in `Dream`, among its environment
variables: `ps` shows what it has always shown.

Where the kernel executes nothing in memory, or there is no sleeper for the machine, it stays awake.

Source: fcntl(2), "Record locks are preserved across an execve(2)".
"""

from __future__ import annotations

import os
import sys

from kernelbox.container.log import Log
from kernelbox.container.reception import Reception
from kernelbox.container.relay import Relay
from kernelbox.container.streams import Stream
from kernelbox.kernel import process, sleeper
from kernelbox.plumbing import documents, paths
from kernelbox.plumbing.records import NamedTuple

_DREAM = "KERNELBOX_DREAM"  # where the command line finds what the monitor knew


class Dream(NamedTuple):
    """What a monitor knows of its container that is not on the disk; descriptors by their numbers.

    Attributes:
        id: The container's.
        lock: From `monitor_lock`.
        listener: Of its reception.
        pidfd: Of its first process.
        terminal: Our end of its terminal; None without one.
        stdin: Our end of its standard input; None if it has none.
        outputs: What it prints, by stream; those that have not ended.
        within: Streams that have begun a line in the log.
        began: When this life did, seconds of CLOCK_MONOTONIC.
        waited: How long the restart before it was put off, seconds.
    """

    id: str
    lock: int
    listener: int
    pidfd: int
    terminal: int | None
    stdin: int | None
    outputs: dict[str, int]
    within: list[str]
    began: float
    waited: float


def doze(
    container_id: str, lock: int, relay: Relay, reception: Reception, began: float, waited: float
) -> None:
    """Sleep until something comes, if that can be; then `monitor.wake` goes on.

    Raises:
        OSError: This host executes nothing in memory.
    """
    if reception.is_busy or relay.log is None:
        return
    outputs = {one.name: one.source for one in relay.outputs if one.source is not None}
    dream = Dream(
        container_id, lock, reception.fileno(), relay.pidfd, relay.terminal, relay.stdin,
        outputs, sorted(relay.log.within), began, waited,
    )  # fmt: skip
    until = [relay.pidfd, reception.fileno(), *outputs.values()]
    kept = [fd for fd in (lock, relay.terminal, relay.stdin) if fd is not None]
    words = [sys.executable, *sys.orig_argv[1:]]  # as this command was called
    sleeper.sleep(until, kept, words, {**os.environ, _DREAM: documents.dumps(dream._asdict())})


def remember(text: str) -> tuple[Dream, Relay, Reception]:
    """Return what a monitor knew before it slept, and its hands again.

    Args:
        text: From `doze`.
    """
    dream = Dream(**documents.loads(text))
    process.close_all_but(_descriptors(dream))
    for fd in _descriptors(dream):
        os.set_inheritable(fd, False)
    relay = Relay(dream.pidfd, dream.terminal, Log(f"{paths.container(dream.id)}/log"))
    assert relay.log is not None
    relay.log.within.update(dream.within)
    relay.outputs = [Stream(fd, name) for name, fd in dream.outputs.items()]
    relay.stdin = dream.stdin
    return dream, relay, Reception(dream.id, dream.listener)


def _descriptors(dream: Dream) -> list[int]:
    found = [dream.lock, dream.listener, dream.pidfd, dream.terminal, dream.stdin]
    return [fd for fd in (*found, *dream.outputs.values()) if fd is not None]

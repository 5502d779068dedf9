"""Disks of a lab's own: loop devices over files without a name, for loads on a disk.

The agent has the device open, and the kernel takes it and the file away when nobody has: so it
goes with the agent, and its users, however they end. The host's ledger names it as well, for
`kernelbox reset` while the agent lives.
"""

from __future__ import annotations

import os

from kernelbox.container import state
from kernelbox.container.ledger import Ledger
from kernelbox.kernel import door, loop
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import paths

LEAST = 1 << 20  # bytes

_open: dict[str, int] = {}  # devices of this agent, by their paths


def make(size: int) -> str:
    """Make a disk of so many bytes, all of them in the room of the root; return its path.

    Raises:
        UsageError: It is smaller than 1 MiB, or no whole number of sectors.
        KernelError: ENOENT without loop devices; EACCES; EBUSY if another program was quicker.
        OSError: ENOSPC.

    Source: loop(4); open(2), O_TMPFILE; posix_fallocate(3).
    """
    if size < LEAST or size % 512:
        raise UsageError(f"{size} bytes are no size for a disk", "Ask for some MiB: 64 << 20")
    file = os.open(paths.root(), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file, 0, size)
        with state.housekeeping():
            return _attached(file)
    finally:
        os.close(file)


def _attached(file: int) -> str:
    """Return the path of the device that a file has become."""
    number = loop.free()
    Ledger(paths.host()).record("loop", str(number))
    device = loop.attach(number, file, paths.loop_name())
    path = f"/dev/loop{number}"
    _open[path] = device
    return path


def partition(path: str, number: int, begin: int, size: int) -> list[door.Event]:
    """Make a partition of a disk, which goes with it; return what the kernel was asked.

    Raises:
        UsageError: The disk is none that this agent has made.
        KernelError: See `loop.add_partition`.
    """
    if path not in _open:
        raise UsageError(f"{path} is no disk of the lab's", "box.disk() makes one")
    events: list[door.Event] = []
    before, door.sink = door.sink, events.append
    try:
        loop.add_partition(path, number, begin, size)
    finally:
        door.sink = before
    return events


def remove(path: str) -> None:
    """Let go of a disk; its last user's end is its own. Twice is fine.

    Raises:
        UsageError: It is none that this agent has made.
    """
    if not path.startswith("/dev/loop"):
        raise UsageError(f"{path} is no disk of the lab's", "box.disk() makes one")
    if (device := _open.pop(path, None)) is not None:
        os.close(device)

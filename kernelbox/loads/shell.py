"""The loads in a shell's words, for a container that has nothing but busybox.

A shell is no clock, so these have no stated rate but "as fast as it goes"; and they measure
nothing. What they use is real: the group's counters say how much.
"""

from __future__ import annotations


def burn(workers: int = 1) -> list[str]:
    """Return a command that uses the CPU without a pause, in so many processes.

    Args:
        workers: Processes, beside the shell that waits for them.
    """
    return _sh(f"for each in $(seq {workers}); do (while :; do :; done) & done; wait")


def eat(size: int) -> list[str]:
    """Return a command that holds `size` bytes of memory in one process, and sleeps on them.

    `tail` keeps the last bytes that it has read for as long as more may come.
    """
    return _sh(f"(head -c {size} /dev/zero; sleep 1000000) | tail -c {size}")


def fork_many(number: int) -> list[str]:
    """Return a command that has `number` children, which sleep."""
    return _sh(f"for each in $(seq {number}); do sleep 1000000 & done; wait")


def write(path: str, size: int) -> list[str]:
    """Return a command that writes `size` bytes to a file, in order, and ends on the disk."""
    return ["dd", "if=/dev/zero", f"of={path}", "bs=64k", f"count={size >> 16}", "conv=fsync"]


def read(path: str) -> list[str]:
    """Return a command that reads a file to its end."""
    return ["dd", f"if={path}", "of=/dev/null", "bs=64k"]


def _sh(script: str) -> list[str]:
    return ["sh", "-c", script]

"""A process that ends with the one that has forked it, even if that one ends in this moment."""

from __future__ import annotations

import os

from kernelbox.kernel import process


def end_with(parent: int) -> None:
    """End this process when its parent ends, or now if that has ended already.

    Args:
        parent: Its process id, as it was before the fork.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    process.die_with_parent()
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(0)
